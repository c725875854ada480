package io.reelfleet.engine;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * The reference answers of the public implementations, where they are found beside the checkout.
 */
final class Fixtures {
    private Fixtures() {}

    /** Folders with an {@code expected.safetensors}; empty where there are none. */
    static List<Path> folders() {
        Path root = root();
        if (root == null) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(root)) {
            return list.filter(f -> Files.exists(f.resolve("expected.safetensors")))
                    .sorted()
                    .toList();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Path root() {
        String given = System.getenv("REELFLEET_FIXTURES");
        if (given != null) {
            return Path.of(given);
        }
        String shared = System.getenv("REELFLEET_SHARED");
        if (shared != null && Files.isDirectory(Path.of(shared, "fixtures"))) {
            return Path.of(shared, "fixtures");
        }
        for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
            Path beside = at.resolve("shared").resolve("fixtures");
            if (Files.isDirectory(beside)) {
                return beside;
            }
        }
        return null;
    }
}
