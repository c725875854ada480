package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.RandomModel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models that are not distilled run every step twice, with the prompt and without it. */
class GuidanceTest {
    private static final String BALL = "a red ball moves left";

    @TempDir Path folder;

    private Engine engine(String setting, double value) throws Exception {
        RandomModel.tiny().write(folder, 1);
        Path file = folder.resolve("reelfleet.json");
        ObjectNode node =
                (ObjectNode) JsonMapper.builder().build().readTree(Files.readString(file));
        if (setting != null) {
            node.put(setting, value);
        }
        Files.writeString(file, node.toString());
        return Engine.load(ModelFolder.of(folder), EngineOptions.defaults());
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static List<float[]> latents(EngineSession session, int count) {
        List<float[]> made = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            made.add(floats(next(session)));
        }
        return made;
    }

    private static float[] floats(GeneratedChunk chunk) {
        byte[] bytes = chunk.latents().float32LittleEndian();
        float[] values = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    private static double largest(List<float[]> one, List<float[]> other) {
        double largest = 0;
        for (int i = 0; i < one.size(); i++) {
            for (int j = 0; j < one.get(i).length; j++) {
                largest = Math.max(largest, Math.abs(one.get(i)[j] - other.get(i)[j]));
            }
        }
        return largest;
    }

    @Test
    void awayFromThePromptItselfGuidanceLeadsNowhere() throws Exception {
        List<float[]> plain;
        long plainBytes;
        try (Engine engine = engine(null, 0);
                EngineSession session = engine.open(new SessionParameters("g", 1, BALL))) {
            plain = latents(session, 2);
            plainBytes = engine.model().sessionBytes();
            assertThatThrownBy(() -> session.setNegativePrompt("grey"))
                    .isInstanceOf(InvalidPromptException.class)
                    .hasMessageContaining("runs without guidance");
        }
        try (Engine engine = engine("guidance_scale", 3);
                EngineSession same = engine.open(new SessionParameters("g", 1, BALL));
                EngineSession none = engine.open(new SessionParameters("g", 1, BALL));
                EngineSession grey = engine.open(new SessionParameters("g", 1, BALL))) {
            assertThat(engine.model().sessionBytes()).isGreaterThan(plainBytes);
            same.setNegativePrompt(BALL);
            grey.setNegativePrompt("grey on grey");
            // x + 3 (x - x) = x, through both caches and over chunks.
            assertThat(largest(latents(same, 2), plain)).isLessThan(1e-3);
            List<float[]> guided = latents(none, 2);
            assertThat(largest(guided, plain)).isGreaterThan(1e-2);
            assertThat(largest(latents(grey, 2), guided)).isGreaterThan(1e-3);
        }
    }

    @Test
    void guidedSessionsKeepTheirBitsThroughSuspensionRebuildAndBatchAndLeaveNothing()
            throws Exception {
        try (Engine engine = engine("guidance_scale", 3)) {
            useGuidance(engine);
            long objects = Pointer.totalCount();
            useGuidance(engine);
            assertThat(Pointer.totalCount()).isEqualTo(objects);
            assertThat(engine.pagesUsed()).isZero();
        }
    }

    private static void useGuidance(Engine engine) throws Exception {
        try (EngineSession undisturbed = engine.open(new SessionParameters("u", 1, BALL));
                EngineSession moved = engine.open(new SessionParameters("m", 1, BALL));
                EngineSession rebuilt = engine.open(new SessionParameters("r", 1, BALL));
                EngineSession company = engine.open(new SessionParameters("c", 2, BALL))) {
            List<StoredChunk> log = new ArrayList<>();
            List<float[]> expected = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                GeneratedChunk chunk = next(undisturbed);
                log.add(new StoredChunk(i, chunk.latents(), BALL));
                expected.add(floats(chunk));
            }
            List<float[]> got = new ArrayList<>();
            while (got.size() < 3) {
                moved.suspend();
                moved.resume();
                if (moved.step()) {
                    got.add(floats(moved.takeChunk()));
                }
            }
            assertThat(largest(got, expected)).isZero();
            rebuilt.rebuild(2, log.subList(0, 2));
            assertThat(largest(latents(rebuilt, 1), expected.subList(2, 3))).isZero();
            rebuilt.rebuild(2, log.subList(0, 2));
            while (!engine.step(List.of(company, rebuilt)).get(1)) {
                // one denoising step at a time
            }
            assertThat(largest(List.of(floats(rebuilt.takeChunk())), expected.subList(2, 3)))
                    .isLessThan(1e-4);
        }
    }

    @Test
    void framesThatLeftTheWindowComeBackByLikenessAndTheBankStaysBounded() throws Exception {
        RandomModel.tiny().write(folder, 1);
        Path file = folder.resolve("reelfleet.json");
        ObjectNode node =
                (ObjectNode) JsonMapper.builder().build().readTree(Files.readString(file));
        node.put("window_frames", 12).put("retrieved_frames", 2).put("bank_frames", 5);
        Files.writeString(file, node.toString());
        try (Engine engine = Engine.load(ModelFolder.of(folder), EngineOptions.defaults())) {
            useRetrieval(engine);
            long objects = Pointer.totalCount();
            useRetrieval(engine);
            assertThat(Pointer.totalCount()).isEqualTo(objects);
        }
        node.put("retrieved_frames", 9);
        Files.writeString(file, node.toString());
        assertThatThrownBy(() -> Engine.load(ModelFolder.of(folder), EngineOptions.defaults()))
                .hasMessageContaining(
                        "retrieved_frames is 9; it must be less than window_frames (12)");
    }

    private static void useRetrieval(Engine engine) throws Exception {
        try (EngineSession session = engine.open(new SessionParameters("d", 1, BALL));
                EngineSession moved = engine.open(new SessionParameters("d", 1, BALL))) {
            int pages = engine.pagesUsed();
            for (int chunk = 0; chunk < 8; chunk++) {
                float[] expected = floats(next(session));
                moved.step();
                moved.suspend();
                moved.resume();
                assertThat(floats(next(moved))).isEqualTo(expected);
            }
            session.step();
            // Sink, two retrieved, and the newest; the chunk's own three make twelve.
            assertThat(session.cache().cachedFrames())
                    .hasSize(9)
                    .startsWith(0, 1, 2)
                    .endsWith(20, 21, 22, 23)
                    .isSorted();
            assertThat(session.cache().retrievedFrames())
                    .hasSize(2)
                    .allMatch(frame -> frame >= 3 && frame < 20);
            assertThat(engine.pagesUsed()).isEqualTo(pages);
        }
    }
}
