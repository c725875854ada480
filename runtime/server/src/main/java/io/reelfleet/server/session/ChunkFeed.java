package io.reelfleet.server.session;

import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.LogEntry;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The newest stored chunks of a session, for the viewers that wait for the next one. Safe for use
 * by many threads.
 */
public final class ChunkFeed {
    private static final int KEPT = 4;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Deque<LogEntry> recent = new ArrayDeque<>();
    private long next;
    private Optional<End> end = Optional.empty();
    private Optional<String> gone = Optional.empty();

    /** What a viewer that waits for a chunk learns. */
    public sealed interface Answer {
        /** Chunk {@code k} is in the log; here it is too, if it is one of the newest. */
        record Stored(Optional<LogEntry> entry) implements Answer {}

        /** The session has ended before chunk {@code k}. */
        record Ended(End end) implements Answer {}

        /** The session is here no longer, for this reason; another worker may have it. */
        record Gone(String reason) implements Answer {}

        /** Nothing happened in the time allowed. */
        record NotYet() implements Answer {}
    }

    /** Waits until chunk {@code k} is stored or will never be, here. */
    public Answer await(long k, Duration atMost) throws InterruptedException {
        long left = atMost.toNanos();
        lock.lockInterruptibly();
        try {
            while (true) {
                if (k < next) {
                    return new Answer.Stored(
                            recent.stream().filter(e -> e.getChunk().getChunk() == k).findFirst());
                }
                if (end.isPresent()) {
                    return new Answer.Ended(end.get());
                }
                if (gone.isPresent()) {
                    return new Answer.Gone(gone.get());
                }
                if (left <= 0) {
                    return new Answer.NotYet();
                }
                left = changed.awaitNanos(left);
            }
        } finally {
            lock.unlock();
        }
    }

    /** The log holds all chunks before this one. */
    void startsAt(long nextChunk) {
        change(() -> next = nextChunk);
    }

    void stored(LogEntry entry) {
        change(
                () -> {
                    recent.addLast(entry);
                    if (recent.size() > KEPT) {
                        recent.removeFirst();
                    }
                    next = entry.getChunk().getChunk() + 1;
                });
    }

    void ended(End value) {
        change(() -> end = Optional.of(value));
    }

    void gone(String reason) {
        change(() -> gone = Optional.of(reason));
    }

    private void change(Runnable change) {
        lock.lock();
        try {
            change.run();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
