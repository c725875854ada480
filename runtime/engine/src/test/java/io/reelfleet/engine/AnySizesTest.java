package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.engine.weights.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import org.bytedeco.javacpp.Pointer;

/**
 * Models of any sizes load and generate. That they generate what PyTorch does is for {@link
 * OtherSizesTest}.
 */
class AnySizesTest {
    /** Sizes of everything, drawn at random, and the settings that a session runs with. */
    private record Drawn(RandomModel model, EngineOptions options, String settings) {
        static Drawn of(long seed) {
            Random r = new Random(seed);
            int frames = 1 + r.nextInt(4);
            int sink = r.nextInt(3);
            int retrieved = r.nextInt(3);
            int window = sink + retrieved + 2 * frames + r.nextInt(6);
            List<List<Boolean>> flags =
                    List.of(
                            List.of(false, true, true),
                            List.of(true, false, true),
                            List.of(true, true, false));
            RandomModel model =
                    new RandomModel(
                            1 + r.nextInt(3),
                            1 + r.nextInt(4),
                            2 * (3 + r.nextInt(14)),
                            1 + r.nextInt(90),
                            1 + r.nextInt(30),
                            2 + r.nextInt(5),
                            1 + r.nextInt(2),
                            16 * (1 + r.nextInt(4)),
                            16 * (1 + r.nextInt(3)),
                            frames,
                            window,
                            sink,
                            1 + r.nextInt(4),
                            1 + r.nextInt(5),
                            List.of(DType.F32, DType.F16, DType.BF16).get(r.nextInt(3)),
                            new RandomModel.Inner(
                                    2 * (1 + r.nextInt(20)),
                                    1 + r.nextInt(20),
                                    List.of(
                                            1 + r.nextInt(2),
                                            1 + r.nextInt(3),
                                            1 + r.nextInt(4),
                                            1 + r.nextInt(4)),
                                    flags.get(r.nextInt(3)),
                                    1 + r.nextInt(3),
                                    1 + r.nextInt(3),
                                    1 + r.nextInt(12),
                                    6 + r.nextInt(40),
                                    4 * (1 + r.nextInt(8))));
            Precision precision = r.nextInt(4) == 0 ? Precision.BF16 : Precision.FP32;
            KvPositions positions = KvPositions.values()[r.nextInt(2)];
            GenerationOverrides overrides =
                    new GenerationOverrides(
                            null, null, null, null, null, null, positions, null, retrieved, 8);
            EngineOptions options =
                    EngineOptions.defaults().with(overrides).on(Device.Kind.CPU, precision);
            return new Drawn(model, options, r.nextInt(4) == 0 ? "guided" : "plain");
        }
    }

    @Property(tries = 12, shrinking = ShrinkingMode.OFF)
    void aModelOfAnySizesLoadsAndGeneratesAndLeavesNothing(@ForAll long seed) throws Exception {
        Drawn drawn = Drawn.of(seed);
        Path folder = Files.createTempDirectory("reelfleet-sizes-");
        try {
            drawn.model().write(folder, seed);
            if (drawn.settings().equals("guided")) {
                Path settings = folder.resolve("reelfleet.json");
                Files.writeString(
                        settings,
                        Files.readString(settings)
                                .replaceFirst("\\{", "{\"guidance_scale\": 2.5,"));
            }
            run(folder, drawn.options());
            long objects = Pointer.totalCount();
            run(folder, drawn.options());
            assertThat(Pointer.totalCount()).as("native objects").isLessThanOrEqualTo(objects);
        } catch (Exception | AssertionError e) {
            throw new AssertionError(drawn.toString(), e);
        } finally {
            delete(folder);
        }
    }

    private static void run(Path folder, EngineOptions options) throws Exception {
        try (Engine engine = Engine.load(ModelFolder.of(folder), options)) {
            try (EngineSession session =
                    engine.open(new SessionParameters("s", 7, "a red ball moves left"))) {
                generate(engine.model(), session);
                session.suspend();
                session.resume();
                assertThat(engine.pagesUsed()).isPositive();
            }
            assertThat(engine.pagesUsed()).isZero();
        }
    }

    /** Two chunks, and more until frames have left the window. */
    private static void generate(ModelDescription model, EngineSession session) {
        int chunks = 2 + Math.ceilDiv(model.windowFrames(), model.framesPerChunk());
        boolean changes = false;
        for (int chunk = 0; chunk < chunks; chunk++) {
            while (!session.step()) {
                // one denoising step at a time
            }
            GeneratedChunk made = session.takeChunk();
            VideoFrames frames = made.frames();
            assertThat(frames.count()).isEqualTo(model.videoFrames(chunk));
            assertThat(frames.rgb()).hasSize(3 * frames.count() * model.width() * model.height());
            for (byte value : frames.rgb()) {
                changes |= value != frames.rgb()[0];
            }
            FloatBuffer latents =
                    ByteBuffer.wrap(made.latents().float32LittleEndian())
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .asFloatBuffer();
            while (latents.hasRemaining()) {
                assertThat(Float.isFinite(latents.get())).isTrue();
            }
        }
        assertThat(changes).as("not all pixels are alike").isTrue();
    }

    private static void delete(Path folder) throws Exception {
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
