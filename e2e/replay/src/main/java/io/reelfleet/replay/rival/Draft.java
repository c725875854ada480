package io.reelfleet.replay.rival;

import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A fleet as it will be when what has been decided so far is done. */
final class Draft {
    private Fleet fleet;
    private List<Action> actions;
    private int[] load = new int[16];
    private int[] device = new int[16];
    private int[] open = new int[16];
    private boolean[] closing = new boolean[16];
    private int opened;
    private int cap;

    /** Starts anew. */
    void reset(Fleet of, boolean[] closed, int admitted) {
        fleet = of;
        actions = null;
        cap = admitted;
        opened = 0;
        closing = closed;
        int n = of.workerNumbers();
        if (n > load.length) {
            load = new int[2 * n];
            device = new int[2 * n];
            open = new int[2 * n];
        }
        for (int i = 0; i < of.workers(); i++) {
            int w = of.worker(i);
            load[w] = of.demanding(w);
            device[w] = of.onDevice(w);
            if (of.phase(w) == Phase.READY && !closing[w]) {
                open[opened++] = w;
            }
        }
    }

    Fleet fleet() {
        return fleet;
    }

    /** How many workers take sessions. */
    int workers() {
        return opened;
    }

    /** The i-th of them, in the order of their requests. */
    int worker(int i) {
        return open[i];
    }

    /** Sessions on it whose chunks are wanted. */
    int load(int w) {
        return load[w];
    }

    /** Sessions whose state is on its device. */
    int device(int w) {
        return device[w];
    }

    boolean isOpen(int w) {
        return fleet.phase(w) == Phase.READY && !closing[w];
    }

    /** Whether one more session can go there: admission and memory. */
    boolean fits(int w) {
        return load[w] < cap && (device[w] < fleet.slots(w) || idle(w) != Fleet.NONE);
    }

    /** Puts a waiting or waking session onto a worker, whose longest idle one makes room. */
    void put(int s, int w) {
        int at = fleet.workerOf(s);
        if (at == w && fleet.onDeviceNow(s)) {
            return;
        }
        if (device[w] >= fleet.slots(w)) {
            int idle = idle(w);
            act(new Action.Suspend(fleet.uid(idle), fleet.workerName(w)));
            device[w]--;
        }
        if (at == Fleet.NONE) {
            act(new Action.Place(fleet.uid(s), fleet.workerName(w)));
        } else if (at == w) {
            act(new Action.Resume(fleet.uid(s), fleet.workerName(w)));
        } else {
            act(new Action.Move(fleet.uid(s), fleet.workerName(at), fleet.workerName(w)));
            if (fleet.onDeviceNow(s)) {
                device[at]--;
                load[at]--;
            }
        }
        load[w]++;
        device[w]++;
    }

    /** Makes a running session wait. */
    void unplace(int s) {
        int w = fleet.workerOf(s);
        act(new Action.Release(fleet.uid(s), fleet.workerName(w)));
        load[w]--;
        device[w]--;
    }

    /** A session on a worker that could be moved and whose chunks are wanted, or none. */
    int movable(int w, int skip) {
        for (int s = fleet.firstOn(w); s != Fleet.NONE; s = fleet.nextOn(s)) {
            if (fleet.onDeviceNow(s) && fleet.demands(s) && !fleet.busy(s) && skip-- == 0) {
                return s;
            }
        }
        return Fleet.NONE;
    }

    void act(Action action) {
        if (actions == null) {
            actions = new ArrayList<>();
        }
        actions.add(action);
    }

    List<Action> actions() {
        return actions == null ? List.of() : actions;
    }

    private int idle(int w) {
        int best = Fleet.NONE;
        for (int s = fleet.firstOn(w); s != Fleet.NONE; s = fleet.nextOn(s)) {
            if (fleet.onDeviceNow(s)
                    && !fleet.demands(s)
                    && !fleet.busy(s)
                    && (best == Fleet.NONE || fleet.idleSince(s) < fleet.idleSince(best))
                    && !suspended(s)) {
                best = s;
            }
        }
        return best;
    }

    private boolean suspended(int s) {
        return actions != null
                && actions.stream()
                        .anyMatch(
                                a ->
                                        a instanceof Action.Suspend(String session, String worker)
                                                && session.equals(fleet.uid(s)));
    }

    /** Least loaded of the workers that fit; ties go to the one with less state, then the older. */
    int leastLoaded() {
        int best = Fleet.NONE;
        for (int i = 0; i < opened; i++) {
            int w = open[i];
            if (best != Fleet.NONE
                    && (load[w] > load[best]
                            || (load[w] == load[best] && device[w] >= device[best]))) {
                continue;
            }
            if (fits(w)) {
                best = w;
            }
        }
        return best;
    }

    /** The open worker with the most sessions wanted, or none. */
    int mostLoaded() {
        int best = Fleet.NONE;
        for (int i = 0; i < opened; i++) {
            if (best == Fleet.NONE || load[open[i]] > load[best]) {
                best = open[i];
            }
        }
        return best;
    }

    static boolean[] grown(boolean[] flags, int n) {
        return n <= flags.length ? flags : Arrays.copyOf(flags, 2 * n);
    }
}
