package io.reelfleet.replay.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.replay.BurstGenerator;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.StartUp;
import io.reelfleet.replay.sim.Workload;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ComparisonTest {
    @TempDir static Path folder;

    private static Results results;

    @BeforeAll
    static void everyPolicyOnAGeneratedTrace() throws Exception {
        Trace trace = BurstGenerator.generate(new BurstGenerator.Shape(1_800, 30, 6), 3);
        Comparison comparison = comparison(trace);
        results =
                comparison.run(
                        comparison.contenders(List.of("all")), Optional.of(folder), 2, name -> {});
    }

    @Test
    void everyPolicyHasARowAndItsRecord() {
        assertThat(results.rows()).hasSizeGreaterThan(50);
        assertThat(results.rows())
                .extracting(r -> r.contender().name())
                .doesNotHaveDuplicates()
                .contains(
                        "migration-aware+predictive@0.05",
                        "migration-aware+predictive@0.01",
                        "migration-aware+static-peak",
                        "least-loaded+static-peak",
                        "turboserve+turboserve",
                        "turboserve-no-migration+turboserve",
                        "turboserve+static-peak",
                        "place-at-resume+hpa",
                        "llumnix+kpa",
                        "oracle+dynamo")
                .allSatisfy(
                        name -> assertThat(folder.resolve("decisions-" + name + ".csv")).exists());
        assertThat(folder.toFile().list()).noneMatch(f -> f.endsWith(".part"));
    }

    @Test
    void noneIsBelowTheBoundAtItsOwnLateness() {
        assertThat(results.rows())
                .allSatisfy(
                        r ->
                                assertThat(r.outcome().gpuSeconds())
                                        .isGreaterThanOrEqualTo(
                                                results.bounds()
                                                                .bGpuSeconds(
                                                                        r.outcome().unservedShare())
                                                        - 1e-6));
    }

    @Test
    void resultsJsonHasTheAgreedFieldsAndNoOthers() throws Exception {
        Path file = folder.resolve("results.json");
        ResultsJson.write(results, file);

        JsonNode root = new ObjectMapper().readTree(file.toFile());
        assertThat(fields(root))
                .containsExactly("trace", "capacity", "startup_s", "bounds", "policies");
        assertThat(fields(root.get("bounds")))
                .containsExactly("peak_active", "bound_a_s", "bound_b_gpu_s", "bound_c_gpu_s");
        for (JsonNode policy : root.get("policies")) {
            assertThat(fields(policy))
                    .containsExactly(
                            "name",
                            "late_budget",
                            "late_ratio",
                            "chunk_latency_p50_s",
                            "chunk_latency_p99_s",
                            "chunk_latency_worst_s",
                            "gpu_s",
                            "gpu_s_over_bound_c",
                            "migrations",
                            "suspends",
                            "scale_changes",
                            "decision_p50_us",
                            "decision_p99_us");
            String name = policy.get("name").asText();
            assertThat(policy.get("late_budget").isNull())
                    .isEqualTo(!name.startsWith("migration-aware+predictive"));
        }
    }

    @Test
    void theReportNeedsNoOtherFileAndTheTableNamesEveryPolicy() throws Exception {
        Path file = folder.resolve("report.html");
        ReplayReport.write(results, file);
        StringWriter table = new StringWriter();
        ResultsTable.print(results, new PrintWriter(table, true));

        String page = Files.readString(file);
        assertThat(page).doesNotContain("src=").doesNotContain("href=").doesNotContain("NaN");
        for (Results.Row row : results.rows()) {
            assertThat(page).contains(row.contender().name());
            assertThat(table.toString()).contains(row.contender().name());
        }
    }

    @Test
    void thePlotsAreWritten() throws Exception {
        ReplayPlots.write(results, folder);

        assertThat(List.of("cost.png", "gpus.png", "latency.png", "migrations.png"))
                .allSatisfy(f -> assertThat(Files.size(folder.resolve(f))).isPositive());
    }

    @Test
    void theParetoFrontHoldsWhatNoRunnablePolicyBeats() {
        List<Results.Row> front = results.paretoFront();

        assertThat(front).isNotEmpty();
        for (int i = 1; i < front.size(); i++) {
            assertThat(front.get(i).outcome().lateRatio())
                    .isLessThanOrEqualTo(front.get(i - 1).outcome().lateRatio());
        }
        assertThat(front)
                .noneMatch(r -> r.contender().kind() == Contender.Kind.HINDSIGHT)
                .allMatch(r -> results.rows().stream().noneMatch(o -> Results.beats(o, r)));
    }

    @Test
    void anUnknownNameIsRefusedWithNearOnes() {
        Comparison comparison =
                comparison(BurstGenerator.generate(new BurstGenerator.Shape(60, 5, 6), 3));

        assertThatThrownBy(() -> comparison.contenders(List.of("least-loaded+hpaa")))
                .hasMessageContaining(
                        "there is no policy \"least-loaded+hpaa\"; write least-loaded+");
        assertThatThrownBy(() -> comparison.contenders(List.of("nonsense")))
                .hasMessageContaining("a placement of migration-aware, ");
        assertThat(comparison.contenders(List.of("migration-aware+predictive"))).hasSize(2);
        assertThat(comparison.contenders(List.of("migration-aware+predictive@0.05", "llumnix+hpa")))
                .extracting(Contender::name)
                .containsExactly("migration-aware+predictive@0.05", "llumnix+hpa");
    }

    private static Comparison comparison(Trace trace) {
        return new Comparison(
                "generated",
                1,
                Workload.of(trace, 1, 1),
                Conditions.comparison(4, StartUp.fixed(30), 1),
                List.of(0.05, 0.01));
    }

    private static List<String> fields(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
