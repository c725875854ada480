package io.reelfleet.engine.tool;

import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.ModelVerify;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * {@code verify DIR}: compares a model folder with its reference answers, one line per tensor.
 * {@code info DIR}: what the folder holds and what a session of it takes. Exit code 0 only if all
 * is well.
 */
public final class ModelTool {
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
                return info(args.get(1));
            }
            err.println("usage: verify DIR | info DIR");
            return 2;
        } catch (ModelException e) {
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

    private int info(String uri) throws ModelException {
        Path cache = Path.of(System.getProperty("java.io.tmpdir"), "reelfleet-models");
        ModelFolder folder = ModelFolder.resolve(uri, cache);
        // Room for weights of any size: nothing is opened here.
        EngineOptions options = EngineOptions.defaults().withDeviceMemory(Long.MAX_VALUE / 4);
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
            out.println("parameters           " + engine.deviceBytesUsed() / Float.BYTES);
            out.println("weights              " + engine.deviceBytesUsed() + " bytes in float32");
            out.println("state of a session   " + model.sessionBytes() + " bytes");
            out.println("longest prompt       " + model.maxPromptTokens() + " tokens");
            out.println("controls             " + String.join(", ", model.controls()));
        }
        return 0;
    }
}
