package io.reelfleet.crds;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fabric8.kubeapitest.KubeAPIServer;
import io.fabric8.kubeapitest.KubeAPIServerConfigBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A real API server for tests, when its programs ({@code etcd}, {@code kube-apiserver}, {@code
 * kubectl}) are at hand: in the folder that {@code REELFLEET_KUBE_ASSETS} names, in {@code
 * ~/.cache/reelfleet/kube}, or by the script {@code kube/cluster} of the folder that {@code
 * REELFLEET_SHARED} names or that lies as {@code shared} beside the checkout. Otherwise the test is
 * skipped and says so in a line.
 */
public final class KubeApiPrograms {
    /** What a skipped test says. */
    public static final String HOW_TO_GET_THEM =
            "skipped: there is no API server; put etcd, kube-apiserver and kubectl into ~/.cache/reelfleet/kube, or name their"
                    + " folder in REELFLEET_KUBE_ASSETS";

    private static final List<String> PROGRAMS = List.of("etcd", "kube-apiserver", "kubectl");
    private static final String VERSION = "1.34.2";

    private KubeApiPrograms() {}

    /**
     * A started API server with its etcd; the caller stops it. Skips the test when there is none.
     *
     * @param flags more of the API server's, such as {@code --audit-log-path}, by name
     */
    public static KubeAPIServer start(Map<String, String> flags) {
        Optional<Path> programs = find();
        if (programs.isEmpty()) {
            System.err.println(HOW_TO_GET_THEM);
        }
        assumeTrue(programs.isPresent(), HOW_TO_GET_THEM);
        KubeAPIServerConfigBuilder config =
                KubeAPIServerConfigBuilder.anAPIServerConfig()
                        .withTestDir(layOut(programs.get()).toString())
                        .withApiServerVersion(VERSION)
                        .withOfflineMode(true)
                        .withUpdateKubeConfig(false)
                        .withStartupTimeout(120_000);
        flags.forEach(config::withApiServerFlag);
        KubeAPIServer server = new KubeAPIServer(config.build());
        server.start();
        return server;
    }

    /** The same, as it comes. */
    public static KubeAPIServer start() {
        return start(Map.of());
    }

    /** The folder with the programs, when there is one. */
    public static Optional<Path> find() {
        return folder(System.getenv("REELFLEET_KUBE_ASSETS"))
                .or(() -> folder(System.getProperty("user.home") + "/.cache/reelfleet/kube"))
                .or(() -> clusterScript().flatMap(KubeApiPrograms::unpacked));
    }

    /** The script that starts a whole cluster, when there is one. */
    public static Optional<Path> clusterScript() {
        String shared = System.getenv("REELFLEET_SHARED");
        if (shared != null) {
            return Optional.of(Path.of(shared, "kube", "cluster")).filter(Files::isExecutable);
        }
        for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
            Path script = p.resolve("shared/kube/cluster");
            if (Files.isExecutable(script)) {
                return Optional.of(script);
            }
        }
        return Optional.empty();
    }

    private static Optional<Path> folder(String name) {
        return Optional.ofNullable(name)
                .map(Path::of)
                .filter(f -> PROGRAMS.stream().allMatch(p -> Files.isExecutable(f.resolve(p))));
    }

    private static Optional<Path> unpacked(Path script) {
        if (!System.getProperty("os.name").equals("Linux")) {
            return Optional.empty();
        }
        try {
            Process p =
                    new ProcessBuilder(script.toString(), "bin")
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!p.waitFor(2, TimeUnit.MINUTES) || p.exitValue() != 0) {
                return Optional.empty();
            }
            return folder(out.strip());
        } catch (IOException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    /**
     * kube-api-test wants them as {@code <dir>/k8s/<version>-<system>/<program>}; links will do.
     */
    private static Path layOut(Path programs) {
        String system =
                System.getProperty("os.name").toLowerCase(java.util.Locale.ROOT).startsWith("mac")
                        ? "darwin"
                        : "linux";
        String machine = System.getProperty("os.arch").equals("aarch64") ? "arm64" : "amd64";
        try {
            Path dir = Files.createDirectories(Path.of("target", "kube-api-test").toAbsolutePath());
            Path bin =
                    Files.createDirectories(
                            dir.resolve("k8s").resolve(VERSION + "-" + system + "-" + machine));
            for (String p : PROGRAMS) {
                Path link = bin.resolve(p);
                if (!Files.isExecutable(link)) {
                    Files.deleteIfExists(link);
                    try {
                        Files.createSymbolicLink(link, programs.resolve(p));
                    } catch (FileAlreadyExistsException e) {
                        // Another test was first.
                    }
                }
            }
            return dir;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
