package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What is learned from demand, and what following it costs. */
class DemandLearnerTest {
    private static final int CAPACITY = 4;
    private static final double START_UP = 30;

    private static PoolSettings pool(double lateBudget) {
        return PoolSettings.of(PoolSettings.Mode.PREDICTIVE, CAPACITY, 0, 1_000)
                .startUpMillis((long) (START_UP * 1000))
                .lateBudget(lateBudget)
                .maxMoves(100)
                .build();
    }

    /** What a fleet that follows the learner spends, in the fluid model. */
    private record Bill(double gpuSeconds, double lateRatio, int changes) {}

    private static Bill follow(double lateBudget, TreeMap<Long, Integer> demand) {
        DemandLearner learner = new DemandLearner(pool(lateBudget));
        List<Long> requested = new ArrayList<>();
        double gpu = 0;
        double due = 0;
        double late = 0;
        int changes = 0;
        int active = 0;
        long now = demand.firstKey();
        long first = now + (long) (START_UP * 1000);
        long wake = Long.MAX_VALUE;
        for (var e : demand.entrySet()) {
            while (true) {
                long to = Math.min(e.getKey(), Math.max(now + 1, wake));
                for (long t = now; t < to; ) {
                    long next = to;
                    int ready = 0;
                    for (long r : requested) {
                        long at = r + (long) (START_UP * 1000);
                        if (at <= t) {
                            ready++;
                        } else {
                            next = Math.min(next, at);
                        }
                    }
                    double seconds = (next - t) / 1000.0;
                    gpu += requested.size() * seconds;
                    due += active * seconds;
                    if (t >= first) {
                        late += Math.max(0, active - CAPACITY * ready) * seconds;
                    }
                    t = next;
                }
                now = to;
                if (to == e.getKey()) {
                    active = e.getValue();
                }
                Outlook outlook = learner.observe(now, active, due, late);
                wake = outlook.wakeAtMillis();
                changes += outlook.wantedWorkers() != requested.size() ? 1 : 0;
                while (requested.size() < outlook.wantedWorkers()) {
                    requested.add(now);
                }
                while (requested.size() > outlook.wantedWorkers()) {
                    requested.removeLast();
                }
                if (to == e.getKey()) {
                    break;
                }
            }
        }
        return new Bill(gpu, late / due, changes);
    }

    private static TreeMap<Long, Integer> poisson(double mean, int arrivals, long seed) {
        Random r = new Random(seed);
        TreeMap<Long, Integer> change = new TreeMap<>();
        double t = 0;
        for (int i = 0; i < arrivals; i++) {
            t += -Math.log(1 - r.nextDouble()) * 30 / mean;
            long from = (long) (t * 1000);
            long to = from + 1 + (long) (30_000 * Math.exp(0.8 * r.nextGaussian() - 0.32));
            change.merge(from, 1, Integer::sum);
            change.merge(to, -1, Integer::sum);
        }
        TreeMap<Long, Integer> demand = new TreeMap<>();
        int active = 0;
        for (var e : change.entrySet()) {
            active += e.getValue();
            demand.put(e.getKey(), active);
        }
        return demand;
    }

    @Test
    void keepsTheLateBudgetOnALoadItHasNotSeen() {
        for (double budget : new double[] {0.05, 0.01}) {
            Bill bill = follow(budget, poisson(12, 6_000, 3));
            assertThat(bill.lateRatio()).as("at " + budget).isLessThan(1.2 * budget);
        }
    }

    @Test
    void spendsTheBudgetWhereItSavesWorkers() {
        TreeMap<Long, Integer> load = poisson(12, 6_000, 4);
        Bill careful = follow(0.001, load);
        Bill easy = follow(0.05, load);
        assertThat(easy.gpuSeconds()).isLessThan(0.85 * careful.gpuSeconds());
        assertThat(careful.lateRatio()).isLessThan(easy.lateRatio() / 3);
    }

    @Test
    void aSteadyLoadGetsItsWorkersAndNoChanges() {
        TreeMap<Long, Integer> steady = new TreeMap<>();
        for (int i = 0; i < 2_000; i++) {
            steady.put(i * 5_000L, 8);
        }
        Bill bill = follow(0.01, steady);
        double seconds = 2_000 * 5.0;
        assertThat(bill.gpuSeconds()).isCloseTo(2 * seconds, within(0.15 * seconds));
        assertThat(bill.changes()).as("no flapping").isLessThan(12);
    }

