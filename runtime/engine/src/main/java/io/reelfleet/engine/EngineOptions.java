package io.reelfleet.engine;

import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import java.nio.file.Path;
import java.util.Objects;

/**
 * How an engine uses its machine.
 *
 * @param threads compute threads
 * @param deviceMemoryBytes limit of weights and session state on the device
 * @param hostMemoryBytes limit of suspended sessions' state in host memory
 * @param overrides settings that replace the model folder's
 * @param spillFolder where suspended sessions' states go that host memory has no room for; null for
 *     nowhere: what does not fit is refused
 * @param device what computes
 * @param precision of weights, activations and session state
 */
public record EngineOptions(
        int threads,
        long deviceMemoryBytes,
        long hostMemoryBytes,
        GenerationOverrides overrides,
        Path spillFolder,
        Device.Kind device,
        Precision precision) {
    private static final long GIB = 1L << 30;

    public EngineOptions {
        Objects.requireNonNull(overrides, "overrides");
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(precision, "precision");
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be 1 or greater, not " + threads);
        }
        if (deviceMemoryBytes < 1 || hostMemoryBytes < 0) {
            throw new IllegalArgumentException(
                    "deviceMemoryBytes must be positive and hostMemoryBytes not negative");
        }
    }

    /** On the CPU in float32, without a folder for states that host memory has no room for. */
    public EngineOptions(
            int threads,
            long deviceMemoryBytes,
            long hostMemoryBytes,
            GenerationOverrides overrides) {
        this(
                threads,
                deviceMemoryBytes,
                hostMemoryBytes,
                overrides,
                null,
                Device.Kind.CPU,
                Precision.FP32);
    }

    /** One thread of the CPU, float32, 4 GiB of device memory, 4 GiB of host memory. */
    public static EngineOptions defaults() {
        return new EngineOptions(1, 4 * GIB, 4 * GIB, GenerationOverrides.none());
    }

    /** These options with other overrides. */
    public EngineOptions with(GenerationOverrides other) {
        return new EngineOptions(
                threads, deviceMemoryBytes, hostMemoryBytes, other, spillFolder, device, precision);
    }

    /** These options with another limit of device memory. */
    public EngineOptions withDeviceMemory(long bytes) {
        return new EngineOptions(
                threads, bytes, hostMemoryBytes, overrides, spillFolder, device, precision);
    }

    /** These options with another limit of host memory, and a folder for what is beyond it. */
    public EngineOptions withHostMemory(long bytes, Path folder) {
        return new EngineOptions(
                threads, deviceMemoryBytes, bytes, overrides, folder, device, precision);
    }

    /** These options on another device, in another precision. */
    public EngineOptions on(Device.Kind otherDevice, Precision otherPrecision) {
        return new EngineOptions(
                threads,
                deviceMemoryBytes,
                hostMemoryBytes,
                overrides,
                spillFolder,
                otherDevice,
                otherPrecision);
    }
}
