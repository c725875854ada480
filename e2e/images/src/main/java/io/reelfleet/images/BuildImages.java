package io.reelfleet.images;

import com.google.cloud.tools.jib.api.CacheDirectoryCreationException;
import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.InvalidImageReferenceException;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.JibContainerBuilder;
import com.google.cloud.tools.jib.api.RegistryException;
import com.google.cloud.tools.jib.api.TarImage;
import com.google.cloud.tools.jib.api.buildplan.AbsoluteUnixPath;
import com.google.cloud.tools.jib.api.buildplan.FileEntriesLayer;
import com.google.cloud.tools.jib.api.buildplan.FilePermissions;
import com.google.cloud.tools.jib.api.buildplan.Port;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;

/**
 * Builds the image archives: {@code BuildImages [--out DIR] [--root DIR] [--tag TAG] [--base IMAGE
 * | --base packages] [--only PART,...]}. Each holds a base layer, a Java runtime, native libraries,
 * dependencies and the application, in this order, so that a change of the application changes one
 * small layer. Equal inputs give equal images.
 */
public final class BuildImages {
    private static final String DEFAULT_BASE = "debian:stable-slim";
    private static final String PACKAGES = "packages";
    private static final String TAG = "0.1.0-SNAPSHOT";
    private static final String USER = "10001:10001";

    private final Path repository;
    private final Path out;
    private final Path work;
    private final String tag;
    private final PrintStream terminal;

    private BuildImages(Path repository, Path out, String tag, PrintStream terminal)
            throws IOException {
        this.repository = repository;
        this.out = Files.createDirectories(out);
        this.work = Files.createDirectories(out.resolve(".work"));
        this.tag = tag;
        this.terminal = terminal;
    }

    /** Entry point; exit code 0 only when every image is there. */
    public static void main(String[] arguments) {
        System.exit(run(arguments, System.out, System.err));
    }

    /** Builds them as the arguments say; the exit code. */
    public static int run(String[] arguments, PrintStream terminal, PrintStream errors) {
        Path root = Path.of("").toAbsolutePath();
        Path out = null;
        String tag = TAG;
        String base = DEFAULT_BASE;
        Set<Part> parts = EnumSet.allOf(Part.class);
        try {
            for (int i = 0; i < arguments.length; i++) {
                switch (arguments[i]) {
                    case "--out" -> out = Path.of(value(arguments, ++i));
                    case "--root" -> root = Path.of(value(arguments, ++i)).toAbsolutePath();
                    case "--tag" -> tag = value(arguments, ++i);
                    case "--base" -> base = value(arguments, ++i);
                    case "--only" -> parts = parts(value(arguments, ++i));
                    case "--help", "-h" -> {
                        terminal.println(
                                "BuildImages [--out DIR] [--root DIR] [--tag TAG] [--base IMAGE|packages] [--only operator,worker,gateway]");
                        return 0;
                    }
                    default ->
                            throw new ImageException(
                                    "\"" + arguments[i] + "\" is not an option; --help lists them");
                }
            }
            new BuildImages(
                            root,
                            (out == null ? root.resolve("reelfleet-out/images") : out)
                                    .toAbsolutePath(),
                            tag,
                            terminal)
                    .build(parts, base);
            return 0;
        } catch (ImageException e) {
            errors.println(e.getMessage());
            return 1;
        } catch (IOException e) {
            errors.println("the images cannot be written: " + e.getMessage());
            return 1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 130;
        }
    }

    private static String value(String[] arguments, int i) throws ImageException {
        if (i >= arguments.length) {
            throw new ImageException(arguments[i - 1] + " needs a value; write it behind a space");
        }
        return arguments[i];
    }

    private static Set<Part> parts(String names) throws ImageException {
        Set<Part> parts = EnumSet.noneOf(Part.class);
        for (String name : names.split(",")) {
            try {
                parts.add(Part.valueOf(name.toUpperCase(Locale.ROOT)));
            } catch (IllegalArgumentException e) {
                throw new ImageException(
                        "\"" + name + "\" is not a part; write operator, worker or gateway");
            }
        }
        return parts;
    }