    @Test
    void aSmallPoolsSteadySessionsAreServedWithinTwoStartUpTimes() {
        for (double budget : new double[] {0.05, 0.01, 0.001}) {
            for (int sessions = 3; sessions <= 8; sessions++) {
                TreeMap<Long, Integer> steady = new TreeMap<>();
                // One after another, as people come; then they stay.
                for (int i = 0; i < 200; i++) {
                    steady.put(i * 2_000L, Math.min(sessions, 1 + i));
                }
                DemandLearner learner = new DemandLearner(pool(budget));
                int needed = (sessions + CAPACITY - 1) / CAPACITY;
                int changes = 0;
                int before = 0;
                for (var e : steady.entrySet()) {
                    Outlook outlook = learner.observe(e.getKey(), e.getValue(), 0, 0);
                    if (e.getKey() >= (START_UP + 2 * sessions) * 1_000) {
                        assertThat(outlook.wantedWorkers())
                                .as("%d sessions, budget %s, %d ms", sessions, budget, e.getKey())
                                .isGreaterThanOrEqualTo(needed);
                    }
                    changes += outlook.wantedWorkers() == before ? 0 : 1;
                    before = outlook.wantedWorkers();
                }
                assertThat(changes).as("no flapping").isLessThan(10);
            }
        }
    }

    @Test
    void aStartFromNothingIsTakenToGoOn() {
        DemandLearner learner = new DemandLearner(pool(0.01));
        learner.observe(0, 10, 0, 0);
        Outlook soon = learner.observe(5_000, 20, 75, 75);
        assertThat(soon.wantedWorkers())
                .as("more than what 20 sessions need now")
                .isGreaterThan(5 * 2);
    }

    @Test
    void oneSessionSaysNothingOfHowManyWillFollow() {
        DemandLearner learner = new DemandLearner(pool(0.01));
        assertThat(learner.observe(0, 1, 0, 0).wantedWorkers()).isEqualTo(1);
        assertThat(learner.observe(4_000, 1, 4, 4).wantedWorkers()).isEqualTo(1);
    }

    @Test
    void growthIsNotExtrapolatedWhenAllHaveGone() {
        DemandLearner learner = new DemandLearner(pool(0.01));
        learner.observe(0, 10, 0, 0);
        learner.observe(5_000, 20, 75, 75);
        learner.observe(6_000, 0, 95, 95);
        assertThat(learner.observe(6_000 + (long) (START_UP * 1000), 0, 95, 95).wantedWorkers())
                .as("a rule may keep one for who comes next")
                .isLessThanOrEqualTo(1);
    }

    @Test
    void equalObservationsGiveEqualOutlooks() {
        TreeMap<Long, Integer> load = poisson(5, 500, 7);
        DemandLearner one = new DemandLearner(pool(0.01));
        DemandLearner two = new DemandLearner(pool(0.01));
        for (var e : load.entrySet()) {
            Outlook first = one.observe(e.getKey(), e.getValue(), 0, 0);
            assertThat(two.observe(e.getKey() + 1_000_000, e.getValue(), 0, 0).wantedWorkers())
                    .isEqualTo(first.wantedWorkers());
        }
    }

    @Test
    void aRuleCostsWhatItsWorkersCostAndLeavesLateWhatTheyCannotServe() {
        RulePanel panel = new RulePanel(CAPACITY, START_UP, 0, 0);
        int rule = -1;
        for (int e = 0; e < panel.size(); e++) {
            Rule r = panel.rule(e);
            if (r.signal() == 0 && r.k() == 0 && r.q() == 0 && r.hold() == 30) {
                rule = e;
            }
        }
        // Five sessions for 100 s: two workers, the first 30 s of which nobody serves; then none,
        // and the workers stay for 30 s.
        panel.observe(0, 5);
        panel.observe(100, 0);
        panel.observe(200, 0);
        assertThat(panel.totalCost[rule]).isEqualTo(2 * 130);
        assertThat(panel.totalLate[rule]).isEqualTo(5 * 30);
        assertThat(panel.workers(rule)).isZero();
    }
}
