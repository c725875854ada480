package io.reelfleet.tests.cluster;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.reelfleet.crds.KubeApiPrograms;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The cluster to test on: the one of KUBECONFIG, else one of this machine's own, started by the
 * script {@code kube/cluster} and removed at the end.
 *
 * <p>For the one of KUBECONFIG two more variables are read: {@code REELFLEET_CLUSTER_LOAD}, a
 * command that takes an image archive as its last argument ({@code kind load image-archive}), and
 * {@code REELFLEET_CLUSTER_VALUES}, values of the chart separated by commas, of which a store is
 * needed ({@code store.claim=videos}).
 */
final class Cluster implements AutoCloseable {
    private static final String HOW =
            "skipped: there is no cluster; set KUBECONFIG (with REELFLEET_CLUSTER_VALUES and REELFLEET_CLUSTER_LOAD, see"
                    + " docs/cluster.md), or run as root on Linux with kube/cluster in the folder that REELFLEET_SHARED names";
    private static final int USER = 10001;

    private final Optional<Program> script;
    private final Optional<Path> folder;
    private final Program kubectl;
    private final Program helm;
    private final List<String> values;

    private Cluster(
            Optional<Program> script,
            Optional<Path> folder,
            Program kubectl,
            Program helm,
            List<String> values) {
        this.script = script;
        this.folder = folder;
        this.kubectl = kubectl;
        this.helm = helm;
        this.values = values;
    }

    /** Starts or takes it; skips the test where there is none. */
    static Cluster open() throws IOException {
        String given = System.getenv("KUBECONFIG");
        Optional<Path> programs = KubeApiPrograms.find();
        if (given != null && !given.isBlank()) {
            Map<String, String> environment = Map.of("KUBECONFIG", given);
            Optional<Program> kubectl = Program.find("kubectl", programs, environment);
            Optional<Program> helm = Program.find("helm", programs, environment);
            String values = System.getenv().getOrDefault("REELFLEET_CLUSTER_VALUES", "");
            skipUnless(kubectl.isPresent() && helm.isPresent() && values.contains("store."));
            return new Cluster(
                    Optional.empty(),
                    Optional.empty(),
                    kubectl.get(),
                    helm.get(),
                    List.of(values.split(",")));
        }
        Optional<Path> script = KubeApiPrograms.clusterScript();
        skipUnless(
                script.isPresent()
                        && programs.isPresent()
                        && System.getProperty("os.name").equals("Linux")
                        && "root".equals(System.getProperty("user.name")));
        Path folder = Files.createTempDirectory("reelfleet-cluster-test");
        Path store = Files.createDirectory(folder.resolve("store"));
        Files.setOwner(
                store,
                store.getFileSystem()
                        .getUserPrincipalLookupService()
                        .lookupPrincipalByName(Integer.toString(USER)));
        Files.setPosixFilePermissions(
                folder, java.nio.file.attribute.PosixFilePermissions.fromString("rwxr-xr-x"));
        Path state = folder.resolve("cluster");
        Program cluster = new Program(script.get(), Map.of());
        cluster.run("up", "--dir", state.toString(), "--gpus", "0", "--nodes", "2");
        Map<String, String> environment =
                Map.of("KUBECONFIG", state.resolve("kubeconfig").toString());
        return new Cluster(
                Optional.of(cluster),
                Optional.of(folder),
                Program.find("kubectl", programs, environment).orElseThrow(),
                Program.find("helm", programs, environment).orElseThrow(),
                List.of("store.hostPath=" + store));
    }

    private static void skipUnless(boolean holds) {
        if (!holds) {
            System.err.println(HOW);
        }
        assumeTrue(holds, HOW);
    }

    Program kubectl() {
        return kubectl;
    }

    Program helm() {
        return helm;
    }

    /** Values of the chart that fit this cluster. */
    List<String> values() {
        return values;
    }

    /** Whether it is this test's own: its nodes may be drained, and its store read. */
    boolean own() {
        return script.isPresent();
    }

    /** The chunk store of a cluster of our own. */
    String store() {
        return "file:" + folder.orElseThrow().resolve("store");
    }

    /** Gives an image archive to the nodes; a cluster with a registry needs none. */
    void load(Path archive) {
        if (script.isPresent()) {
            script.get()
                    .run(
                            "load",
                            "--dir",
                            folder.orElseThrow().resolve("cluster").toString(),
                            archive.toString());
            return;
        }
        String command = System.getenv("REELFLEET_CLUSTER_LOAD");
        if (command != null) {
            String[] words = (command + " " + archive).split(" ");
            Program.find(words[0], Optional.empty(), Map.of())
                    .orElseThrow(
                            () ->
                                    new AssertionError(
                                            "REELFLEET_CLUSTER_LOAD: there is no program "
                                                    + words[0]))
                    .run(java.util.Arrays.copyOfRange(words, 1, words.length));
        }
    }

    @Override
    public void close() {
        script.ifPresent(
                s -> s.run("down", "--dir", folder.orElseThrow().resolve("cluster").toString()));
        folder.ifPresent(Cluster::delete);
    }

    private static void delete(Path tree) {
        try (var all = Files.walk(tree)) {
            for (Path p : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.delete(p);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
