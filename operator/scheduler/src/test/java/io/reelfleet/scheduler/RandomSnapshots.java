package io.reelfleet.scheduler;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Snapshots by seed: anything that a fleet may look like, and what is left of it by renaming. */
final class RandomSnapshots {
    private RandomSnapshots() {}

    static FleetSnapshot of(long seed) {
        Random r = new Random(seed);
        int max = r.nextInt(8) + 1;
        PoolSettings pool =
                Snapshots.pool(
                        PoolSettings.Mode.values()[r.nextInt(3)],
                        r.nextInt(4) + 1,
                        r.nextInt(max + 1),
                        max);
        List<WorkerSnapshot> workers = new ArrayList<>();
        int count = r.nextInt(10);
        boolean unequal = r.nextInt(4) == 0;
        for (int i = 0; i < count; i++) {
            Phase phase = r.nextInt(3) > 0 ? Phase.READY : Phase.values()[r.nextInt(5)];
            boolean sized = r.nextInt(4) == 0;
            workers.add(
                    new WorkerSnapshot(
                            "w" + i,
                            phase,
                            r.nextInt(10) == 0,
                            sized ? 10 + r.nextInt(50) : 0,
                            sized ? 10 : 0,
                            i,
                            phase == Phase.READY ? 100 + r.nextInt(100) : 0,
                            r.nextInt(2) * 500L,
                            0,
                            "",
                            unequal ? r.nextInt(4) : 0));
        }
        List<SessionSnapshot> sessions = new ArrayList<>();
        int n = r.nextInt(25);
        for (int i = 0; i < n; i++) {
            boolean somewhere = !workers.isEmpty() && r.nextBoolean();
            // What is not there cannot hold a session.
            WorkerSnapshot at = somewhere ? workers.get(r.nextInt(workers.size())) : null;
            boolean holds =
                    at != null && at.phase() != Phase.REQUESTED && at.phase() != Phase.LOADING;
            Place place =
                    !holds
                            ? new Place.Store()
                            : r.nextInt(3) == 0
                                    ? new Place.Host(at.name())
                                    : new Place.Device(at.name());
            boolean wants = r.nextInt(4) > 0;
            sessions.add(
                    new SessionSnapshot(
                            "s" + i,
                            r.nextInt(4) > 0,
                            wants,
                            r.nextInt(2),
                            r.nextInt(5) == 0 ? 0.5 : 1,
                            Snapshots.NOW - 60_000 + r.nextInt(60_000),
                            wants ? 0 : Snapshots.NOW - r.nextInt(60_000),
                            place,
                            r.nextInt(8) == 0,
                            r.nextInt(12) == 0));
        }
        Outlook outlook =
                r.nextBoolean()
                        ? Outlook.NONE
                        : new Outlook(true, r.nextInt(9), Snapshots.NOW + 500, 1, "a rule");
        return new FleetSnapshot(
                Snapshots.NOW, pool, workers, sessions, DemandHistory.none(), outlook);
    }

    /** Another name in another place of the alphabet, for w3 or s12. */
    static String name(String old) {
        return (old.charAt(0) == 'w' ? "worker" : "session")
                + (char) ('z' - Integer.parseInt(old.substring(1)));
    }

    static String rename(String text) {
        return java.util.regex.Pattern.compile("\\b[sw]\\d+\\b")
                .matcher(text)
                .replaceAll(m -> name(m.group()));
    }

    /** The same fleet under other names, its lists in the same order. */
    static FleetSnapshot renamed(FleetSnapshot s) {
        return new FleetSnapshot(
                s.nowMillis(),
                s.pool(),
                s.workers().stream().map(RandomSnapshots::renamed).toList(),
                s.sessions().stream().map(RandomSnapshots::renamed).toList(),
                s.demand(),
                s.outlook());
    }

    private static WorkerSnapshot renamed(WorkerSnapshot w) {
        return new WorkerSnapshot(
                name(w.name()),
                w.phase(),
                w.mustEmpty(),
                w.deviceBytesLimit(),
                w.sessionBytes(),
                w.requestedAtMillis(),
                w.readyAtMillis(),
                w.emptySinceMillis(),
                0,
                w.node(),
                w.capacity());
    }

    private static SessionSnapshot renamed(SessionSnapshot x) {
        return new SessionSnapshot(
                name(x.uid()),
                x.active(),
                x.wantsChunks(),
                x.priority(),
                x.weight(),
                x.waitingSinceMillis(),
                x.idleSinceMillis(),
                switch (x.place()) {
                    case Place.Device(String w) -> new Place.Device(name(w));
                    case Place.Host(String w) -> new Place.Host(name(w));
                    case Place.Moving(String f, String t) -> new Place.Moving(name(f), name(t));
                    case Place.Store() -> new Place.Store();
                },
                x.busy(),
                x.alone());
    }

    /** The same fleet at another time of the same day. */
    static FleetSnapshot shifted(FleetSnapshot s, long by) {
        return new FleetSnapshot(
                s.nowMillis() + by,
                s.pool(),
                s.workers().stream()
                        .map(
                                w ->
                                        new WorkerSnapshot(
                                                w.name(),
                                                w.phase(),
                                                w.mustEmpty(),
                                                w.deviceBytesLimit(),
                                                w.sessionBytes(),
                                                w.requestedAtMillis() + by,
                                                w.readyAtMillis() == 0 ? 0 : w.readyAtMillis() + by,
                                                w.emptySinceMillis() == 0
                                                        ? 0
                                                        : w.emptySinceMillis() + by,
                                                0,
                                                w.node(),
                                                w.capacity()))
                        .toList(),
                s.sessions().stream()
                        .map(
                                x ->
                                        new SessionSnapshot(
                                                x.uid(),
                                                x.active(),
                                                x.wantsChunks(),
                                                x.priority(),
                                                x.weight(),
                                                x.waitingSinceMillis() + by,
                                                x.idleSinceMillis() == 0
                                                        ? 0
                                                        : x.idleSinceMillis() + by,
                                                x.place(),
                                                x.busy(),
                                                x.alone()))
                        .toList(),
                s.demand(),
                s.outlook());
    }
}
