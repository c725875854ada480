package io.reelfleet.cli;

import io.reelfleet.cli.fleet.Checkout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code reelfleet model}. */
@Command(
        name = "model",
        description = "Look at a model folder in the published (diffusers) layout, or make one.",
        mixinStandardHelpOptions = true)
final class ModelCommand implements Runnable {
    private static final String MAIN = "io.reelfleet.engine.tool.ModelTool";

    @Spec private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "name a command: info, verify or import");
    }

    @Command(
            name = "info",
            description = "Print sizes, schedule, bytes per session and revision.",
            mixinStandardHelpOptions = true)
    int info(
            @Parameters(paramLabel = "DIR", description = "A folder, or builtin:shapes.")
                    String folder,
            @Option(
                            names = "--precision",
                            defaultValue = "fp32",
                            paramLabel = "fp32|bf16",
                            description = "What a worker would compute in (default: fp32).")
                    String precision)
            throws Exception {
        return run("info", folder, "--precision", precision);
    }

    @Command(
            name = "verify",
            description = "Load it and compare with the answers in the folder, when it has some.",
            mixinStandardHelpOptions = true)
    int verify(
            @Parameters(paramLabel = "DIR", description = "A folder, or builtin:shapes.")
                    String folder)
            throws Exception {
        return run("verify", folder);
    }

    @Command(
            name = "import",
            description = {
                "Turn a PyTorch checkpoint of the causal transformer, as Self-Forcing and LongLive publish"
                        + " theirs, into a model folder; VAE, text encoder and tokenizer come from --base.",
                "Tensors, dicts, numbers and strings are read; a file with anything else is refused."
            },
            mixinStandardHelpOptions = true)
    int importCheckpoint(
            @Parameters(paramLabel = "CHECKPOINT", description = "A .pt file of torch.save.")
                    Path checkpoint,
            @Option(
                            names = "--base",
                            required = true,
                            paramLabel = "DIR",
                            description = "The model folder that gives everything else.")
                    Path base,
            @Option(
                            names = "--out",
                            paramLabel = "DIR",
                            description =
                                    "The folder to write (default: the checkpoint's name, beside --base).")
                    Path out,
            @Option(
                            names = "--key",
                            paramLabel = "NAME",
                            description =
                                    "The dict in the checkpoint that holds the transformer (default: generator_ema,"
                                            + " generator, model or state_dict, the first that is there).")
                    String key,
            @Option(
                            names = "--lora",
                            paramLabel = "FILE",
                            description = "A .pt file with low-rank deltas to add to the weights.")
                    Path lora,
            @Option(
                            names = "--lora-alpha",
                            paramLabel = "NUMBER",
                            description =
                                    "Scale the deltas by this over their rank (default: as the file says, else 1).")
                    Double alpha)
            throws Exception {
        List<String> arguments = new ArrayList<>(List.of("import", checkpoint.toString()));
        arguments.addAll(List.of("--base", base.toString()));
        add(arguments, "--out", out);
        add(arguments, "--key", key);
        add(arguments, "--lora", lora);
        add(arguments, "--lora-alpha", alpha);
        return ChildJava.run(Checkout.find().workerLibraries() + "/*", MAIN, arguments);
    }

    private static void add(List<String> arguments, String option, Object value) {
        if (value != null) {
            arguments.addAll(List.of(option, value.toString()));
        }
    }

    private static int run(String verb, String folder, String... options) throws Exception {
        if (!folder.startsWith("builtin:")) {
            String path = folder.startsWith("file:") ? folder.substring("file:".length()) : folder;
            if (!Files.isDirectory(Path.of(path))) {
                throw new Failure(
                        path
                                + " is not a folder"
                                + (path.matches(".*\\.(pt|pth|ckpt|bin)")
                                        ? "; ./reelfleet model import makes one from a PyTorch checkpoint"
                                        : ""));
            }
        }
        List<String> arguments = new ArrayList<>(List.of(verb, folder));
        arguments.addAll(List.of(options));
        return ChildJava.run(Checkout.find().workerLibraries() + "/*", MAIN, arguments);
    }
}
