package io.reelfleet.replay.sim;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Cost and lateness from a decision record and its trace alone, chunk by chunk: shares no code with
 * the simulator.
 *
 * @param gpuSeconds from request to release
 * @param due chunks due
 * @param late of these
 */
record JournalCheck(double gpuSeconds, long due, long late) {

    static JournalCheck of(Path csv, Trace trace, double interval, int capacity)
            throws IOException {
        Map<String, Double> requested = new HashMap<>();
        Map<String, TreeMap<Double, String>> where = new HashMap<>();
        Map<String, TreeMap<Double, Integer>> load = new HashMap<>();
        double gpuSeconds = 0;
        double firstReady = Double.POSITIVE_INFINITY;
        double before = 0;
        List<String> lines = Files.readAllLines(csv);
        if (!lines.getFirst().equals("t_s,kind,worker,session")) {
            throw new IllegalStateException("header " + lines.getFirst());
        }
        for (String line : lines.subList(1, lines.size())) {
            String[] f = line.split(",", -1);
            double t = Double.parseDouble(f[0]);
            if (t < before) {
                throw new IllegalStateException("time goes back at " + line);
            }
            before = t;
            String worker = f[2];
            String session = f[3];
            switch (f[1]) {
                case "gpu_requested" -> requested.put(worker, t);
                case "gpu_ready" -> firstReady = Math.min(firstReady, t);
                case "gpu_released" -> gpuSeconds += t - requested.remove(worker);
                case "place", "move" -> {
                    TreeMap<Double, String> places =
                            where.computeIfAbsent(session, s -> new TreeMap<>());
                    String old = places.isEmpty() ? "" : places.lastEntry().getValue();
                    if (!old.isEmpty()) {
                        change(load, old, t, -1);
                    }
                    places.put(t, worker);
                    change(load, worker, t, 1);
                }
                case "unplace" -> {
                    where.get(session).put(t, "");
                    change(load, worker, t, -1);
                }
                default -> throw new IllegalStateException("kind of " + line);
            }
        }
        if (!requested.isEmpty()) {
            throw new IllegalStateException("never released: " + requested.keySet());
        }
        long due = 0;
        long late = 0;
        for (TraceSession session : trace.sessions()) {
            TreeMap<Double, String> places = where.getOrDefault(session.id(), new TreeMap<>());
            for (Burst burst : session.bursts()) {
                for (int k = 0; burst.start() + k * interval < burst.end() - 1e-9; k++) {
                    double d = burst.start() + k * interval;
                    due++;
                    if (d < firstReady - 1e-9) {
                        continue;
                    }
                    late +=
                            latency(places, load, d, burst.end(), interval, capacity)
                                            > interval + 1e-6
                                    ? 1
                                    : 0;
                }
            }
        }
        return new JournalCheck(gpuSeconds, due, late);
    }

    private static double latency(
            TreeMap<Double, String> places,
            Map<String, TreeMap<Double, Integer>> load,
            double due,
            double end,
            double interval,
            int capacity) {
        double served = due;
        Map.Entry<Double, String> at = places.floorEntry(due + 1e-7);
        List<Double> waits = new ArrayList<>(places.tailMap(due + 1e-7, false).keySet());
        for (int i = 0; (at == null || at.getValue().isEmpty()) && i < waits.size(); i++) {
            at = Map.entry(waits.get(i), places.get(waits.get(i)));
            served = waits.get(i);
        }
        if (at == null || at.getValue().isEmpty() || served >= end - 1e-7) {
            return Double.POSITIVE_INFINITY;
        }
        int n = load.get(at.getValue()).floorEntry(served + 1e-7).getValue();
        return served - due + interval * n / capacity;
    }

    private static void change(
            Map<String, TreeMap<Double, Integer>> load, String worker, double t, int by) {
        TreeMap<Double, Integer> steps = load.computeIfAbsent(worker, w -> new TreeMap<>());
        int now = steps.isEmpty() ? 0 : steps.lastEntry().getValue();
        steps.put(t, now + by);
    }
}
