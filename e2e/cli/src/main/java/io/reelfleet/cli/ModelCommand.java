package io.reelfleet.cli;

import io.reelfleet.cli.fleet.Checkout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code reelfleet model}. */
@Command(
        name = "model",
        description = "Look at a model folder in the published (diffusers) layout.",
        mixinStandardHelpOptions = true)
final class ModelCommand implements Runnable {
    private static final String MAIN = "io.reelfleet.engine.tool.ModelTool";

    @Spec private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "name a command: info or verify");
    }

    @Command(
            name = "info",
            description = "Print sizes, schedule, bytes per session and revision.",
            mixinStandardHelpOptions = true)
    int info(
            @Parameters(paramLabel = "DIR", description = "A folder, or builtin:shapes.")
                    String folder)
            throws Exception {
        return run("info", folder);
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

    private static int run(String verb, String folder) throws Exception {
        if (!folder.startsWith("builtin:")) {
            String path = folder.startsWith("file:") ? folder.substring("file:".length()) : folder;
            if (!Files.isDirectory(Path.of(path))) {
                throw new Failure(path + " is not a folder");
            }
        }
        return ChildJava.run(Checkout.find().workerLibraries() + "/*", MAIN, List.of(verb, folder));
    }
}
