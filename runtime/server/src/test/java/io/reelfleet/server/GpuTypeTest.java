package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.tensor.Device;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GpuTypeTest {

    @Test
    void isTheModelThatTheDriverNames(@TempDir Path driver) throws Exception {
        Path gpu = Files.createDirectories(driver.resolve("0000:18:00.0"));
        Files.writeString(
                gpu.resolve("information"),
                "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 241\nGPU UUID: \t GPU-1\n");
        assertThat(GpuType.model(driver)).isEqualTo("NVIDIA H100 80GB HBM3");
    }

    @Test
    void isOnlyCudaWhereNoDriverSays(@TempDir Path folder) {
        assertThat(GpuType.model(folder)).isEqualTo("cuda");
        assertThat(GpuType.model(folder.resolve("none"))).isEqualTo("cuda");
    }

    @Test
    void isCpuWithoutOne() {
        assertThat(GpuType.of(Device.Kind.CPU)).isEqualTo("cpu");
    }
}
