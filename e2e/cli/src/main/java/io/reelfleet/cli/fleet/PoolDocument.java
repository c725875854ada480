package io.reelfleet.cli.fleet;

import java.time.Duration;
import java.util.Locale;

/**
 * The GPUPool of a fleet on this machine, {@code default/shapes}.
 *
 * @param modelUri {@code builtin:shapes}, {@code file:/dir}
 * @param mode Predictive, or Manual with all workers at once
 * @param minWorkers kept when nothing is to do
 * @param maxWorkers never more
 * @param capacity most sessions one worker carries
 * @param latencyTarget a chunk later than that is late
 * @param idleTimeout an idle session leaves the device after this long
 */
public record PoolDocument(
        String modelUri,
        Mode mode,
        int minWorkers,
        int maxWorkers,
        int capacity,
        Duration latencyTarget,
        Duration idleTimeout) {
    /** The pool's name. */
    public static final String NAME = "default/shapes";

    /**
     * So many workers all the time, whatever the load, with {@code builtin:shapes}, whose chunks
     * last 1.5 s.
     */
    public static PoolDocument manual(int workers, int capacity, Duration idleTimeout) {
        return new PoolDocument(
                "builtin:shapes",
                Mode.MANUAL,
                workers,
                workers,
                capacity,
                Duration.ofMillis(1500),
                idleTimeout);
    }

    /** Who decides how many workers there are. */
    public enum Mode {
        /** The policy. */
        PREDICTIVE,
        /** This document: {@code maxWorkers}. */
        MANUAL
    }

    /** As {@code kubectl apply} would take it. */
    public String yaml() {
        String modelName =
                modelUri.equals("builtin:shapes") ? "shapes" : modelUri.replaceFirst("^.*[:/]", "");
        StringBuilder yaml = new StringBuilder();
        yaml.append("apiVersion: reelfleet.io/v1alpha1\n");
        yaml.append("kind: GPUPool\n");
        yaml.append("metadata:\n  name: shapes\n  namespace: default\n");
        yaml.append("spec:\n");
        yaml.append("  model:\n    name: ").append(quoted(modelName));
        yaml.append("\n    uri: ").append(quoted(modelUri)).append('\n');
        // One thread each: workers that share cores must not spin for each other.
        yaml.append("  runtime:\n    device: Cpu\n    threads: 1\n");
        yaml.append("  latency:\n    target: ").append(latencyTarget.toMillis()).append("ms\n");
        yaml.append("  scaling:\n");
        yaml.append("    mode: ")
                .append(mode == Mode.MANUAL ? "Manual" : "Predictive")
                .append('\n');
        yaml.append(
                String.format(
                        Locale.ROOT, "    minGpus: %d%n    maxGpus: %d%n", minWorkers, maxWorkers));
        yaml.append(
                String.format(
                        Locale.ROOT, "    capacityHint: %d%n    startupHint: 10s%n", capacity));
        if (mode == Mode.MANUAL) {
            yaml.append("  replicas: ").append(maxWorkers).append('\n');
        }
        yaml.append("  offload:\n    idleTimeout: ").append(idleTimeout.toMillis()).append("ms\n");
        return yaml.toString();
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
