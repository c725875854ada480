package io.reelfleet.cli;

import io.reelfleet.cli.fleet.Checkout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code reelfleet images}. */
@Command(
        name = "images",
        description =
                "Build the images of operator, runtime and gateway, without Docker. Arguments after -- go to the builder; try '-- --help'.",
        mixinStandardHelpOptions = true)
final class ImagesCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..*",
            paramLabel = "ARGUMENT",
            description = "As 'images -- --help' says.")
    private List<String> arguments = List.of();

    @Override
    public Integer call() throws Exception {
        Path target = Checkout.find().root().resolve("e2e/images/target");
        if (!Files.isDirectory(target.resolve("classes"))) {
            throw new Failure(
                    target + " holds no image builder: run ./reelfleet test once, which builds it");
        }
        return ChildJava.run(
                target.resolve("classes") + ":" + target.resolve("lib") + "/*",
                "io.reelfleet.images.BuildImages",
                arguments);
    }
}
