package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.weights.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The tiny model's window holds three chunks, one of them the sink. */
class WindowTest {
    @TempDir static Path folder;

    @BeforeAll
    static void write() throws Exception {
        RandomModel.tiny().write(folder, 2);
    }

    private static Engine load(KvPositions positions) throws ModelException {
        return Engine.load(
                ModelFolder.of(folder),
                EngineOptions.defaults()
                        .with(
                                new GenerationOverrides(
                                        null, null, null, null, null, null, positions)));
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static List<byte[]> latents(Engine engine, int chunks) throws Exception {
        try (EngineSession session = engine.open(new SessionParameters("w", 5, "a red ball"))) {
            List<byte[]> latents = new ArrayList<>();
            for (int i = 0; i < chunks; i++) {
                latents.add(next(session).latents().float32LittleEndian());
            }
            return latents;
        }
    }

    @Test
    void positionsDoNotMatterUntilAFrameLeavesTheWindow() throws Exception {
        try (Engine absolute = load(KvPositions.ABSOLUTE);
                Engine relative = load(KvPositions.RELATIVE)) {
            List<byte[]> one = latents(absolute, 5);
            List<byte[]> other = latents(relative, 5);
            for (int chunk = 0; chunk < 3; chunk++) {
                assertThat(one.get(chunk)).isEqualTo(other.get(chunk));
            }
            assertThat(one.get(4)).isNotEqualTo(other.get(4));
        }
    }

    @Test
    void keepsTheSinkAndTheNewestFrames() throws Exception {
        try (Engine engine = load(KvPositions.RELATIVE);
                EngineSession session = engine.open(new SessionParameters("w", 5, "a red ball"))) {
            int pages = engine.pagesUsed();
            for (int chunk = 0; chunk < 6; chunk++) {
                next(session);
            }
            assertThat(session.cache().cachedFrames())
                    .containsExactly(0, 1, 2, 12, 13, 14, 15, 16, 17);
            assertThat(engine.pagesUsed()).isEqualTo(pages);
            session.step();
            assertThat(session.cache().cachedFrames()).containsExactly(0, 1, 2, 15, 16, 17);
            assertThat(session.cache().pastPositions()).containsExactly(0, 1, 2, 3, 4, 5);
            assertThat(session.cache().chunkPositions()).containsExactly(6, 7, 8);
        }
    }

    @Test
    void runsPastTheTableOfThePublicCodeWithBothPositions() throws Exception {
        for (KvPositions positions : KvPositions.values()) {
            try (Engine engine = load(positions);
                    EngineSession session =
                            engine.open(new SessionParameters("w", 5, "a red ball"))) {
                int[] shape = {3, 16, 4, 4};
                LatentTensor stored = new LatentTensor(shape, latents(engine, 1).getFirst());
                // As after 2,000 chunks: latent frame 6,000, where the public code's tables end at
                // 1,024.
                List<StoredChunk> log =
                        session.rebuildSet(2000).stream()
                                .map(chunk -> new StoredChunk(chunk, stored, "a red ball"))
                                .toList();
                session.rebuild(2000, log);
                GeneratedChunk chunk = next(session);
                assertThat(chunk.firstLatentFrame()).isEqualTo(6000);
                var values =
                        ByteBuffer.wrap(chunk.latents().float32LittleEndian())
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .asFloatBuffer();
                while (values.hasRemaining()) {
                    assertThat(values.get()).isFinite();
                }
            }
        }
    }

    /**
     * Two latent pixels high and wide, one layer: the transformer alone runs thousands of chunks in
     * a second.
     */
    private static final RandomModel SMALLEST =
            new RandomModel(1, 1, 6, 8, 8, 4, 1, 16, 16, 3, 9, 3, 1, 1, DType.F32);

    @ParameterizedTest
    @EnumSource(KvPositions.class)
    void fiveThousandLatentFramesStayFinite(KvPositions positions, @TempDir Path smallest)
            throws Exception {
        SMALLEST.write(smallest, 4);
        EngineOptions options =
                EngineOptions.defaults()
                        .with(
                                new GenerationOverrides(
                                        null, null, null, null, null, null, positions));
        try (Engine engine = Engine.load(ModelFolder.of(smallest), options);
                EngineSession session =
                        engine.open(new SessionParameters("long", 5, "a red ball"))) {
            int pages = engine.pagesUsed();
            long frames = 0;
            float[] latents = {};
            while (frames < 5000) {
                while (!session.step()) {
                    // one denoising step at a time
                }
                latents = session.takeLatents();
                frames += 3;
            }
            for (float value : latents) {
                assertThat(Float.isFinite(value)).isTrue();
            }
            assertThat(engine.pagesUsed()).isEqualTo(pages);
            assertThat(session.cache().cachedFrames())
                    .startsWith(0, 1, 2)
                    .endsWith(frames - 3, frames - 2, frames - 1);
        }
    }
}
