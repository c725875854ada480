package io.reelfleet.operator.workers;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.operator.stub.StubJar;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Process workers, with a small worker program. */
final class ProcessWorkersIT extends WorkerProviderContract {
    @TempDir Path folder;

    @Override
    ProcessWorkers provider() throws IOException {
        return provider(Map.of());
    }

    private ProcessWorkers provider(Map<String, String> settings) throws IOException {
        return new ProcessWorkers(
                folder.resolve("workers"),
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m"),
                StubJar.write(folder),
                settings,
                null,
                Duration.ofSeconds(10));
    }

    @Override
    void crash(String worker) throws IOException {
        long pid =
                new ObjectMapper()
                        .readTree(folder.resolve("workers/" + worker + ".json").toFile())
                        .get("pid")
                        .asLong();
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
    }

    @AfterEach
    void stopAll() throws IOException {
        provider().stopAll();
    }

    @Test
    void aWorkerThatIsKilledIsToldAtOnceAndNoLongerListed() throws Exception {
        ProcessWorkers provider = provider(Map.of());
        CompletableFuture<String> told = new CompletableFuture<>();
        provider.follow(told::complete);
        provider.start(launch("demo-fffff"));
        eventually(
                SOON,
                () ->
                        assertThat(provider.list(POOL))
                                .anySatisfy(w -> assertThat(w.endpoint()).isNotNull()));

        crash("demo-fffff");

        // No listing is asked for meanwhile.
        assertThat(told).succeedsWithin(Duration.ofSeconds(5)).isEqualTo(POOL);
        assertThat(provider.list(POOL)).isEmpty();
    }

    @Test
    void whatAWorkerSaidLastIsKept() throws Exception {
        ProcessWorkers provider =
                provider(
                        Map.of(
                                "stub.complaint",
                                "model file:/m has no model_index.json; write one"));
        provider.start(launch("demo-eeeee"));
        eventually(SOON, () -> assertThat(provider.list(POOL)).isEmpty());
        assertThat(provider.lastWords(POOL, "demo-eeeee"))
                .isEqualTo("model file:/m has no model_index.json; write one");
    }
}
