package io.reelfleet.engine.tool;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.ModelVerify;
import io.reelfleet.engine.checkpoint.CheckpointImport;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * {@code verify DIR}: compares a model folder with its reference answers, one line per tensor.
 * {@code info DIR}: what the folder holds and what a session of it takes. {@code import
 * CHECKPOINT}: a PyTorch checkpoint as a model folder. Exit code 0 only if all is well.
 */
public final class ModelTool {
    private static final String USAGE =
            "usage: verify DIR | info DIR [--precision fp32|bf16] | import CHECKPOINT --base DIR [--out DIR] [--key NAME]"
                    + " [--lora FILE [--lora-alpha NUMBER]]";

    private static final Set<String> OPTIONS =
            Set.of("--base", "--out", "--key", "--lora", "--lora-alpha");

    private final PrintStream out;
    private final PrintStream err;

    ModelTool(PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
    }

    public static void main(String[] args) {
        System.exit(new ModelTool(System.out, System.err).run(List.of(args)));
    }

    int run(List<String> args) {
        try {
            if (args.size() == 2 && args.getFirst().equals("verify")) {
                return verify(Path.of(args.get(1)));
            }
            if (args.size() == 2 && args.getFirst().equals("info")) {
                return info(args.get(1), Precision.FP32);
            }
            if (args.size() == 4
                    && args.getFirst().equals("info")
                    && args.get(2).equals("--precision")) {
                return info(args.get(1), Precision.of("--precision", args.get(3)));
            }
            if (args.size() > 1 && args.getFirst().equals("import")) {
                return importCheckpoint(args.subList(1, args.size()));
            }
            err.println(USAGE);
            return 2;
        } catch (IllegalArgumentException e) {
            err.println(e.getMessage());
            err.println(USAGE);
            return 2;
        } catch (ModelException | DoesNotFitException e) {
            err.println(e.getMessage());
            return 1;
        }
    }

    private int verify(Path folder) throws ModelException {
        List<ModelVerify.Line> lines = ModelVerify.run(folder, out::println);
        long failed = lines.stream().filter(line -> !line.passed()).count();
        out.println(
                (lines.size() - failed)
                        + " of "
                        + lines.size()
                        + " tensors within "
                        + ModelVerify.TOLERANCE);
        return failed == 0 ? 0 : 1;
    }

    private int info(String uri, Precision precision) throws ModelException {
        Path cache = Path.of(System.getProperty("java.io.tmpdir"), "reelfleet-models");
        ModelFolder folder = ModelFolder.resolve(uri, cache);
        // Room for weights of any size: nothing is opened here.
        EngineOptions options =
                EngineOptions.defaults()
                        .withDeviceMemory(Long.MAX_VALUE / 4)
                        .on(Device.Kind.CPU, precision);
        try (Engine engine = Engine.load(folder, options)) {
            ModelDescription model = engine.model();
            out.println("name                 " + model.name());
            out.println("revision             " + model.revision());
            out.println(
                    "video                "
                            + model.width()
                            + " x "
                            + model.height()
                            + " pixels, "
                            + model.fps()
                            + " frames/s");
            out.println(
                    "chunk                "
                            + model.framesPerChunk()
                            + " latent frames, "
                            + model.videoFrames(1)
                            + " video frames, "
                            + String.format(Locale.ROOT, "%.3f s", model.chunkIntervalSeconds()));
            out.println(
                    "window               "
                            + model.windowFrames()
                            + " latent frames, "
                            + model.sinkFrames()
                            + " of them sink");
            out.println("denoising steps      " + model.denoisingSteps());
            out.println("parameters           " + engine.parameters());
            out.println(
                    "weights              "
                            + engine.deviceBytesUsed()
                            + " bytes in "
                            + engine.precision().setting());
            out.println(
                    "state of a session   "
                            + model.sessionBytes()
                            + " bytes in "
                            + engine.precision().setting());
            out.println("longest prompt       " + model.maxPromptTokens() + " tokens");
            out.println("controls             " + String.join(", ", model.controls()));
        }
        return 0;
    }

    private int importCheckpoint(List<String> args) throws ModelException {
        Path checkpoint = Path.of(args.getFirst());
        Map<String, String> given = new HashMap<>();
        for (int i = 1; i < args.size(); i += 2) {
            if (!OPTIONS.contains(args.get(i)) || i + 1 == args.size()) {
                throw new IllegalArgumentException("unknown or incomplete option " + args.get(i));
            }
            given.put(args.get(i), args.get(i + 1));
        }
        if (!given.containsKey("--base")) {
            throw new IllegalArgumentException(
                    "name a model folder by --base: the checkpoint holds no VAE and no text encoder");
        }
        String stem = checkpoint.getFileName().toString().replaceFirst("\\.[^.]*$", "");
        Path base = Path.of(given.get("--base"));
        Path target =
                given.containsKey("--out")
                        ? Path.of(given.get("--out"))
                        : base.toAbsolutePath().normalize().resolveSibling(stem);
        CheckpointImport.Result result =
                CheckpointImport.run(
                        new CheckpointImport.Request(
                                checkpoint,
                                base,
                                target,
                                given.get("--key"),
                                given.containsKey("--lora") ? Path.of(given.get("--lora")) : null,
                                alpha(given.get("--lora-alpha"))));
        out.println(
                "imported "
                        + result.tensors()
                        + " tensors, "
                        + result.bytes()
                        + " bytes, from "
                        + (result.key().isEmpty() ? "the checkpoint itself" : result.key())
                        + (given.containsKey("--lora")
                                ? ", " + result.merged() + " of them with a low-rank delta"
                                : "")
                        + " into "
                        + target);
        return 0;
    }

    private static Double alpha(String text) {
        try {
            return text == null ? null : Double.valueOf(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--lora-alpha must be a number, not " + text, e);
        }
    }
}
