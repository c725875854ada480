package io.reelfleet.engine.cache;

import io.reelfleet.engine.DoesNotFitException;

/** A limit on bytes and how many of them are promised. Not thread-safe. */
public final class MemoryBudget {
    private final String name;
    private final long limit;
    private long used;

    /**
     * @param name what the memory is called in errors, such as "device memory"
     * @param limit in bytes
     */
    public MemoryBudget(String name, long limit) {
        this.name = name;
        this.limit = limit;
    }

    /** Promises {@code bytes} for {@code purpose} or changes nothing. */
    public void reserve(long bytes, String purpose) {
        if (bytes > limit - used) {
            throw new DoesNotFitException(
                    purpose
                            + " needs "
                            + bytes
                            + " bytes of "
                            + name
                            + ", but "
                            + used
                            + " of the limit of "
                            + limit
                            + " bytes are taken: raise the limit or free sessions");
        }
        used += bytes;
    }

    /** Takes a promise back. */
    public void release(long bytes) {
        if (bytes > used) {
            throw new IllegalStateException("more " + name + " released than was reserved");
        }
        used -= bytes;
    }

    public long used() {
        return used;
    }

    public long limit() {
        return limit;
    }
}
