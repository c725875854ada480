package io.reelfleet.replay.bound;

import io.reelfleet.scheduler.LatencyProfile;
import java.util.Arrays;

/**
 * Lower bounds on latency and cost (DESIGN section 4), for workers that serve at most C sessions
 * inside the target.
 *
 * @param peakActive most sessions active at one time
 * @param boundASeconds A: max over t of L(ceil(a(t) / G(t))) for the fleet of bound B, G(t) =
 *     ceil(a(t) / C): the least worst latency it can have, placed perfectly
 * @param boundBGpuSeconds B: the integral of ceil(a(t) / C), what a fleet costs that is always just
 *     large enough and starts in no time
 * @param boundCGpuSeconds C: the sum over levels k of [beta + busy_k + sum over gaps min(gap,
 *     beta)], where level k is busy while more than (k - 1) C sessions are active and beta is the
 *     start-up time: what it costs a clairvoyant whom each start-up costs its time
 * @param sessionSeconds session-seconds of video wanted
 * @param capacity C
 * @param dropSeconds GPU-seconds of the top level, by how many sessions it serves: what {@link
 *     #bGpuSeconds} gives up first
 */
public record LowerBounds(
        int peakActive,
        double boundASeconds,
        double boundBGpuSeconds,
        double boundCGpuSeconds,
        double sessionSeconds,
        int capacity,
        double[] dropSeconds) {

    /**
     * The bounds of a curve.
     *
     * @param startUpSeconds beta
     */
    public static LowerBounds of(
            DemandCurve curve, int capacity, double startUpSeconds, LatencyProfile latency) {
        double b = 0;
        double[] drop = new double[capacity + 1];
        double worst = 0;
        for (int i = 0; i + 1 < curve.size(); i++) {
            int a = curve.active(i);
            if (a == 0) {
                continue;
            }
            double seconds = (curve.at(i + 1) - curve.at(i)) / 1000.0;
            int g = Math.ceilDiv(a, capacity);
            b += g * seconds;
            drop[a - (g - 1) * capacity] += seconds;
            worst = Math.max(worst, latency.at(Math.ceilDiv(a, g)) / 1000);
        }
        return new LowerBounds(
                curve.peak(),
                worst,
                b,
                c(curve, capacity, startUpSeconds),
                curve.sessionSeconds(),
                capacity,
                drop);
    }

    private static double c(DemandCurve curve, int capacity, double beta) {
        int levels = Math.ceilDiv(curve.peak(), capacity);
        double sum = 0;
        // Per level: since when it is busy or idle. Levels are nested, so each change touches only
        // the levels between the old and the new count.
        long[] busySince = new long[levels + 1];
        long[] idleSince = new long[levels + 1];
        Arrays.fill(idleSince, Long.MIN_VALUE);
        int before = 0;
        for (int i = 0; i < curve.size(); i++) {
            int g = Math.ceilDiv(curve.active(i), capacity);
            for (int k = before + 1; k <= g; k++) {
                busySince[k] = curve.at(i);
                sum +=
                        idleSince[k] == Long.MIN_VALUE
                                ? beta
                                : Math.min((curve.at(i) - idleSince[k]) / 1000.0, beta);
            }
            for (int k = before; k > g; k--) {
                sum += (curve.at(i) - busySince[k]) / 1000.0;
                idleSince[k] = curve.at(i);
            }
            before = g;
        }
        return sum;
    }

    /**
     * B(eps): the least cost at a share of late chunks: the fractional knapsack that drops the
     * (level, time) slices with the least lateness per GPU-second.
     */
    public double bGpuSeconds(double lateShare) {
        double room = lateShare * sessionSeconds;
        double saved = 0;
        double below = boundBGpuSeconds;
        for (int r = 1; r <= capacity; r++) {
            below -= dropSeconds[r];
            double seconds = Math.min(dropSeconds[r], room / r);
            saved += seconds;
            room -= seconds * r;
            if (seconds < dropSeconds[r]) {
                return boundBGpuSeconds - saved;
            }
        }
        return boundBGpuSeconds - saved - Math.min(below, room / capacity);
    }
}
