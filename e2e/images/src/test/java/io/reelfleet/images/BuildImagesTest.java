package io.reelfleet.images;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BuildImagesTest {
    @TempDir Path folder;

    @Test
    void refusesWhatItDoesNotKnowInASentence() {
        assertThat(refusal("--fast")).isEqualTo("\"--fast\" is not an option; --help lists them");
        assertThat(refusal("--out")).isEqualTo("--out needs a value; write it behind a space");
        assertThat(refusal("--only", "worker,gpu"))
                .isEqualTo("\"gpu\" is not a part; write operator, worker or gateway");
        assertThat(refusal("--root", folder.toString(), "--out", folder.resolve("out").toString()))
                .endsWith(
                        "quarkus-app is not there; build the project first: mvn package -DskipTests");
    }

    @Test
    void unpacksLibrariesOfAJarAndLeavesItsNameBehind() throws IOException {
        Path jar = folder.resolve("org.bytedeco.openblas-1-linux-x86_64.jar");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jar))) {
            for (String name :
                    new String[] {
                        "META-INF/MANIFEST.MF",
                        "org/a/libopenblas.so.0",
                        "org/a/libjni.so",
                        "org/a/A.h"
                    }) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(name.getBytes(StandardCharsets.UTF_8));
            }
        }
        Path natives = Files.createDirectory(folder.resolve("natives"));
        Natives.unpack(jar, natives);
        Path thin = Natives.withoutLibraries(jar, Files.createDirectory(folder.resolve("thin")));

        assertThat(Natives.isNativeJar(jar)).isTrue();
        assertThat(natives.toFile().list())
                .containsExactlyInAnyOrder(
                        "libopenblas.so.0", "libopenblas_nolapack.so.0", "libjni.so");
        assertThat(thin).hasFileName(jar.getFileName().toString()).isNotEmptyFile();
        assertThat(Files.size(thin)).isLessThan(Files.size(jar));
    }

    private static String refusal(String... arguments) {
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        int code =
                BuildImages.run(
                        arguments,
                        System.out,
                        new PrintStream(errors, true, StandardCharsets.UTF_8));
        assertThat(code).isEqualTo(1);
        return errors.toString(StandardCharsets.UTF_8).strip();
    }
}
