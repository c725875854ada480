package io.reelfleet.migration.protocol;

import io.reelfleet.migration.protocol.World.Budget;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * The protocol over a virtual network that loses, doubles and delays, with crashes of workers and
 * operators and moves in a row: runs drawn from seeds, on the state machines that the real parts
 * use.
 */
public final class Simulation {
    private static final int MOST_STEPS = 20_000;

    private Simulation() {}

    /**
     * How runs went.
     *
     * @param steps of all runs
     * @param chunks stored
     * @param changes of owner
     * @param failed a sentence for each run that broke a promise, with its seed
     */
    public record Result(long runs, long steps, long chunks, long changes, List<Failed> failed) {}

    /** One run that broke a promise. */
    public record Failed(long seed, String sentence) {}

    private record Run(long steps, long chunks, long changes, String problem) {}

    /** Runs the seeds from {@code firstSeed} on. */
    public static Result run(long firstSeed, long runs) {
        List<Failed> failed = new ArrayList<>();
        long steps = 0;
        long chunks = 0;
        long changes = 0;
        for (long seed = firstSeed; seed < firstSeed + runs; seed++) {
            Run run = run(seed);
            steps += run.steps;
            chunks += run.chunks;
            changes += run.changes;
            if (run.problem != null) {
                failed.add(new Failed(seed, run.problem));
            }
        }
        return new Result(runs, steps, chunks, changes, List.copyOf(failed));
    }

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
                    return ended(step, world, "never settles: " + world);
                }
                // A world keeps its messages by their hashes, which differ from one JVM to the
                // next.
                List<Model.Step> steps = new ArrayList<>(model.steps(world));
                steps.sort(Comparator.comparing(Model.Step::what));
                if (steps.isEmpty()) {
                    return ended(step, world, "stuck: " + world);
                }
                world = steps.get(random.nextInt(steps.size())).to();
            }
        } catch (Model.Violation e) {
            return ended(step, world, e.getMessage());
        }
        return ended(step, world, null);
    }

    private static Run ended(int step, World world, String problem) {
        return new Run(step, world.log().next(), world.log().epoch() - 1, problem);
    }

    /** Nothing that a run is about is left to happen. */
    private static boolean over(World world) {
        return world.budget().moves() == 0 && world.budget().chunks() == 0;
    }

    /**
     * Runs seeds, prints a line per failing one and a summary, and ends with 1 when any failed.
     *
     * @param args first seed, number of runs
     */
    public static void main(String[] args) {
        long began = System.nanoTime();
        long firstSeed = Long.parseLong(args[0]);
        Result result = run(firstSeed, Long.parseLong(args[1]));
        for (Failed f : result.failed) {
            System.out.println("seed " + f.seed + ": " + f.sentence);
            System.out.println(
                    "    replay: ./reelfleet chaos --runs 0 --simulated 1 --seed " + f.seed);
        }
        System.out.printf(
                Locale.ROOT,
                "%,d simulated runs: %,d steps, %,d chunks stored, %,d changes of owner, %d failed, %.1f s%n",
                result.runs,
                result.steps,
                result.chunks,
                result.changes,
                result.failed.size(),
                (System.nanoTime() - began) / 1e9);
        System.exit(result.failed.isEmpty() ? 0 : 1);
    }
}
