package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.scheduler.PoolSettings;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Two pools, one budget: who gains more gets more, and the sum is kept. */
final class SharedBudgetsTest {
    /** Four workers' worth. */
    private static final String SHARED =
            "scaling: {maxGpus: 8, capacityHint: 2, price: '2', budget: {amount: '8', period: Hour, group: studio}}";

    private final SharedBudgets budgets = new SharedBudgets();
    private final TestFleet a = fleet("default/a");
    private final TestFleet b = fleet("default/b");
    private int most;

    private TestFleet fleet(String name) {
        TestFleet fleet = new TestFleet(pool(name), new Deciding(DecisionRecorder.NONE), budgets);
        fleet.moving = TestFleet.Moving.WORKS;
        return fleet;
    }

    private static PoolDefinition pool(String name) {
        PoolDefinition plain =
                TestFleet.withSpec(TestFleet.pool(PoolSettings.Mode.REACTIVE, 2, 0, 8), SHARED);
        return new PoolDefinition(
                name,
                null,
                1,
                plain.model(),
                plain.settings(),
                plain.workerSettings(),
                plain.allowedNamespaces(),
                plain.spec());
    }

    /** Lets time pass in both. */
    private void run(double seconds) {
        for (int i = 0; i < Math.round(seconds * 10); i++) {
            a.run(0.1);
            b.run(0.1);
            most = Math.max(most, a.workers.size() + b.workers.size());
        }
    }

    private static void open(TestFleet fleet, int from, int to) {
        for (int i = from; i < to; i++) {
            fleet.loop.want(wish("s" + i));
        }
    }

    private static void close(TestFleet fleet, int from, int to) {
        for (int i = from; i < to; i++) {
            fleet.loop.unwant("s" + i, "Deleted");
        }
    }

    @Test
    void whoGainsMoreGetsMoreAndTheSumIsKept() {
        open(a, 0, 2);
        open(b, 0, 12);
        run(20);
        assertThat(a.workers).hasSize(1);
        assertThat(b.workers).hasSize(3);
        assertThat(b.loop.view().budgetWorkers()).isEqualTo(3);
        assertThat(b.loop.view().limited()).isTrue();
        assertThat(b.loop.view().reason())
                .endsWith("held to the maximum of 3, which the budget of group studio leaves it");
        assertThat(most).isEqualTo(4);
    }

    @Test
    void workersGoOverWhenTheLoadDoesAndOnlyOnceTheyAreFree() {
        open(a, 0, 6);
        run(20);
        assertThat(a.workers).hasSize(3);
        open(b, 0, 6);
        run(10);
        assertThat(b.workers).as("one is left").hasSize(1);

        close(a, 2, 6);
        run(60);
        assertThat(a.workers).hasSize(1);
        assertThat(b.workers).hasSize(3);
        assertThat(most).isEqualTo(4);
    }

    @Test
    void whatAnIdlePoolHoldsTooLongIsTakenAway() {
        // Spare workers are worth less than sessions that wait.
        open(a, 0, 6);
        run(20);
        TestFleet keeps = a;
        keeps.pool =
                TestFleet.withSpec(
                        pool("default/a"),
                        SHARED.replace("maxGpus: 8", "maxGpus: 8, warmSpare: 3"));
        keeps.loop.changed(
                new PoolDefinition(
                        "default/a",
                        null,
                        2,
                        keeps.pool.model(),
                        withSpare(keeps.pool.settings()),
                        keeps.pool.workerSettings(),
                        keeps.pool.allowedNamespaces(),
                        keeps.pool.spec()));
        close(a, 2, 6);
        run(20);
        assertThat(a.workers).as("one for the load, three to spare").hasSize(4);

        open(b, 0, 6);
        run(30);
        assertThat(b.workers).as("not at once").isEmpty();
        run(60);
        assertThat(b.workers).hasSize(3);
        assertThat(a.workers).hasSize(1);
        assertThat(most).isEqualTo(4);
    }

    private static PoolSettings withSpare(PoolSettings s) {
        return s.with().economy(new PoolSettings.Economy(3, 1)).build();
    }

    @Test
    void aNewLeaderGivesNothingAwayBeforeAllPoolsHaveSaidWhatTheyHave() {
        open(a, 0, 6);
        open(b, 0, 2);
        run(20);
        assertThat(a.workers).hasSize(3);
        a.workers.values().forEach(w -> w.mute = true);

        SessionWish[] three = {wish("s0"), wish("s1"), wish("s2"), wish("s3")};
        b.restart(2, three);
        a.restart(2, wish("s0"), wish("s1"), wish("s2"), wish("s3"), wish("s4"), wish("s5"));
        run(4);
        assertThat(b.workers).as("a has not spoken yet").hasSize(1);
        a.workers.values().forEach(w -> w.mute = false);
        run(20);
        assertThat(most).isEqualTo(4);
    }

    @Test
    void theSumIsKeptWhateverPoolsSay() {
        Random random = new Random(11);
        SharedBudgets budget = new SharedBudgets();
        int[] held = new int[3];
        int[] limit = new int[3];
        double[] price = {1, 2, 3.5};
        for (int i = 0; i < 3; i++) {
            budget.join("p" + i, "g", 1);
        }
        long now = 0;
        double spentMost = 0;
        for (int step = 0; step < 20_000; step++) {
            now += random.nextInt(5_000);
            int i = random.nextInt(3);
            limit[i] =
                    budget.limit(
                            "p" + i,
                            new SharedBudgets.Claim(
                                    "g",
                                    20,
                                    0,
                                    random.nextInt(12),
                                    random.nextInt(40),
                                    4,
                                    price[i],
                                    held[i]),
                            now);
            // As a loop does: up to its limit at once, down in its own time.
            if (limit[i] > held[i]) {
                held[i] += random.nextInt(limit[i] - held[i] + 1);
            } else if (held[i] > 0 && random.nextInt(3) == 0) {
                held[i]--;
            }
            double spent = 0;
            for (int k = 0; k < 3; k++) {
                spent += held[k] * price[k];
            }
            assertThat(spent).isLessThanOrEqualTo(20);
            spentMost = Math.max(spentMost, spent);
        }
        assertThat(spentMost).as("and it is spent").isGreaterThan(15);
    }

    @Test
    void aPoolWithoutAGroupIsNotLimited() {
        SharedBudgets.Claim alone = new SharedBudgets.Claim("", 0, 0, 99, 99, 1, 0, 0);
        assertThat(budgets.limit("default/c", alone, 0)).isEqualTo(SharedBudgets.UNLIMITED);
    }
}
