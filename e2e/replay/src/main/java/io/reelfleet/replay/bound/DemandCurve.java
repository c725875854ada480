package io.reelfleet.replay.bound;

import io.reelfleet.replay.sim.Workload;
import java.util.Arrays;

/** a(t), how many sessions are active: a step function, in whole milliseconds. */
public final class DemandCurve {
    private final long[] at;
    private final int[] active;

    private DemandCurve(long[] at, int[] active) {
        this.at = at;
        this.active = active;
    }

    /** The curve of a workload. */
    public static DemandCurve of(Workload work) {
        long[] at = new long[work.events()];
        int[] active = new int[work.events()];
        int n = 0;
        int now = 0;
        for (int i = 0; i < work.events(); i++) {
            now += work.starts(i) ? 1 : -1;
            if (n > 0 && at[n - 1] == work.at(i)) {
                n--;
            }
            at[n] = work.at(i);
            active[n++] = now;
        }
        return new DemandCurve(Arrays.copyOf(at, n), Arrays.copyOf(active, n));
    }

    /** A curve given by its steps; the last value must be 0. */
    static DemandCurve of(long[] at, int[] active) {
        return new DemandCurve(at.clone(), active.clone());
    }

    /** How many steps there are; the last one goes to 0. */
    public int size() {
        return at.length;
    }

    /** When the i-th step is, milliseconds. */
    public long at(int i) {
        return at[i];
    }

    /** How many sessions are active from the i-th step on. */
    public int active(int i) {
        return active[i];
    }

    /** Most sessions active at one time. */
    public int peak() {
        return Arrays.stream(active).max().orElse(0);
    }

    /** Session-seconds of video wanted. */
    public double sessionSeconds() {
        double sum = 0;
        for (int i = 0; i + 1 < at.length; i++) {
            sum += active[i] * (double) (at[i + 1] - at[i]);
        }
        return sum / 1000;
    }

    /**
     * The number of sessions active that is not exceeded for a share of the time in which any is.
     */
    public int percentile(double share) {
        long[] time = new long[peak() + 1];
        long total = 0;
        for (int i = 0; i + 1 < at.length; i++) {
            if (active[i] > 0) {
                time[active[i]] += at[i + 1] - at[i];
                total += at[i + 1] - at[i];
            }
        }
        long seen = 0;
        for (int n = 0; n < time.length; n++) {
            seen += time[n];
            if (seen >= share * total) {
                return n;
            }
        }
        return peak();
    }
}
