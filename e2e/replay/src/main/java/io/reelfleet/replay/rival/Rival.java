package io.reelfleet.replay.rival;

import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.Policy;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.Arrays;

/**
 * A placement and a scaler that work as one policy. What is alike for all of them: a session goes
 * on where its state is unless the placement says otherwise; who finds no worker waits, the longest
 * first; a worker that is to go takes nobody in and goes when no session on it wants chunks (sooner
 * where the placement moves sessions); those that are not ready yet go first, then the emptiest,
 * then the youngest; one that has not gone yet comes back before a new one is asked for.
 */
final class Rival implements Policy {
    private static final String REASON = "a rival gives no reasons";

    private final Placement placement;
    private final Scaler scaler;
    private final Draft draft = new Draft();
    private boolean[] closing = new boolean[16];
    private int[] before = new int[16];
    private int[] queue = new int[64];

    Rival(Placement placement, Scaler scaler) {
        this.placement = placement;
        this.scaler = scaler;
    }

    @Override
    public Plan decide(FleetSnapshot snapshot) {
        return decide(Fleet.of(snapshot));
    }

    @Override
    public Plan decide(Fleet fleet) {
        closing = Draft.grown(closing, fleet.workerNumbers());
        int current = 0;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (closing[w] && fleet.phase(w) != Phase.READY) {
                // The number of one that is gone, used again.
                closing[w] = false;
            }
            current += closing[w] ? 0 : 1;
        }
        int wanted = scaler.wanted(fleet, current);
        if (wanted < current) {
            close(fleet, current - wanted);
        }
        int missing = wanted > current ? reopen(fleet, wanted - current) : 0;
        draft.reset(fleet, closing, scaler.admitted(fleet.pool().capacity()));
        if (missing > 0) {
            draft.act(new Action.RequestWorkers(missing));
        }
        if (draft.workers() > 0) {
            placeWaiting(fleet);
            if (placement.placesAtResume()) {
                placeWaking(fleet);
            }
            if (placement.empties()) {
                empty(fleet);
            }
            placement.rebalance(draft);
        }
        release(fleet);
        long wake = Math.min(scaler.next(fleet), placement.next(fleet.now()));
        return new Plan(wanted, false, draft.actions(), REASON, Math.max(wake, fleet.now() + 1));
    }

    private void placeWaiting(Fleet fleet) {
        int n = 0;
        if (queue.length < fleet.waiting()) {
            queue = new int[2 * fleet.waiting()];
        }
        for (int i = 0; i < fleet.waiting(); i++) {
            int s = fleet.waiting(i);
            if (!fleet.busy(s)) {
                int at = n++;
                while (at > 0 && later(fleet, queue[at - 1], s)) {
                    queue[at] = queue[at - 1];
                    at--;
                }
                queue[at] = s;
            }
        }
        for (int i = 0; i < n; i++) {
            int w = placement.choose(draft, queue[i]);
            if (w == Fleet.NONE) {
                return;
            }
            draft.put(queue[i], w);
        }
    }

    private static boolean later(Fleet fleet, int a, int b) {
        long waits = fleet.waitingSince(a) - fleet.waitingSince(b);
        return waits > 0 || (waits == 0 && fleet.opened(a) > fleet.opened(b));
    }

    /** Sessions that woke at this instant where their state is. */
    private void placeWaking(Fleet fleet) {
        if (before.length < fleet.workerNumbers()) {
            before = Arrays.copyOf(before, 2 * fleet.workerNumbers());
        }
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (fleet.demanding(w) <= before[w]) {
                continue;
            }
            int s = fleet.firstOn(w);
            while (s != Fleet.NONE) {
                int following = fleet.nextOn(s);
                if (fleet.waitingSince(s) == fleet.now()
                        && fleet.onDeviceNow(s)
                        && fleet.demands(s)
                        && !fleet.busy(s)) {
                    int to = placement.choose(draft, s);
                    // Its own load counts at home: a move must leave it with less company.
                    if (to != Fleet.NONE && to != w && draft.load(to) + 1 < draft.load(w)) {
                        draft.put(s, to);
                    }
                }
                s = following;
            }
        }
        for (int i = 0; i < fleet.workers(); i++) {
            before[fleet.worker(i)] = draft.load(fleet.worker(i));
        }
    }

    private void empty(Fleet fleet) {
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (!closing[w]) {
                continue;
            }
            for (int s = fleet.firstOn(w); s != Fleet.NONE; s = fleet.nextOn(s)) {
                if (fleet.demands(s) && fleet.onDeviceNow(s) && !fleet.busy(s)) {
                    int to = draft.leastLoaded();
                    if (to != Fleet.NONE) {
                        draft.put(s, to);
                    }
                }
            }
        }
    }

    private void close(Fleet fleet, int count) {
        for (int k = 0; k < count; k++) {
            int best = Fleet.NONE;
            for (int i = 0; i < fleet.workers(); i++) {
                int w = fleet.worker(i);
                if (!closing[w] && (best == Fleet.NONE || goesBefore(fleet, w, best))) {
                    best = w;
                }
            }
            if (best == Fleet.NONE) {
                return;
            }
            closing[best] = true;
        }
    }

    private static boolean goesBefore(Fleet fleet, int w, int other) {
        boolean ready = fleet.phase(w) == Phase.READY;
        if (ready != (fleet.phase(other) == Phase.READY)) {
            return !ready;
        }
        if (fleet.demanding(w) != fleet.demanding(other)) {
            return fleet.demanding(w) < fleet.demanding(other);
        }
        // Equal ones: the younger, which comes later in the list.
        return fleet.held(w) <= fleet.held(other);
    }

    /** Takes back what has not gone yet; how many are still missing. */
    private int reopen(Fleet fleet, int count) {
        for (int i = fleet.workers() - 1; i >= 0 && count > 0; i--) {
            int w = fleet.worker(i);
            if (closing[w]) {
                closing[w] = false;
                count--;
            }
        }
        return count;
    }

    private void release(Fleet fleet) {
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (closing[w] && draft.load(w) == 0 && fleet.demanding(w) == 0) {
                draft.act(new Action.ReleaseWorker(fleet.workerName(w)));
            }
        }
    }
}
