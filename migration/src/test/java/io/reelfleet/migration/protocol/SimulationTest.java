package io.reelfleet.migration.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.migration.protocol.World.Budget;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * The same protocol over a virtual network that loses, doubles and delays, with more faults and
 * moves in a row than a search of all orders can take: runs drawn from seeds. {@code
 * -Dreelfleet.simulations=10000} runs more of them, {@code -Dreelfleet.simulation.seed=N} one
 * again.
 */
class SimulationTest {
    private static final int MOST_STEPS = 20_000;

    @Test
    void everySeedSettlesWithNothingLostDoubledOrLeaked() {
        Long one = Long.getLong("reelfleet.simulation.seed");
        int runs = one != null ? 1 : Integer.getInteger("reelfleet.simulations", 3000);
        List<String> failed = new ArrayList<>();
        long steps = 0;
        long chunks = 0;
        long moves = 0;
        long started = System.nanoTime();
        for (int run = 0; run < runs; run++) {
            long seed = one != null ? one : run;
            Run result = run(seed);
            steps += result.steps;
            chunks += result.chunks;
            moves += result.epochs;
            if (result.problem != null) {
                failed.add("-Dreelfleet.simulation.seed=" + seed + ": " + result.problem);
            }
        }
        System.out.printf(
                "simulation: %,d runs, %,d steps, %,d chunks stored, %,d changes of owner, %d"
                        + " failed, %.1f s%n",
                runs, steps, chunks, moves, failed.size(), (System.nanoTime() - started) / 1e9);
        assertThat(failed).isEmpty();
    }

    private record Run(long steps, long chunks, long epochs, String problem) {}

    private static Run run(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Budget budget =
                new Budget(
                        random.nextInt(5),
                        random.nextInt(5),
                        random.nextInt(3),
                        random.nextInt(3),
                        random.nextInt(3),
                        1 + random.nextInt(5),
                        4 + random.nextInt(12));
        Model model = new Model(new MoveProtocol(), Set.of());
        World world = World.start(budget);
        int step = 0;
        try {
            while (!(over(world) && Model.settled(world))) {
                if (step++ > MOST_STEPS) {
                    return new Run(
                            step,
                            world.log().next(),
                            world.log().epoch(),
                            "never settles: " + world);
                }
                List<Model.Step> steps = model.steps(world);
                if (steps.isEmpty()) {
                    return new Run(
                            step, world.log().next(), world.log().epoch(), "stuck: " + world);
                }
                world = steps.get(random.nextInt(steps.size())).to();
            }
        } catch (Model.Violation e) {
            return new Run(step, world.log().next(), world.log().epoch(), e.getMessage());
        }
        return new Run(step, world.log().next(), world.log().epoch() - 1, null);
    }

    /** Nothing that a run is about is left to happen. */
    private static boolean over(World world) {
        return world.budget().moves() == 0 && world.budget().chunks() == 0;
    }
}
