package io.reelfleet.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A Java runtime with the modules that the parts use, linked from the JDK that runs this. */
final class JavaRuntime {
    private static final String MODULES =
            "java.se,jdk.unsupported,jdk.management,jdk.net,jdk.zipfs,jdk.naming.dns,jdk.crypto.ec,jdk.jfr";

    private JavaRuntime() {}

    static Path link(Path work) throws IOException, InterruptedException {
        Path home = Path.of(System.getProperty("java.home"));
        Path runtime =
                work.resolve("java-" + Runtime.version().toString().replaceAll("[^0-9.]", "_"));
        if (Files.isExecutable(runtime.resolve("bin/java"))) {
            return runtime;
        }
        DebianBase.delete(runtime);
        Programs.run(
                work,
                List.of(
                        home.resolve("bin/jlink").toString(),
                        "--add-modules",
                        MODULES,
                        "--strip-debug",
                        "--no-header-files",
                        "--no-man-pages",
                        "--output",
                        runtime.toString()));
        return runtime;
    }
}
