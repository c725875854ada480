package io.reelfleet.cli.fleet;

import io.reelfleet.cli.Failure;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The checkout that the launcher built: where the programs of the parts are.
 *
 * @param root its top folder
 */
public record Checkout(Path root) {
    /** As the launcher says. */
    public static Checkout find() {
        String root = System.getProperty("reelfleet.checkout", System.getenv("REELFLEET_CHECKOUT"));
        if (root == null) {
            throw new Failure("REELFLEET_CHECKOUT is not set: start this program with ./reelfleet");
        }
        return new Checkout(Path.of(root));
    }

    /** The operator's program. */
    public Path operator() {
        return built("operator/controller/target/quarkus-app/quarkus-run.jar");
    }

    /** The worker's program. */
    public Path worker() {
        return built("runtime/server/target/quarkus-app/quarkus-run.jar");
    }

    /** The gateway's program. */
    public Path gateway() {
        return built("runtime/gateway/target/quarkus-app/quarkus-run.jar");
    }

    /** The libraries of the worker's program: among them the engine and LibTorch. */
    public Path workerLibraries() {
        return built("runtime/server/target/quarkus-app/lib/main");
    }

    /** The folder of the resource definitions. */
    public Path definitions() {
        return built("crds/generated");
    }

    private Path built(String path) {
        Path file = root.resolve(path);
        if (!Files.exists(file)) {
            throw new Failure(
                    file + " is missing: run ./reelfleet again, it builds what is missing");
        }
        return file;
    }
}
