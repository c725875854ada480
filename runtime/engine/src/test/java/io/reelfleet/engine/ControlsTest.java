package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.model.RandomModel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What may be asked of a session while it runs. */
class ControlsTest {
    private static final String BALL = "a red ball moves left";
    private static final String SQUARE = "the blue square moves right";

    @TempDir static Path folder;
    private static Engine engine;

    @BeforeAll
    static void load() throws Exception {
        RandomModel.tiny().write(folder, 1);
        engine = Engine.load(ModelFolder.of(folder), EngineOptions.defaults());
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    private static EngineSession open(long seed, String prompt) throws Exception {
        return engine.open(new SessionParameters("c" + seed, seed, prompt));
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static List<StoredChunk> log(EngineSession session, int chunks, String prompt) {
        List<StoredChunk> log = new ArrayList<>();
        for (int i = 0; i < chunks; i++) {
            GeneratedChunk chunk = next(session);
            log.add(new StoredChunk(chunk.chunk(), chunk.latents(), prompt));
        }
        return log;
    }

    private static byte[] latents(GeneratedChunk chunk) {
        return chunk.latents().float32LittleEndian();
    }

    @Test
    void aRefreshedCacheIsThatOfAVideoMadeUnderTheNewPromptFromTheSamePictures() throws Exception {
        try (EngineSession kept = open(1, BALL);
                EngineSession refreshed = open(1, BALL);
                EngineSession reference = open(1, SQUARE)) {
            List<StoredChunk> log = log(kept, 5, SQUARE);
            log(refreshed, 5, SQUARE);
            kept.setPrompt(SQUARE, PromptSwitch.KEEP_CACHE);
            refreshed.setPrompt(SQUARE, PromptSwitch.REFRESH_CACHE);
            reference.rebuild(5, log);
            byte[] expected = latents(next(reference));
            assertThat(latents(next(refreshed))).isEqualTo(expected);
            assertThat(latents(next(kept))).isNotEqualTo(expected);
            // The cache goes on as before afterwards.
            assertThat(latents(next(refreshed))).isEqualTo(latents(next(reference)));
        }
    }

    @Test
    void aRewoundSessionMakesTheSameVideoAgain() throws Exception {
        try (EngineSession session = open(2, BALL)) {
            List<StoredChunk> log = log(session, 3, BALL);
            session.step();
            session.rewind(1, log.subList(0, 1));
            assertThat(session.nextChunk()).isEqualTo(1);
            assertThat(latents(next(session)))
                    .isEqualTo(log.get(1).latents().float32LittleEndian());
            session.rewind(0, List.of());
            assertThat(latents(next(session)))
                    .isEqualTo(log.get(0).latents().float32LittleEndian());
        }
    }

    @Test
    void aForkGoesOnFromAStoredChunkInItsOwnWay() throws Exception {
        try (EngineSession session = open(3, BALL)) {
            List<StoredChunk> log = log(session, 2, BALL);
            byte[] third = latents(next(session));
            try (EngineSession twin = engine.fork(new SessionParameters("twin", 3, BALL), 2, log);
                    EngineSession other =
                            engine.fork(new SessionParameters("other", 4, BALL), 2, log);
                    EngineSession turned =
                            engine.fork(new SessionParameters("turned", 3, SQUARE), 2, log)) {
                assertThat(latents(next(twin))).isEqualTo(third);
                assertThat(latents(next(other))).isNotEqualTo(third);
                GeneratedChunk chunk = next(turned);
                assertThat(turned.promptInForce()).isEqualTo(SQUARE);
                assertThat(latents(chunk)).isNotEqualTo(third);
                assertThat(chunk.chunk()).isEqualTo(2);
            }
        }
        int open = engine.openSessions();
        assertThatThrownBy(() -> engine.fork(new SessionParameters("none", 1, BALL), 7, List.of()))
                .hasMessageContaining("chunk 6 must be among the stored ones");
        assertThat(engine.openSessions()).isEqualTo(open);
    }

    private static VideoFrames picture(int width, int height) {
        byte[] rgb = new byte[3 * width * height];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) (i * 7);
        }
        return new VideoFrames(width, height, 1, rgb);
    }

    @Test
    void aVideoBeginsWithTheGivenPicture() throws Exception {
        try (EngineSession session = open(5, BALL);
                EngineSession without = open(5, BALL);
                EngineSession batched = open(5, BALL);
                EngineSession company = open(6, BALL)) {
            session.setFirstFrame(picture(32, 32));
            batched.setFirstFrame(picture(32, 32));
            float[] encoded;
            try (var latent = engine.encode(picture(32, 32))) {
                encoded = io.reelfleet.engine.tensor.Tensors.floats(latent);
            }
            GeneratedChunk first = next(session);
            float[] made = new float[encoded.length];
            ByteBuffer.wrap(latents(first))
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asFloatBuffer()
                    .get(made);
            assertThat(made).isEqualTo(encoded);
            assertThat(first.frames().count()).isEqualTo(9);
            GeneratedChunk other = next(without);
            // The frames after the first look at it.
            int rest = encoded.length * 4;
            assertThat(java.util.Arrays.copyOfRange(latents(first), rest, latents(first).length))
                    .isNotEqualTo(
                            java.util.Arrays.copyOfRange(
                                    latents(other), rest, latents(other).length));
            assertThat(latents(next(session))).isNotEqualTo(latents(next(without)));
            while (!engine.step(List.of(company, batched)).get(1)) {
                // one denoising step at a time
            }
            float[] again = new float[encoded.length];
            ByteBuffer.wrap(latents(batched.takeChunk()))
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asFloatBuffer()
                    .get(again);
            assertThat(again).isEqualTo(encoded);
            assertThatThrownBy(() -> session.setFirstFrame(picture(32, 32)))
                    .hasMessageContaining("has begun");
        }
    }

    @Test
    void picturesThatDoNotFitAreRefusedInOneSentence(@TempDir Path plain) throws Exception {
        try (EngineSession session = open(7, BALL)) {
            assertThatThrownBy(() -> session.setFirstFrame(picture(64, 48)))
                    .isInstanceOf(InvalidImageException.class)
                    .hasMessage(
                            "the image is 64 x 48 pixels, the model's video 32 x 32: scale it to that");
            next(session);
        }
        RandomModel.tiny().write(plain, 1);
        Path settings = plain.resolve("reelfleet.json");
        Files.writeString(
                settings, Files.readString(settings).replaceFirst(", *\"reference\"", ""));
        try (Engine other = Engine.load(ModelFolder.of(plain), EngineOptions.defaults());
                EngineSession session = other.open(new SessionParameters("p", 1, BALL))) {
            assertThatThrownBy(() -> session.setFirstFrame(picture(32, 32)))
                    .isInstanceOf(InvalidImageException.class)
                    .hasMessageContaining("takes no images (control reference)");
        }
    }

    @Test
    void controlledSessionsLeaveNothingBehind() throws Exception {
        useControls();
        long objects = Pointer.totalCount();
        for (int i = 0; i < 4; i++) {
            useControls();
        }
        assertThat(Pointer.totalCount()).isEqualTo(objects);
        assertThat(engine.pagesUsed()).isZero();
    }

    private static void useControls() throws Exception {
        try (EngineSession session = open(8, BALL)) {
            session.setFirstFrame(picture(32, 32));
            List<StoredChunk> log = log(session, 2, BALL);
            session.setPrompt(SQUARE, PromptSwitch.REFRESH_CACHE);
            next(session);
            session.suspend();
            session.resume();
            session.rewind(1, log.subList(0, 1));
            session.step();
        }
    }
}
