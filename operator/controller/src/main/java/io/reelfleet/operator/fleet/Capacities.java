package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.CapacityLearner;
import io.reelfleet.scheduler.LatencyProfile;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What each type of GPU carries of this pool's model, learned from the chunks that its workers
 * report. A pool's {@code capacityHint} is obeyed; without one C follows from what is measured.
 * Belongs to the loop's thread.
 */
final class Capacities {
    /** Another type is the pool's ordinary one when it has so many times as many workers. */
    private static final int FAR_MORE = 2;

    private final Map<String, CapacityLearner> byGpu = new LinkedHashMap<>();
    private int assumed;
    private boolean fixed;
    private String ordinary = "";

    /** C of a type has changed. */
    record Change(String gpu, int before, int now, double secondsBefore) {}

    /** What is assumed, and whether it is an order. */
    void assume(int capacity, boolean order) {
        if (capacity != assumed || order != fixed) {
            assumed = capacity;
            fixed = order;
            byGpu.clear();
        }
    }

    private CapacityLearner of(String gpu) {
        return byGpu.computeIfAbsent(gpu, g -> new CapacityLearner(assumed, fixed));
    }

    /**
     * A worker has delivered a chunk.
     *
     * @param load ordinary sessions it served
     */
    void measured(WorkerEntry w, double load, double seconds, double targetMillis) {
        if (!w.gpu().isEmpty()) {
            of(w.gpu()).measured((int) Math.round(load), seconds * 1000, targetMillis);
        }
    }

    /** A new leader finds a worker that serves so many. */
    void carries(WorkerEntry w, double load) {
        if (!w.gpu().isEmpty()) {
            of(w.gpu()).carries((int) Math.floor(load));
        }
    }

    /** Looks at what has been measured, and at which type is the pool's ordinary one. */
    List<Change> review(Iterable<WorkerEntry> workers, long now, double targetMillis) {
        Map<String, Integer> counts = counts(workers);
        int most = counts.getOrDefault(ordinary, 0);
        for (Map.Entry<String, Integer> e : counts.entrySet()) {
            if (most == 0 || e.getValue() > FAR_MORE * most) {
                most = e.getValue();
                ordinary = e.getKey();
            }
        }
        List<Change> changes = new ArrayList<>();
        byGpu.forEach(
                (gpu, learner) -> {
                    int before = learner.capacity();
                    if (learner.review(now, targetMillis)) {
                        double millis = learner.profile(targetMillis).at(before);
                        changes.add(new Change(gpu, before, learner.capacity(), millis / 1000));
                    }
                });
        return changes;
    }

    private static Map<String, Integer> counts(Iterable<WorkerEntry> workers) {
        Map<String, Integer> counts = new HashMap<>();
        for (WorkerEntry w : workers) {
            if (!w.stopping && !w.gpu().isEmpty()) {
                counts.merge(w.gpu(), 1, Integer::sum);
            }
        }
        return counts;
    }

    /** C of the pool's ordinary type. */
    int capacity() {
        CapacityLearner learner = byGpu.get(ordinary);
        return learner == null ? assumed : learner.capacity();
    }

    /** L(n) of the pool's ordinary type; null while nothing has been measured. */
    LatencyProfile profile(double targetMillis) {
        CapacityLearner learner = byGpu.get(ordinary);
        return learner == null || learner.samples() == 0 ? null : learner.profile(targetMillis);
    }

    /** C of a worker; 0 for the pool's. */
    int capacity(WorkerEntry w) {
        CapacityLearner learner = byGpu.get(w.gpu());
        return learner == null ? 0 : learner.capacity();
    }

    /** What there is to show, by type. */
    List<GpuView> views(Iterable<WorkerEntry> workers, double targetMillis) {
        Map<String, Integer> counts = counts(workers);
        List<GpuView> views = new ArrayList<>();
        counts.keySet().stream()
                .sorted()
                .forEach(
                        gpu -> {
                            CapacityLearner learner = of(gpu);
                            views.add(
                                    new GpuView(
                                            gpu,
                                            counts.get(gpu),
                                            learner.capacity(),
                                            learner.samples() < 1
                                                    ? 0
                                                    : learner.profile(targetMillis)
                                                                    .at(learner.capacity())
                                                            / 1000));
                        });
        return views;
    }
}
