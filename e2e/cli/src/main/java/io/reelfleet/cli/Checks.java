package io.reelfleet.cli;

import java.nio.file.Files;
import java.nio.file.Path;

/** What options may hold, in sentences. */
final class Checks {
    private Checks() {}

    static void between(String option, long value, long least, long most) {
        if (value < least || value > most) {
            throw new Failure(
                    option + " is " + value + ": write a number from " + least + " to " + most);
        }
    }

    static void modelUri(String uri) {
        if (uri.startsWith("builtin:")) {
            return;
        }
        if (!uri.startsWith("file:/")) {
            throw new Failure("--model is " + uri + ": write builtin:shapes or file:/dir");
        }
        Path folder = Path.of(uri.substring("file:".length()));
        if (!Files.isDirectory(folder)) {
            throw new Failure("--model: " + folder + " is not a folder");
        }
    }
}
