package io.reelfleet.engine;

import com.fasterxml.jackson.databind.JsonNode;
import io.reelfleet.engine.cache.KvCache;
import io.reelfleet.engine.cache.PagePool;
import io.reelfleet.engine.model.CausalVideoTransformer;
import io.reelfleet.engine.model.CrossContext;
import io.reelfleet.engine.model.FewStepSchedule;
import io.reelfleet.engine.model.StepItem;
import io.reelfleet.engine.model.StreamingCache;
import io.reelfleet.engine.model.TransformerConfig;
import io.reelfleet.engine.model.VaeConfig;
import io.reelfleet.engine.model.VideoEncoder;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Json;
import io.reelfleet.engine.weights.Weights;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Compares what this engine computes with the answers of the public implementations that lie in a
 * model folder: {@code case.json} and {@code expected.safetensors}.
 */
public final class ModelVerify {
    /** Largest difference that passes, in float32. */
    public static final double TOLERANCE = 1e-4;

    /**
     * One compared tensor.
     *
     * @param name its name in the reference
     * @param difference largest absolute difference; NaN where shapes differ
     * @param passed whether it is within {@link #TOLERANCE}
     */
    public record Line(String name, double difference, boolean passed) {
        @Override
        public String toString() {
            return String.format(
                    java.util.Locale.ROOT,
                    "%-4s %-28s %.3g",
                    passed ? "pass" : "FAIL",
                    name,
                    difference);
        }
    }

    /** Any size. */
    private static final long ANY = -1;

    private final Path folder;
    private final Json setting;
    private final Weights expected;
    private final Consumer<Line> sink;
    private final List<Line> lines = new ArrayList<>();
    private final int frames;
    private final int chunks;
    private final GenerationOverrides overrides;
    private final GenerationSettings settings;

    private ModelVerify(Path folder, Weights expected, Consumer<Line> sink) throws ModelException {
        this.folder = folder;
        this.setting = Json.read(folder.resolve("case.json"));
        this.expected = expected;
        this.sink = sink;
        this.frames = setting.integer("frames_per_chunk", 1, 64);
        this.chunks = setting.integer("chunks", 1, 10_000);
        int window = setting.integer("window_frames", -1, 4096);
        this.overrides =
                new GenerationOverrides(
                        8 * setting.integer("latent_width", 2, 4096),
                        8 * setting.integer("latent_height", 2, 4096),
                        null,
                        null,
                        window < 0 ? frames * chunks : window,
                        setting.integer("sink_frames", 0, 4096),
                        KvPositions.ABSOLUTE);
        double[] steps = setting.numbers("denoising_steps");
        double shift = setting.positive("shift", 5);
        if (steps == null || steps.length == 0) {
            throw setting.wrong("denoising_steps", "a list of numbers");
        }
        this.settings =
                GenerationSettings.read(folder, overrides, frames)
                        .with(
                                setting.integer("text_len", 1, 4096),
                                FewStepSchedule.shifted(
                                        Arrays.stream(steps).map(t -> t / 1000).toArray(), shift));
    }

    /**
     * Compares everything that the folder holds answers for.
     *
     * @param sink takes each line as it is known
     */
    public static List<Line> run(Path folder, Consumer<Line> sink) throws ModelException {
        if (!Files.exists(folder.resolve("expected.safetensors"))) {
            throw new ModelException(
                    folder
                            + " holds no expected.safetensors: there are no reference answers to"
                            + " compare with");
        }
        try (Weights expected = Weights.open(folder, "expected", name -> name)) {
            ModelVerify verify = new ModelVerify(folder, expected, sink);
            try (Engine engine =
                    Engine.load(
                            ModelFolder.of(folder),
                            EngineOptions.defaults().with(verify.overrides),
                            verify.settings)) {
                verify.schedule();
                verify.text(engine);
                for (String name : expected.names()) {
                    if (name.endsWith(".noise")) {
                        verify.session(engine, name.substring(0, name.length() - 6));
                    }
                }
                verify.decode(engine);
            }
            verify.encode();
            verify.original();
            return verify.lines;
        }
    }

    private void add(String name, double difference) {
        Line line = new Line(name, difference, difference <= TOLERANCE);
        lines.add(line);
        sink.accept(line);
    }

