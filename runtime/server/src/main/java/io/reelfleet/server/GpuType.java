package io.reelfleet.server;

import io.reelfleet.engine.tensor.Device;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the operator tells workers apart by when it learns how many sessions one carries. */
final class GpuType {
    private static final Path DRIVER = Path.of("/proc/driver/nvidia/gpus");
    private static final String MODEL = "Model:";

    private GpuType() {}

    /** {@code cpu}, or the GPU's model as its driver calls it, or {@code cuda}. */
    static String of(Device.Kind kind) {
        return kind == Device.Kind.CUDA ? model(DRIVER) : "cpu";
    }

    /** The model of the first GPU that the driver shows. */
    static String model(Path driver) {
        if (Files.isDirectory(driver)) {
            try (DirectoryStream<Path> gpus = Files.newDirectoryStream(driver)) {
                for (Path gpu : gpus) {
                    for (String line : Files.readAllLines(gpu.resolve("information"))) {
                        if (line.startsWith(MODEL)) {
                            return line.substring(MODEL.length()).strip();
                        }
                    }
                }
            } catch (IOException e) {
                return "cuda";
            }
        }
        return "cuda";
    }
}
