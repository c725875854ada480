package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.weights.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A folder that is wrong is refused in one sentence, and nothing of it stays loaded. */
class BadModelFolderTest {
    private static final Path MAPS = Path.of("/proc/self/maps");

    @TempDir Path folder;

    @BeforeAll
    static void loadWhatTheProcessKeeps(@TempDir Path good) throws Exception {
        RandomModel.tiny().write(good, 1);
        load(good);
    }

    private static void load(Path folder) throws ModelException {
        Engine.load(ModelFolder.of(folder), EngineOptions.defaults()).close();
    }

    static Stream<BadFolder> badFolders() {
        return BadFolder.all().stream();
    }

    @ParameterizedTest
    @MethodSource("badFolders")
    void isRefusedInOneSentenceAndLeavesNothing(BadFolder bad) throws Exception {
        bad.write(folder);
        long objects = Pointer.totalCount();
        long bytes = Pointer.totalBytes();
        assertThatThrownBy(() -> load(folder))
                .isInstanceOf(ModelException.class)
                .satisfies(
                        e ->
                                assertThat(e.getMessage())
                                        .contains(bad.sentence())
                                        .contains(folder.toString())
                                        .doesNotContain("\n", "\r", "\0")
                                        .hasSizeLessThan(1500));
        assertThat(Pointer.totalCount()).as("native objects").isLessThanOrEqualTo(objects);
        assertThat(Pointer.totalBytes()).as("native bytes").isLessThanOrEqualTo(bytes);
        if (Files.exists(MAPS)) {
            assertThat(Files.readAllLines(MAPS))
                    .as("files still mapped")
                    .noneMatch(line -> line.contains(folder.toString()));
        }
    }

    @Test
    void loadsBfloat16AndFloat16() throws Exception {
        for (DType type : List.of(DType.BF16, DType.F16)) {
            RandomModel.tiny().as(type).write(folder, 1);
            load(folder);
        }
    }

    @Test
    void aFileInThePlaceOfAFolderIsRefused() throws Exception {
        Path checkpoint = Files.write(folder.resolve("model.pt"), new byte[] {'P', 'K', 3, 4});
        assertThatThrownBy(() -> ModelFolder.of(checkpoint))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("model.pt is not a folder")
                .hasMessageContaining("./reelfleet model import");
        assertThatThrownBy(() -> ModelFolder.of(folder.resolve("nowhere")))
                .hasMessageContaining("nowhere is not a folder");
    }

    @Test
    void aPromptWithTokensThatTheTextEncoderDoesNotKnowIsRefused() throws Exception {
        RandomModel.tiny().write(folder, 1);
        Path tokenizer = folder.resolve("tokenizer/tokenizer.json");
        String text = Files.readString(tokenizer);
        assertThat(text).contains("\"grey\" : 14");
        Files.writeString(tokenizer, text.replace("\"grey\" : 14", "\"grey\" : 15"));
        try (Engine engine = Engine.load(ModelFolder.of(folder), EngineOptions.defaults())) {
            assertThatThrownBy(() -> engine.open(new SessionParameters("s", 1, "a grey ball")))
                    .isInstanceOf(InvalidPromptException.class)
                    .hasMessageContaining("token 15, but the text encoder's vocab_size is 15");
            assertThat(engine.openSessions()).isZero();
            assertThat(engine.pagesUsed()).isZero();
            engine.open(new SessionParameters("s", 1, "a red ball")).close();
        }
    }
}
