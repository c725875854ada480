package io.reelfleet.replay.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.replay.sim.Outcome;
import java.io.IOException;
import java.nio.file.Path;

/** {@code results.json}: for programs, units in the names. */
public final class ResultsJson {
    private ResultsJson() {}

    /** Writes the file. */
    public static void write(Results results, Path file) throws IOException {
        new ObjectMapper()
                .enable(SerializationFeature.INDENT_OUTPUT)
                .writeValue(file.toFile(), of(results));
    }

    static ObjectNode of(Results results) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.put("trace", results.trace());
        root.put("capacity", results.conditions().capacity());
        root.put("startup_s", results.conditions().startUp().meanMillis() / 1000.0);
        ObjectNode bounds = root.putObject("bounds");
        bounds.put("peak_active", results.bounds().peakActive());
        bounds.put("bound_a_s", results.bounds().boundASeconds());
        bounds.put("bound_b_gpu_s", round(results.bounds().boundBGpuSeconds(), 3));
        bounds.put("bound_c_gpu_s", round(results.bounds().boundCGpuSeconds(), 3));
        ArrayNode policies = root.putArray("policies");
        for (Results.Row row : results.rows()) {
            Outcome o = row.outcome();
            ObjectNode p = policies.addObject();
            p.put("name", row.contender().name());
            if (row.contender().lateBudget().isPresent()) {
                p.put("late_budget", row.contender().lateBudget().getAsDouble());
            } else {
                p.putNull("late_budget");
            }
            p.put("late_ratio", o.lateRatio());
            p.put("chunk_latency_p50_s", round(o.latencies().percentileSeconds(0.50), 6));
            p.put("chunk_latency_p99_s", round(o.latencies().percentileSeconds(0.99), 6));
            p.put("chunk_latency_worst_s", round(o.latencies().worstSeconds(), 6));
            p.put("gpu_s", round(o.gpuSeconds(), 3));
            p.put("gpu_s_over_bound_c", round(results.overBoundC(row), 6));
            p.put("migrations", o.migrations());
            p.put("suspends", o.suspends());
            p.put("scale_changes", o.scaleChanges());
            p.put("decision_p50_us", round(o.decisions().percentile(0.50), 3));
            p.put("decision_p99_us", round(o.decisions().percentile(0.99), 3));
        }
        return root;
    }

    private static double round(double value, int digits) {
        double unit = Math.pow(10, digits);
        return Math.rint(value * unit) / unit;
    }
}
