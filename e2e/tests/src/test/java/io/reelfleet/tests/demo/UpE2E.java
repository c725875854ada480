package io.reelfleet.tests.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.crds.KubeApiPrograms;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./reelfleet up} and what people do with the fleet that it leaves running. */
class UpE2E {
    private static final Duration LIMIT = Duration.ofMinutes(4);
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path folder;
    private final Path root = Path.of("../..").toAbsolutePath().normalize();

    private record Said(int code, String text) {}

    @AfterEach
    void takeItDown() throws Exception {
        reelfleet("down");
    }

    @Test
    void aFleetStaysUpTakesSessionsBothWaysAndGoesDownWhole() throws Exception {
        Optional<Path> kube = KubeApiPrograms.find();
        List<String> up =
                new ArrayList<>(List.of("up", "--workers", "1", "--port", "0", "--api-port", "0"));
        if (kube.isEmpty()) {
            System.err.println(
                    "without kubectl, since there is no API server: put etcd, kube-apiserver and kubectl into ~/.cache/reelfleet/kube");
            up.add("--no-kubernetes");
        }
        Said started = reelfleet(up.toArray(String[]::new));
        assertThat(started.code()).as(started.text()).isZero();
        assertThat(started.text()).contains("The fleet is up: pool", "at most 1 worker.");

        Said second = reelfleet("up", "--port", "0", "--api-port", "0");
        assertThat(second.code()).isEqualTo(1);
        assertThat(second.text())
                .startsWith("reelfleet up: a fleet is up already (operator process ")
                .contains("run ./reelfleet down first");

        Path example = root.resolve("docs/examples/session.yaml");
        Said opened = reelfleet("open", "-f", example.toString());
        assertThat(opened.code()).as(opened.text()).isZero();
        assertThat(opened.text()).contains("is open: http://127.0.0.1:");
        await("the session to run", () -> reelfleet("get").text().contains("Running"));
        if (kube.isPresent()) {
            kubectlWorksToo(kube.get(), example);
        }

        aWorkerThatIsToldToEndHandsItsSessionsOver();

        long stops = System.nanoTime();
        Said down = reelfleet("down");
        assertThat(Duration.ofNanos(System.nanoTime() - stops))
                .as("also while workers have sessions")
                .isLessThan(Duration.ofSeconds(15));
        assertThat(down.code()).as(down.text()).isZero();
        assertThat(ProcessHandle.allProcesses())
                .as("every process of the fleet names its folder in its arguments")
                .noneMatch(
                        p ->
                                p.info()
                                        .commandLine()
                                        .orElse("")
                                        .contains(folder.resolve("home").toString()));
        assertThat(reelfleet("get").text()).contains("no fleet is up");
    }

    /** SIGTERM to the only worker: another one starts and takes its sessions over, live. */
    private void aWorkerThatIsToldToEndHandsItsSessionsOver() throws Exception {
        Path fleet = folder.resolve("home/fleet");
        String name = workers(fleet).getFirst();
        long pid =
                JSON.readTree(fleet.resolve("workers/" + name + ".launch.json").toFile())
                        .get("pid")
                        .asLong();
        String uid;
        try (ChunkStore store = ChunkStores.open("file:" + fleet.resolve("store"));
                var sessions = Files.list(fleet.resolve("store/sessions"))) {
            uid = sessions.findFirst().orElseThrow().getFileName().toString();
            await("two chunks", () -> chunks(store, uid).size() > 1);
            ProcessHandle worker = ProcessHandle.of(pid).orElseThrow();
            worker.destroy();
            await("the worker to end", () -> !worker.isAlive());
            await("another one in its place", () -> !workers(fleet).contains(name));
            int had = chunks(store, uid).size();
            await("chunks of the next one", () -> chunks(store, uid).size() > had + 1);
            List<Long> chunks = chunks(store, uid);
            assertThat(chunks).isEqualTo(LongStream.range(0, chunks.size()).boxed().toList());
        }
        assertThat(Files.readString(fleet.resolve("logs/operator.log")))
                .contains(
                        "worker " + name + " is to be emptied (ToldToEnd)",
                        "session " + uid + " has moved to worker")
                .doesNotContain("worker " + name + " is lost");
    }

    private static List<String> workers(Path fleet) {
        try (var files = Files.list(fleet.resolve("workers"))) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith(".launch.json"))
                    .map(f -> f.substring(0, f.length() - ".launch.json".length()))
                    .toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static List<Long> chunks(ChunkStore store, String uid) {
        try {
            return SessionLogReader.fromStart(store, uid).pollAll().stream()
                    .filter(LogEntry::hasChunk)
                    .map(e -> e.getChunk().getChunk())
                    .toList();
        } catch (StoreException e) {
            throw new AssertionError(e);
        }
    }

    /** The same document, as an object. */
    private void kubectlWorksToo(Path programs, Path example) throws Exception {
        String kubeconfig;
        try (var files = Files.walk(folder.resolve("home"))) {
            kubeconfig =
                    files.filter(f -> f.getFileName().toString().equals("kubeconfig"))
                            .findFirst()
                            .orElseThrow()
                            .toString();
        }
        String document =
                Files.readString(example).replaceFirst("(?m)^  name: .*$", "  name: by-kubectl");
        Path file = Files.writeString(folder.resolve("by-kubectl.yaml"), document);
        String kubectl = programs.resolve("kubectl").toString();
        Said applied = run(kubectl, "--kubeconfig", kubeconfig, "apply", "-f", file.toString());
        assertThat(applied.code()).as(applied.text()).isZero();
        await(
                "the object to show that it runs",
                () -> {
                    Said got =
                            run(
                                    kubectl,
                                    "--kubeconfig",
                                    kubeconfig,
                                    "get",
                                    "vsession",
                                    "by-kubectl",
                                    "-o",
                                    "json");
                    return json(got.text()).at("/status/phase").asText().equals("Running");
                });
        Said bad =
                run(
                        kubectl,
                        "--kubeconfig",
                        kubeconfig,
                        "apply",
                        "-f",
                        Files.writeString(
                                        folder.resolve("bad.yaml"),
                                        document.replaceFirst("(?m)^  seed: .*$", "  seed: -1"))
                                .toString());
        assertThat(bad.code()).isEqualTo(1);
        assertThat(bad.text()).contains("spec.seed", "write a seed of 0 or more");
    }

    private static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new AssertionError(text, e);
        }
    }

    private static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waited too long for " + what).isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(300);
        }
    }

    /** As the launcher starts the program once it is built. */
    private Said reelfleet(String... arguments) {
        Path cli = root.resolve("e2e/cli/target");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx256m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                cli.resolve("classes") + ":" + cli.resolve("lib") + "/*",
                                "io.reelfleet.cli.Reelfleet"));
        command.addAll(Arrays.asList(arguments));
        return run(command.toArray(String[]::new));
    }

    private Said run(String... command) {
        try {
            Path out = Files.createTempFile(folder, "said", ".txt");
            ProcessBuilder builder = new ProcessBuilder(command);
            builder.environment().put("REELFLEET_CHECKOUT", root.toString());
            builder.environment().put("REELFLEET_HOME", folder.resolve("home").toString());
            Process process =
                    builder.redirectErrorStream(true).redirectOutput(out.toFile()).start();
            assertThat(process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS))
                    .as(String.join(" ", command))
                    .isTrue();
            return new Said(
                    process.exitValue(),
                    Files.readString(out)
                            .lines()
                            .filter(l -> !l.startsWith("WARNING"))
                            .reduce("", (a, b) -> a + b + "\n"));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }
}
