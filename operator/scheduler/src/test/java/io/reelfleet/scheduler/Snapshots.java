package io.reelfleet.scheduler;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes snapshots, and carries plans out on them as a fleet that does all at once would. */
final class Snapshots {
    static final long NOW = 1_000_000;

    private Snapshots() {}

    static PoolSettings pool(int capacity, int min, int max) {
        return pool(PoolSettings.Mode.REACTIVE, capacity, min, max);
    }

    static PoolSettings pool(PoolSettings.Mode mode, int capacity, int min, int max) {
        return PoolSettings.of(mode, capacity, min, max).idleTimeoutMillis(30_000).build();
    }

    static WorkerSnapshot worker(String name, WorkerSnapshot.Phase phase) {
        return new WorkerSnapshot(
                name, phase, false, 0, 0, 1, phase == WorkerSnapshot.Phase.READY ? 10 : 0, 0, 0);
    }

    static SessionSnapshot session(String uid, Place place) {
        return session(uid, true, place);
    }

    static SessionSnapshot session(String uid, boolean active, Place place) {
        return new SessionSnapshot(uid, active, true, 0, 1, NOW - 1_000, 0, place, false, false);
    }

    static FleetSnapshot snapshot(
            PoolSettings pool, List<WorkerSnapshot> workers, List<SessionSnapshot> sessions) {
        return new FleetSnapshot(NOW, pool, workers, sessions, DemandHistory.none());
    }

    /** The snapshot after the plan has been carried out, at the same instant. */
    static FleetSnapshot after(FleetSnapshot before, Plan plan) {
        Map<String, WorkerSnapshot> workers = new LinkedHashMap<>();
        before.workers().forEach(w -> workers.put(w.name(), w));
        Map<String, SessionSnapshot> sessions = new LinkedHashMap<>();
        before.sessions().forEach(s -> sessions.put(s.uid(), s));
        int requested = 0;
        for (Action action : plan.actions()) {
            switch (action) {
                case Action.Place(String s, String w) -> place(sessions, s, new Place.Device(w));
                case Action.Move(String s, String from, String to) ->
                        place(sessions, s, new Place.Device(to));
                case Action.Suspend(String s, String w) -> place(sessions, s, new Place.Host(w));
                case Action.Resume(String s, String w) -> place(sessions, s, new Place.Device(w));
                case Action.Release(String s, String w) -> place(sessions, s, new Place.Store());
                case Action.RequestWorkers(int count) -> {
                    for (int i = 0; i < count; i++) {
                        String name = "new-" + before.workers().size() + "-" + requested++;
                        workers.put(name, worker(name, WorkerSnapshot.Phase.REQUESTED));
                    }
                }
                case Action.DrainWorker(String w) -> {
                    WorkerSnapshot old = workers.get(w);
                    workers.put(
                            w,
                            new WorkerSnapshot(
                                    w,
                                    WorkerSnapshot.Phase.DRAINING,
                                    old.mustEmpty(),
                                    old.deviceBytesLimit(),
                                    old.sessionBytes(),
                                    old.requestedAtMillis(),
                                    old.readyAtMillis(),
                                    old.emptySinceMillis(),
                                    0));
                }
                case Action.ReleaseWorker(String w) -> workers.remove(w);
            }
        }
        return new FleetSnapshot(
                before.nowMillis(),
                before.pool(),
                new ArrayList<>(workers.values()),
                new ArrayList<>(sessions.values()),
                before.demand());
    }

    private static void place(Map<String, SessionSnapshot> sessions, String uid, Place place) {
        SessionSnapshot s = sessions.get(uid);
        boolean served = s.place() instanceof Place.Device;
        boolean waits = s.demands() && !(place instanceof Place.Device);
        sessions.put(
                uid,
                new SessionSnapshot(
                        uid,
                        s.active(),
                        s.wantsChunks(),
                        s.priority(),
                        s.weight(),
                        served && waits ? NOW : s.waitingSinceMillis(),
                        s.idleSinceMillis(),
                        place,
                        s.busy(),
                        s.alone()));
    }
}
