package io.reelfleet.engine.tool;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EngineProfileTest {
    @TempDir Path folder;

    @Test
    void printsWhatAChunkCosts() throws Exception {
        RandomModel.tiny().write(folder, 1);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (PrintStream stream = new PrintStream(out, true, StandardCharsets.UTF_8)) {
            EngineProfile.run(folder.toString(), 2, 2, "a red ball", stream);
        }
        assertThat(out.toString(StandardCharsets.UTF_8))
                .contains("batch           2")
                .containsPattern("chunk by cpu +[0-9.]+ ms")
                .containsPattern("sessions +[0-9.]+ in real time");
    }
}
