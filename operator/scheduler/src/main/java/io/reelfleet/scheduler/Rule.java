package io.reelfleet.scheduler;

import java.util.Locale;

/**
 * One way to turn demand into workers: room for {@code v + k + q sqrt(v)} sessions, kept for {@code
 * hold} after it was last needed, where v mixes the demand now with its exponential mean.
 *
 * @param signal which v, see {@link Signal}
 * @param k headroom, sessions; below 0 the first excess sessions wait
 * @param q headroom per square root of v, sessions: independent arrivals vary so
 * @param hold seconds
 */
record Rule(int signal, double k, double q, double hold) {

    /**
     * A mixture of the demand now and in the recent past.
     *
     * @param now the share of the present demand; the rest is the mean's
     * @param tau time constant of the mean, seconds
     * @param trend how much of the last start-up time's growth is expected again
     */
    record Signal(double now, double tau, double trend) {}

    /** For people: "room for the 60 s mean + 1.5 x root - 1, kept 120 s". */
    String text(Signal[] signals) {
        Signal s = signals[signal];
        StringBuilder text = new StringBuilder("room for ");
        if (s.now() == 1) {
            text.append("the active sessions");
        } else if (s.now() == 0) {
            text.append(String.format(Locale.ROOT, "their %.0f s mean", s.tau()));
        } else {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%.0f %% of them and the rest of their %.0f s mean",
                            s.now() * 100,
                            s.tau()));
        }
        if (s.trend() > 0) {
            text.append(" and the latest growth");
        }
        if (q > 0) {
            text.append(String.format(Locale.ROOT, " + %.1f x root", q));
        }
        if (k != 0) {
            text.append(String.format(Locale.ROOT, " %s %.0f", k > 0 ? "+" : "-", Math.abs(k)));
        }
        return text.append(String.format(Locale.ROOT, ", kept %.0f s", hold)).toString();
    }
}