    private void build(Set<Part> parts, String base)
            throws ImageException, IOException, InterruptedException {
        for (Part part : parts) {
            if (!Files.exists(part.application(repository).resolve("quarkus-run.jar"))) {
                throw new ImageException(
                        part.application(repository)
                                + " is not there; build the project first: mvn package -DskipTests");
            }
        }
        Path runtime = JavaRuntime.link(work);
        Path packages = null;
        for (Part part : parts) {
            long start = System.nanoTime();
            Path archive = out.resolve("reelfleet-" + part.title() + ".tar");
            Files.deleteIfExists(archive);
            if (packages == null && !base.equals(PACKAGES)) {
                try {
                    write(Jib.from(base), part, runtime, archive);
                } catch (ExecutionException | RegistryException e) {
                    terminal.println(
                            "no registry with "
                                    + base
                                    + " can be reached: the base layer comes from this machine's Debian packages");
                    packages = DebianBase.build(work);
                } catch (InvalidImageReferenceException e) {
                    throw new ImageException(
                            "--base \""
                                    + base
                                    + "\" is not the name of an image; write one such as "
                                    + DEFAULT_BASE,
                            e);
                }
            } else if (packages == null) {
                packages = DebianBase.build(work);
            }
            if (packages != null) {
                try {
                    write(Jib.from(TarImage.at(packages)), part, runtime, archive);
                } catch (ExecutionException
                        | RegistryException
                        | InvalidImageReferenceException e) {
                    throw new ImageException(
                            "the image of the "
                                    + part.title()
                                    + " cannot be built: "
                                    + e.getMessage(),
                            e);
                }
            }
            terminal.printf(
                    Locale.ROOT,
                    "%s  reelfleet/%s:%s  %d MB  %.0f s%n",
                    archive,
                    part.title(),
                    tag,
                    Files.size(archive) / 1_000_000,
                    (System.nanoTime() - start) / 1e9);
        }
    }

    private void write(JibContainerBuilder image, Part part, Path runtime, Path archive)
            throws ImageException,
                    IOException,
                    InterruptedException,
                    ExecutionException,
                    RegistryException,
                    InvalidImageReferenceException {
        image.addFileEntriesLayer(tree("java", runtime, "/opt/java"));
        for (FileEntriesLayer layer : application(part)) {
            image.addFileEntriesLayer(layer);
        }
        image.setUser(USER)
                .setWorkingDirectory(AbsoluteUnixPath.get("/app"))
                .setEntrypoint(part.entrypoint())
                .setCreationTime(Instant.EPOCH)
                .addEnvironmentVariable("HOME", "/tmp")
                .addEnvironmentVariable("LANG", "C.UTF-8")
                .addLabel("org.opencontainers.image.title", "reelfleet-" + part.title())
                .addLabel("org.opencontainers.image.version", tag)
                .addLabel("org.opencontainers.image.licenses", "Apache-2.0");
        part.environment().forEach(image::addEnvironmentVariable);
        part.ports().forEach(p -> image.addExposedPort(Port.tcp(p)));
        try {
            image.containerize(
                    Containerizer.to(
                                    TarImage.at(archive)
                                            .named("reelfleet/" + part.title() + ":" + tag))
                            .setToolName("reelfleet")
                            .setApplicationLayersCache(work.resolve("layers"))
                            .setBaseImageLayersCache(work.resolve("base-layers")));
        } catch (CacheDirectoryCreationException e) {
            throw new ImageException(
                    "the folder " + work + " cannot be written; name another one with --out", e);
        }
    }

    /** Layers from what changes least to what changes most. */
    private List<FileEntriesLayer> application(Part part) throws IOException {
        Path app = part.application(repository);
        Path natives = DebianBase.clear(work.resolve("natives-" + part.title()));
        Path thin = DebianBase.clear(work.resolve("thin-" + part.title()));
        FileEntriesLayer.Builder dependencies = FileEntriesLayer.builder().setName("dependencies");
        FileEntriesLayer.Builder own = FileEntriesLayer.builder().setName("application");
        try (Stream<Path> files = Files.walk(app)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String path = app.relativize(file).toString().replace('\\', '/');
                AbsoluteUnixPath to = AbsoluteUnixPath.get("/app/" + path);
                if (!path.startsWith("lib/")
                        || file.getFileName().toString().startsWith("io.reelfleet.")) {
                    own.addEntry(file, to);
                } else if (Natives.isNativeJar(file)) {
                    Natives.unpack(file, natives);
                    dependencies.addEntry(Natives.withoutLibraries(file, thin), to);
                } else {
                    dependencies.addEntry(file, to);
                }
            }
        }
        List<FileEntriesLayer> layers = new ArrayList<>();
        try (Stream<Path> unpacked = Files.list(natives)) {
            if (unpacked.findAny().isPresent()) {
                layers.add(tree("natives", natives, Part.NATIVES));
            }
        }
        layers.add(dependencies.build());
        layers.add(own.build());
        return layers;
    }

    private static FileEntriesLayer tree(String name, Path folder, String at) throws IOException {
        FileEntriesLayer.Builder layer = FileEntriesLayer.builder().setName(name);
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                layer.addEntry(
                        file,
                        AbsoluteUnixPath.get(
                                at + "/" + folder.relativize(file).toString().replace('\\', '/')),
                        Files.isExecutable(file)
                                ? FilePermissions.fromOctalString("755")
                                : FilePermissions.DEFAULT_FILE_PERMISSIONS);
            }
        }
        return layer.build();
    }
}
