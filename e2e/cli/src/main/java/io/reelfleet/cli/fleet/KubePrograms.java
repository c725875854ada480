package io.reelfleet.cli.fleet;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The programs of an API server: {@code etcd}, {@code kube-apiserver}, {@code kubectl}.
 *
 * @param folder where all three are
 */
public record KubePrograms(Path folder) {
    /** How a person gets them. */
    public static final String HOW_TO_GET_THEM =
            "put etcd, kube-apiserver and kubectl into ~/.cache/reelfleet/kube, or name their folder in REELFLEET_KUBE_ASSETS";

    private static final List<String> NAMES = List.of("etcd", "kube-apiserver", "kubectl");

    /**
     * Looks into {@code REELFLEET_KUBE_ASSETS}, {@code ~/.cache/reelfleet/kube} and, by the script
     * {@code kube/cluster}, the folder {@code shared} beside the checkout.
     */
    public static Optional<KubePrograms> find(Checkout checkout) throws InterruptedException {
        String named = System.getenv("REELFLEET_KUBE_ASSETS");
        if (named != null) {
            return in(Path.of(named));
        }
        Optional<KubePrograms> cached =
                in(Path.of(System.getProperty("user.home"), ".cache", "reelfleet", "kube"));
        if (cached.isPresent()) {
            return cached;
        }
        String shared = System.getenv("REELFLEET_SHARED");
        Path beside = shared == null ? checkout.root().resolveSibling("shared") : Path.of(shared);
        Path script = beside.resolve("kube").resolve("cluster");
        return Files.isExecutable(script) ? unpacked(script) : Optional.empty();
    }

    private static Optional<KubePrograms> in(Path folder) {
        return NAMES.stream().allMatch(p -> Files.isExecutable(folder.resolve(p)))
                ? Optional.of(new KubePrograms(folder))
                : Optional.empty();
    }

    private static Optional<KubePrograms> unpacked(Path script) throws InterruptedException {
        if (!System.getProperty("os.name").equals("Linux")) {
            return Optional.empty();
        }
        try {
            Process process =
                    new ProcessBuilder(script.toString(), "bin")
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            String out =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                            .strip();
            return process.waitFor(2, TimeUnit.MINUTES) && process.exitValue() == 0
                    ? in(Path.of(out))
                    : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** {@code kubectl} when it is on the PATH, else the whole path of this one. */
    public String kubectlAsTyped() {
        for (String place : System.getenv().getOrDefault("PATH", "").split(":")) {
            if (Files.isExecutable(Path.of(place, "kubectl"))) {
                return "kubectl";
            }
        }
        return program("kubectl").toString();
    }

    Path program(String name) {
        return folder.resolve(name);
    }
}
