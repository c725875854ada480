package io.reelfleet.tests.cluster;

import java.nio.file.Files;
import java.nio.file.Path;

/** Where the repository lies. */
final class Checkout {
    private Checkout() {}

    static Path root() {
        Path dir = Path.of("").toAbsolutePath();
        while (!Files.exists(dir.resolve("crds/pom.xml"))) {
            dir = dir.getParent();
        }
        return dir;
    }
}
