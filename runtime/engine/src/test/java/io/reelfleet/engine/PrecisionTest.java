package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** In bfloat16 an engine does all that it does in float32, with half the state. */
class PrecisionTest {
    /**
     * Root mean square of the difference to float32 after one chunk from the same state, beside
     * that of the latents. A bfloat16 number has 8 binary digits: one rounding is up to 0.4 %.
     */
    private static final double BOUND = 0.01;

    @TempDir static Path folder;
    private static Engine wide;
    private static Engine narrow;

    @BeforeAll
    static void load() throws Exception {
        RandomModel.tiny().write(folder.resolve("model"), 4);
        wide = engine(Precision.FP32);
        narrow = engine(Precision.BF16);
    }

    @AfterAll
    static void close() {
        wide.close();
        narrow.close();
    }

    private static Engine engine(Precision precision) throws Exception {
        return Engine.load(
                ModelFolder.of(folder.resolve("model")),
                EngineOptions.defaults().on(Device.Kind.CPU, precision));
    }

    private static SessionParameters parameters(int i) {
        return new SessionParameters("p" + i, i, "a red ball moves left");
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static float[] floats(LatentTensor latents) {
        byte[] bytes = latents.float32LittleEndian();
        float[] values = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    private static double relative(float[] expected, float[] got) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow(expected[i] - got[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / size);
    }

    @Test
    void oneChunkFromTheSameStateIsThatOfFloat32WithinTheBound() throws Exception {
        List<StoredChunk> log = new ArrayList<>();
        try (EngineSession session = wide.open(parameters(1))) {
            for (int chunk = 0; chunk < 6; chunk++) {
                try (EngineSession one = wide.open(parameters(1));
                        EngineSession other = narrow.open(parameters(1))) {
                    one.rebuild(chunk, log);
                    other.rebuild(chunk, log);
                    GeneratedChunk expected = next(one);
                    GeneratedChunk got = next(other);
                    double error = relative(floats(expected.latents()), floats(got.latents()));
                    assertThat(error).as("chunk %d", chunk).isBetween(1e-6, BOUND);
                    assertThat(difference(expected.frames().rgb(), got.frames().rgb()))
                            .isLessThan(2);
                }
                GeneratedChunk made = next(session);
                log.add(new StoredChunk(chunk, made.latents(), parameters(1).prompt()));
            }
        }
    }

    /** Mean difference of the pixels' values, of 255. */
    private static double difference(byte[] one, byte[] other) {
        double sum = 0;
        for (int i = 0; i < one.length; i++) {
            sum += Math.abs((one[i] & 0xff) - (other[i] & 0xff));
        }
        return sum / one.length;
    }

    @Test
    void weightsPagesAndCachesTakeHalf() throws Exception {
        assertThat(narrow.precision()).isEqualTo(Precision.BF16);
        assertThat(narrow.fingerprint()).contains("bf16").isNotEqualTo(wide.fingerprint());
        assertThat(narrow.pool().pageBytes()).isEqualTo(wide.pool().pageBytes() / 2);
        assertThat(narrow.decoder().stateBytes()).isEqualTo(wide.decoder().stateBytes() / 2);
        // Latents stay in float32, and what shift and scale are made from.
        assertThat((double) narrow.model().sessionBytes() / wide.model().sessionBytes())
                .isBetween(0.5, 0.6);
        assertThat(narrow.parameters()).isEqualTo(wide.parameters());
        try (EngineSession session = narrow.open(parameters(2));
                PointerScope _ = new PointerScope()) {
            next(session);
            assertThat(session.cache().cached(0, true).scalar_type().intern())
                    .isEqualTo(torch.ScalarType.BFloat16);
        }
    }

    @Test
    void suspendedOnTheHostAndInAFileItKeepsItsBits() throws Exception {
        Path spill = Files.createDirectories(folder.resolve("spill"));
        EngineOptions options =
                EngineOptions.defaults()
                        .on(Device.Kind.CPU, Precision.BF16)
                        .withHostMemory(narrow.model().sessionBytes() + 1000, spill);
        try (Engine engine = Engine.load(ModelFolder.of(folder.resolve("model")), options);
                EngineSession undisturbed = engine.open(parameters(5));
                EngineSession moved = engine.open(parameters(5));
                EngineSession other = engine.open(parameters(6))) {
            next(other);
            for (int chunk = 0; chunk < 5; chunk++) {
                byte[] expected = next(undisturbed).frames().rgb();
                moved.step();
                moved.suspend();
                // Takes the host memory that the first one needs: that goes to a file.
                other.suspend();
                assertThat(engine.spilledBytes()).isPositive();
                other.resume();
                moved.resume();
                assertThat(next(moved).frames().rgb()).isEqualTo(expected);
            }
        }
    }

    @Test
    void rebuiltFromLatentsItHasTheBitsOfAnUndisturbedSession() throws Exception {
        try (EngineSession undisturbed = narrow.open(parameters(7));
                EngineSession rebuilt = narrow.open(parameters(7))) {
            List<StoredChunk> log = new ArrayList<>();
            for (int chunk = 0; chunk < 3; chunk++) {
                log.add(
                        new StoredChunk(
                                chunk, next(undisturbed).latents(), parameters(7).prompt()));
            }
            rebuilt.rebuild(3, log);
            assertThat(next(rebuilt).frames().rgb()).isEqualTo(next(undisturbed).frames().rgb());
        }
    }

    @Test
    void carriedToAnotherEngineItKeepsItsBitsAndAnEngineInFloat32RefusesIt() throws Exception {
        try (Engine target = engine(Precision.BF16);
                EngineSession undisturbed = narrow.open(parameters(8));
                EngineSession moving = narrow.open(parameters(8));
                EngineSession landing = target.open(parameters(8));
                EngineSession wrong = wide.open(parameters(8))) {
            for (int chunk = 0; chunk < 4; chunk++) {
                next(undisturbed);
                next(moving);
            }
            moving.step();
            SessionState state = SessionState.of(moving);
            SessionStateImport into = new SessionStateImport(landing);
            try (Arena arena = Arena.ofConfined()) {
                for (StateRecord record : state.records()) {
                    assertThat(record.dtype())
                            .as(record.name())
                            .isEqualTo(inFloats(record) ? "F32" : "BF16");
                    MemorySegment bytes = arena.allocate(record.bytes());
                    state.read(record, bytes);
                    into.write(record, bytes);
                    if (!inFloats(record)) {
                        assertThatThrownBy(() -> new SessionStateImport(wrong).write(record, bytes))
                                .isInstanceOf(StateMismatchException.class)
                                .hasMessageContaining("its type is BF16, not F32");
                    }
                }
            }
            into.finish(state.position(), state.records());
            assertThat(next(landing).frames().rgb()).isEqualTo(next(undisturbed).frames().rgb());
        }
    }

    /** Latents stay in float32: those in the making and the clean ones of the window. */
    private static boolean inFloats(StateRecord record) {
        return record.name().equals("latents") || record.name().startsWith("clean/");
    }

    @Test
    void aDeviceThatIsNotThereIsRefusedInOneSentence() {
        assertThatThrownBy(
                        () ->
                                Engine.load(
                                        ModelFolder.of(folder.resolve("model")),
                                        EngineOptions.defaults()
                                                .on(Device.Kind.CUDA, Precision.BF16)))
                .isInstanceOf(ModelException.class)
                .hasMessageMatching("device is cuda, but [^.]+: write cpu");
        assertThatThrownBy(() -> Device.Kind.of("reelfleet.worker.device", "tpu"))
                .hasMessage("reelfleet.worker.device is 'tpu': write cpu or cuda");
        assertThatThrownBy(() -> Precision.of("reelfleet.model.precision", "fp16"))
                .hasMessage("reelfleet.model.precision is 'fp16': write fp32 or bf16");
    }
}
