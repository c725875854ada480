package io.reelfleet.cli.chaos;

import io.reelfleet.api.session.v1.Pacing;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * What happens in one run: drawn from its seed alone (and from which faults the machine allows).
 *
 * @param sessions that stream
 * @param acts one after the other
 * @param changes what people do with the sessions meanwhile
 */
record Plan(long seed, List<Opened> sessions, List<Act> acts, List<Change> changes) {
    private static final int SCRIPTS = 4;
    private static final int LONGEST_DELAY_MILLIS = 12;
    private static final int LONGEST_LEAD_MILLIS = 700;

    /** So many chunks a session has at most when it is changed. */
    private static final int LATEST_CHANGE = 10;

    /** Longer than the fleet's patience with a silent worker. */
    private static final int LONG_MILLIS = 5_500;

    /**
     * A session.
     *
     * @param script which of the undisturbed ones it must equal
     */
    record Opened(int script, Pacing pacing) {}

    /**
     * One fault.
     *
     * @param lead milliseconds before anything happens
     * @param session which one is moved, or is about
     * @param step when the fault comes
     * @param delay milliseconds after that
     * @param fault what
     * @param hold milliseconds that it lasts
     * @param jump seconds that a clock is set by
     */
    record Act(int lead, int session, Step step, int delay, Fault fault, int hold, int jump) {

        @Override
        public String toString() {
            String jumped = jump == 0 ? "" : String.format(Locale.ROOT, " by %+d s", jump);
            return fault.title()
                    + jumped
                    + (hold == 0 ? "" : " for " + hold + " ms")
                    + " when "
                    + step.title()
                    + (delay == 0 ? "" : " +" + delay + " ms");
        }
    }

    /**
     * Somebody forks a session or lets it go back, to chunks that all lie in the first window: the
     * bits are then known.
     *
     * @param session which one
     * @param fork another one goes on after the chunk; otherwise it goes back itself, and makes the
     *     chunk again
     * @param after as soon as it has so many chunks
     */
    record Change(int session, boolean fork, int chunk, int after) {
        @Override
        public String toString() {
            return fork
                    ? "session %d forked after chunk %d, at %d chunks"
                            .formatted(session, chunk, after)
                    : "session %d back to chunk %d, at %d chunks".formatted(session, chunk, after);
        }
    }

    /** Draws a run. */
    static Plan draw(long seed, Set<Fault> possible) {
        SplittableRandom random = new SplittableRandom(new SplittableRandom(seed).nextLong());
        List<Opened> sessions = new ArrayList<>();
        int count = 2 + random.nextInt(2);
        int first = random.nextInt(SCRIPTS);
        for (int i = 0; i < count; i++) {
            sessions.add(
                    new Opened(
                            (first + i) % SCRIPTS,
                            random.nextInt(3) == 0
                                    ? Pacing.PACING_UNPACED
                                    : Pacing.PACING_REALTIME));
        }
        List<Fault> faults = List.copyOf(EnumSet.copyOf(possible));
        List<Act> acts = new ArrayList<>();
        int many = 1 + random.nextInt(2);
        for (int i = 0; i < many; i++) {
            Fault fault = faults.get(random.nextInt(faults.size()));
            Step step = Step.values()[random.nextInt(Step.values().length)];
            boolean needsMove = fault == Fault.DOUBLED_COMMANDS || fault == Fault.SECOND_MOVE;
            if (needsMove && step == Step.OUTSIDE) {
                step = Step.PRECOPY;
            }
            boolean disk = fault == Fault.FULL_DISK || fault == Fault.STALLED_DISK;
            int hold = 0;
            if (fault.lasts()) {
                boolean longer = random.nextInt(9) == 0 && !disk;
                hold = longer ? LONG_MILLIS : 80 + random.nextInt(disk ? 1_200 : 900);
            }
            int jump = 0;
            if (fault.need() == Fault.Need.CLOCK) {
                jump = (random.nextBoolean() ? 1 : -1) * (5 + random.nextInt(600));
            }
            acts.add(
                    new Act(
                            random.nextInt(LONGEST_LEAD_MILLIS),
                            random.nextInt(count),
                            step,
                            random.nextInt(3) == 0 ? 0 : random.nextInt(LONGEST_DELAY_MILLIS),
                            fault,
                            hold,
                            jump));
        }
        List<Change> changes = new ArrayList<>();
        int changed = random.nextInt(3);
        for (int i = 0; i < changed; i++) {
            boolean fork = random.nextBoolean();
            int chunk = random.nextInt((int) Chaos.WINDOW_CHUNKS) + (fork ? 0 : 1);
            changes.add(
                    new Change(
                            random.nextInt(count),
                            fork,
                            chunk,
                            chunk + 1 + random.nextInt(LATEST_CHANGE - chunk)));
        }
        return new Plan(seed, List.copyOf(sessions), List.copyOf(acts), List.copyOf(changes));
    }
}
