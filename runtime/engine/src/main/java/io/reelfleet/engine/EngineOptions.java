package io.reelfleet.engine;

import java.util.Objects;

/**
 * How an engine uses its machine.
 *
 * @param threads compute threads
 * @param deviceMemoryBytes limit of weights and session state on the device
 * @param hostMemoryBytes limit of suspended sessions' state in host memory
 * @param overrides settings that replace the model folder's
 */
public record EngineOptions(
        int threads, long deviceMemoryBytes, long hostMemoryBytes, GenerationOverrides overrides) {
    private static final long GIB = 1L << 30;

    public EngineOptions {
        Objects.requireNonNull(overrides, "overrides");
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be 1 or greater, not " + threads);
        }
        if (deviceMemoryBytes < 1 || hostMemoryBytes < 0) {
            throw new IllegalArgumentException(
                    "deviceMemoryBytes must be positive and hostMemoryBytes not negative");
        }
    }

    /** One thread, 4 GiB of device memory, 4 GiB of host memory. */
    public static EngineOptions defaults() {
        return new EngineOptions(1, 4 * GIB, 4 * GIB, GenerationOverrides.none());
    }

    /** These options with other overrides. */
    public EngineOptions with(GenerationOverrides other) {
        return new EngineOptions(threads, deviceMemoryBytes, hostMemoryBytes, other);
    }

    /** These options with another limit of device memory. */
    public EngineOptions withDeviceMemory(long bytes) {
        return new EngineOptions(threads, bytes, hostMemoryBytes, overrides);
    }
}