    /** Compares with the expected tensor of that name, whose leading sizes of one do not count. */
    private void compare(String name, Tensor actual) throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            compare(name, expected.raw(name), actual);
        }
    }

    private void compare(String name, Tensor want, Tensor actual) {
        boolean same = want.numel() == actual.numel();
        if (!same) {
            add(name, Double.NaN);
            return;
        }
        Tensor difference =
                want.reshape(-1)
                        .to(torch.ScalarType.Double)
                        .sub(actual.reshape(-1).to(torch.ScalarType.Double))
                        .abs()
                        .max();
        add(name, difference.item_double());
    }

    /**
     * A reference's input in float32.
     *
     * @param shape what the case and the configurations say; {@link #ANY} where they do not
     */
    private Tensor input(String name, long... shape) throws ModelException {
        List<Long> actual = expected.shape(name);
        boolean fits = actual.size() == shape.length;
        for (int i = 0; fits && i < shape.length; i++) {
            fits = shape[i] == ANY || actual.get(i) == shape[i];
        }
        if (!fits) {
            throw misfit(
                    name, "shape " + Arrays.toString(shape).replace(String.valueOf(ANY), "any"));
        }
        return expected.take(name, actual.stream().mapToLong(Long::longValue).toArray());
    }

    private ModelException misfit(String name, String wanted) throws ModelException {
        return new ModelException(
                folder.resolve("expected.safetensors")
                        + ": tensor "
                        + name
                        + " has shape "
                        + expected.shape(name)
                        + ", but case.json and the configurations ask for "
                        + wanted);
    }

    private void schedule() throws ModelException {
        FewStepSchedule schedule = settings.schedule();
        try (PointerScope _ = new PointerScope()) {
            compare("timesteps", Tensors.of(floats(schedule.timesteps()), schedule.steps()));
            compare("sigmas", Tensors.of(floats(schedule.sigmas()), schedule.steps()));
        }
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private void text(Engine engine) throws ModelException {
        Path file = folder.resolve("tokenizer").resolve("expected.json");
        List<String> texts = new ArrayList<>();
        if (Files.exists(file)) {
            int index = 0;
            for (JsonNode each : Json.readList(file)) {
                texts.add(each.path("text").asText());
                long[] want = new long[each.path("ids").size()];
                for (int i = 0; i < want.length; i++) {
                    want[i] = each.path("ids").get(i).asLong();
                }
                long[] got = engine.encode(each.path("text").asText());
                add("tokenizer." + index++, Arrays.equals(want, got) ? 0 : Double.NaN);
            }
        }
        for (int i = 0; expected.has("text" + i + ".ids"); i++) {
            try (PointerScope _ = new PointerScope()) {
                Tensor padded = expected.raw("text" + i + ".ids");
                int count = (int) padded.ne(new org.bytedeco.pytorch.Scalar(0)).sum().item_long();
                if (count > settings.textLen()) {
                    throw misfit("text" + i + ".ids", "at most " + settings.textLen() + " tokens");
                }
                long[] ids = new long[count];
                for (int at = 0; at < count; at++) {
                    ids[at] = padded.view(-1).select(0, at).item_long();
                    if (ids[at] < 0 || ids[at] >= engine.textEncoder().config().vocabulary()) {
                        throw new ModelException(
                                folder.resolve("expected.safetensors")
                                        + ": tensor text"
                                        + i
                                        + ".ids holds token "
                                        + ids[at]
                                        + ", which the text encoder's vocab_size excludes");
                    }
                }
                if (i < texts.size()) {
                    add(
                            "text" + i + ".ids",
                            Arrays.equals(ids, engine.encode(texts.get(i))) ? 0 : Double.NaN);
                }
                compare(
                        "text" + i + ".hidden",
                        engine.textEncoder().encode(ids, settings.textLen()));
            }
        }
    }

    private void session(Engine engine, String name) throws ModelException {
        try (PointerScope _ = new PointerScope();
                EngineSession session =
                        engine.open(new SessionParameters("verify", 0, "reference"))) {
            int[] one = engine.latentShape();
            int steps = settings.schedule().steps();
            Tensor noise =
                    input(name + ".noise", 1, (long) chunks * frames, one[1], one[2], one[3])
                            .squeeze(0);
            Tensor renoise =
                    input(name + ".renoise", 1, chunks, ANY, frames, one[1], one[2], one[3])
                            .squeeze(0);
            if (renoise.size(1) < steps - 1) {
                throw misfit(name + ".renoise", "the noise of " + (steps - 1) + " steps");
            }
            session.feedNoise(
                    (chunk, step) -> {
                        try (PointerScope _ = new PointerScope()) {
                            Tensor part =
                                    step == 0
                                            ? noise.narrow(0, chunk * frames, frames)
                                            : renoise.select(0, chunk).select(0, step - 1);
                            return Tensors.floats(part.contiguous());
                        }
                    });
            CrossContext prompt = engine.transformer().cross(prompt(name));
            session.feedPrompt(prompt);
            TensorVector clean = new TensorVector();
            for (int chunk = 0; chunk < chunks; chunk++) {
                for (int step = 0; step <= settings.schedule().steps(); step++) {
                    try (PointerScope _ = new PointerScope()) {
                        StepItem item = session.prepare().getFirst();
                        Tensor flow = engine.transformer().forward(List.of(item));
                        String key = name + ".flow.chunk" + chunk + ".step" + step;
                        if (!item.writes() && expected.has(key)) {
                            compare(key, flow);
                        }
                        if (item.writes()) {
                            Tensors.keep(item.latents());
                            clean.push_back(item.latents());
                            item.latents().releaseReference();
                        }
                        session.advance(item.writes() ? null : flow, 0);
                    }
                }
                session.takeChunk();
            }
            compare(name + ".latents", torch.cat(clean, 0));
            int last = engine.transformer().config().layers() - 1;
            compare(name + ".v.layer0", session.cache().cached(0, false));
            compare(name + ".v.last", session.cache().cached(last, false));
            compare(
                    name + ".k_rotated.last",
                    engine.transformer().rotatedKeys(session.cache(), last));
            compare(name + ".cross_k.last", prompt.keys(last).transpose(1, 2).contiguous());
        } catch (InvalidPromptException e) {
            throw new ModelException(folder + ": " + e.getMessage(), e);
        }
    }

    private Tensor prompt(String name) throws ModelException {
        Tensor embeds = input(name + ".prompt_embeds", ANY, ANY);
        if (embeds.size(0) > settings.textLen()) {
            throw misfit(name + ".prompt_embeds", "at most " + settings.textLen() + " tokens");
        }
        int textDim = Engine.transformerConfig(folder).textDim();
        if (embeds.size(1) != textDim) {
            throw misfit(name + ".prompt_embeds", "states of " + textDim + " numbers");
        }
        Tensor padded = Tensors.zeros(settings.textLen(), embeds.size(1));
        padded.narrow(0, 0, embeds.size(0)).copy_(embeds);
        return padded;
    }

    /** Decodes chunk by chunk, as a session does. */
    private void decode(Engine engine) throws ModelException {
        if (!expected.has("vae.decode.input")) {
            return;
        }
        try (PointerScope _ = new PointerScope();
                StreamingCache state = engine.decoder().newState()) {
            int[] one = engine.latentShape();
            Tensor latents =
                    input("vae.decode.input", 1, one[1], ANY, one[2], one[3])
                            .squeeze(0)
                            .permute(1, 0, 2, 3)
                            .contiguous();
            TensorVector parts = new TensorVector();
            for (long at = 0; at < latents.size(0); at += frames) {
                long count = Math.min(frames, latents.size(0) - at);
                parts.push_back(engine.decoder().decode(latents.narrow(0, at, count), state));
            }
            compare("vae.decode.output", torch.cat(parts, 1));
        }
    }

    private void encode() throws ModelException {
        if (!expected.has("vae.encode.input")) {
            return;
        }
        VaeConfig config = VaeConfig.read(folder.resolve("vae").resolve("config.json"));
        try (PointerScope _ = new PointerScope();
                Device device = Device.cpu();
                VideoEncoder encoder = VideoEncoder.load(device, folder, config)) {
            Tensor clip = input("vae.encode.input", 1, 3, ANY, ANY, ANY).squeeze(0);
            int side = VaeConfig.SPATIAL;
            boolean whole = clip.size(2) % side == 0 && clip.size(3) % side == 0;
            if (clip.size(1) % 4 != 1 || !whole || clip.numel() == 0) {
                throw misfit("vae.encode.input", "1 + 4 n frames with sides that 8 divides");
            }
            compare("vae.encode.output", encoder.encode(clip));
        }
    }

    private TransformerConfig originalConfig(Path original) throws ModelException {
        Path config = original.resolve("config.json");
        return Files.exists(config)
                ? TransformerConfig.read(config)
                : Engine.transformerConfig(folder);
    }

    /** The same transformer from weights under the original release's names: the first flow. */
    private void original() throws ModelException {
        Path original = folder.resolve("original");
        if (!Files.isDirectory(original) || !expected.has("one.flow.chunk0.step0")) {
            return;
        }
        try (PointerScope _ = new PointerScope();
                Device device = Device.cpu();
                CausalVideoTransformer transformer =
                        CausalVideoTransformer.loadFrom(
                                device,
                                original,
                                originalConfig(original),
                                settings.latentHeight(),
                                settings.latentWidth());
                PagePool pool =
                        new PagePool(
                                device,
                                frames * transformer.config().layers(),
                                transformer.tokensPerFrame(),
                                transformer.config().dim());
                KvCache cache =
                        new KvCache(
                                pool,
                                transformer.config().layers(),
                                frames,
                                0,
                                transformer.tokensPerFrame(),
                                KvPositions.ABSOLUTE);
                CrossContext prompt = transformer.cross(prompt("one"))) {
            cache.beginChunk(0, frames);
            int rows = settings.latentHeight();
            int columns = settings.latentWidth();
            int channels = transformer.config().channels();
            Tensor noise =
                    input("one.noise", 1, (long) chunks * frames, channels, rows, columns)
                            .squeeze(0)
                            .narrow(0, 0, frames)
                            .contiguous();
            Tensor flow =
                    transformer.forward(
                            List.of(
                                    new StepItem(
                                            noise,
                                            settings.schedule().timesteps()[0],
                                            cache,
                                            prompt,
                                            false)));
            Tensor want = expected.raw("one.flow.chunk0.step0");
            compare("original.flow.chunk0.step0", want, flow);
        }
    }
}
