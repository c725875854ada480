package io.reelfleet.replay.report;

import io.reelfleet.replay.BurstGenerator;
import io.reelfleet.replay.bound.DemandCurve;
import io.reelfleet.replay.bound.LowerBounds;
import io.reelfleet.replay.report.Contender.Kind;
import io.reelfleet.replay.rival.HoldAndBuffer;
import io.reelfleet.replay.rival.Rivals;
import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.Journal;
import io.reelfleet.replay.sim.Outcome;
import io.reelfleet.replay.sim.Simulation;
import io.reelfleet.replay.sim.Workload;
import io.reelfleet.scheduler.LeastLoadedPolicy;
import io.reelfleet.scheduler.MigrationAwarePolicy;
import io.reelfleet.scheduler.PoolSettings;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Runs policies over one workload and checks each against the lower bounds: rivals side by side,
 * the project's own one after the other.
 */
public final class Comparison {
    /** Every policy. */
    public static final String ALL = "all";

    private static final String OWN_PLACEMENT = "migration-aware";
    private static final String OWN = OWN_PLACEMENT + "+predictive";
    private static final String OWN_REACTIVE = "least-loaded+reactive";
    private static final String HINDSIGHT = "hindsight+hold-buffer";

    private static final double WARM_UP_SECONDS = 3_600;
    private static final int WARM_UP_SESSIONS = 150;

    /** Rounding of sums of GPU-seconds. */
    private static final double ROUNDING = 1e-6;

    private final String trace;
    private final int scale;
    private final Workload work;
    private final Conditions world;
    private final List<Double> lateBudgets;
    private final DemandCurve curve;
    private final LowerBounds bounds;
    private final List<Results.Row> recorded = new ArrayList<>();

    /** A comparison on a workload; {@code trace} names it for people. */
    public Comparison(
            String trace, int scale, Workload work, Conditions world, List<Double> lateBudgets) {
        this.trace = trace;
        this.scale = scale;
        this.work = work;
        this.world = world;
        this.lateBudgets = List.copyOf(lateBudgets);
        curve = DemandCurve.of(work);
        bounds =
                LowerBounds.of(
                        curve,
                        world.capacity(),
                        world.startUp().meanMillis() / 1000.0,
                        world.latency());
    }

    /**
     * The policies of these names: full names, {@code placement+scaler} of one with budgets for all
     * of them, or {@link #ALL}.
     *
     * @throws IllegalArgumentException for a name that is none, in a sentence with near ones
     */
    public List<Contender> contenders(List<String> names) {
        List<String> known = names();
        Set<String> wanted = new LinkedHashSet<>();
        for (String name : names) {
            List<String> meant =
                    known.stream()
                            .filter(
                                    k ->
                                            name.equals(ALL)
                                                    || k.equals(name)
                                                    || k.startsWith(name + "@"))
                            .toList();
            if (meant.isEmpty()) {
                throw new IllegalArgumentException(unknown(name, known));
            }
            wanted.addAll(meant);
        }
        List<Contender> found = new ArrayList<>();
        for (double e : lateBudgets) {
            found.add(
                    new Contender(
                            at(OWN, e),
                            Kind.OWN,
                            OptionalDouble.of(e),
                            OptionalInt.empty(),
                            false,
                            MigrationAwarePolicy::new));
        }
        found.add(
                new Contender(
                        OWN_REACTIVE,
                        Kind.OWN,
                        OptionalDouble.empty(),
                        OptionalInt.empty(),
                        false,
                        LeastLoadedPolicy::new));
        Rivals.fixedFleets(curve, world.capacity())
                .forEach(
                        (scaler, gpus) ->
                                found.add(
                                        new Contender(
                                                OWN_PLACEMENT + "+" + scaler,
                                                Kind.OWN,
                                                OptionalDouble.empty(),
                                                OptionalInt.of(gpus),
                                                false,
                                                MigrationAwarePolicy::new)));
        if (wanted.stream().anyMatch(n -> n.startsWith(HINDSIGHT))) {
            found.addAll(hindsight());
        }
        for (Rivals.Entry e : Rivals.all(curve, world.capacity(), world.seed())) {
            found.add(
                    new Contender(
                            e.name(),
                            e.freeMoves() ? Kind.HINDSIGHT : Kind.RIVAL,
                            OptionalDouble.empty(),
                            OptionalInt.empty(),
                            e.freeMoves(),
                            e.fresh()));
        }
        found.removeIf(c -> !wanted.contains(c.name()));
        return found;
    }

    private List<Contender> hindsight() {
        List<HoldAndBuffer.Result> tried =
                new HoldAndBuffer(curve, world.capacity(), world.startUp().meanMillis())
                        .all(HoldAndBuffer.FINE);
        List<Contender> found = new ArrayList<>();
        for (double e : lateBudgets) {
            Optional<HoldAndBuffer.Result> best = HoldAndBuffer.best(tried, e);
            best.ifPresent(
                    b ->
                            found.add(
                                    new Contender(
                                            at(HINDSIGHT, e),
                                            Kind.HINDSIGHT,
                                            OptionalDouble.empty(),
                                            OptionalInt.empty(),
                                            true,
                                            () -> Rivals.hindsight(b.settings()))));
        }
        return found;
    }

    /** All names, in the order in which they are shown. */
    public List<String> names() {
        List<String> names = new ArrayList<>();
        lateBudgets.forEach(e -> names.add(at(OWN, e)));
        names.add(OWN_REACTIVE);
        Rivals.fixedFleets(curve, world.capacity())
                .keySet()
                .forEach(scaler -> names.add(OWN_PLACEMENT + "+" + scaler));
        lateBudgets.forEach(e -> names.add(at(HINDSIGHT, e)));
        Rivals.all(curve, world.capacity(), world.seed()).forEach(e -> names.add(e.name()));
        return names;
    }

    private static String at(String name, double budget) {
        return name + "@" + (budget == 0 ? "0" : plain(budget));
    }

    private static String plain(double budget) {
        return new BigDecimal(Double.toString(budget)).stripTrailingZeros().toPlainString();
    }

    private static String unknown(String name, List<String> known) {
        String start = name.contains("+") ? name.substring(0, name.indexOf('+')) : name;
        String near =
                known.stream()
                        .filter(
                                k ->
                                        !start.isEmpty()
                                                && (k.startsWith(start) || k.contains("+" + start)))
                        .limit(8)
                        .collect(Collectors.joining(", "));
        Set<String> placements = new LinkedHashSet<>();
        Set<String> scalers = new LinkedHashSet<>();
        for (String k : known) {
            placements.add(k.substring(0, k.indexOf('+')));
            scalers.add(k.substring(k.indexOf('+') + 1).replaceAll("@.*", ""));
        }
        return "there is no policy \""
                + name
                + "\"; write "
                + (near.isEmpty()
                        ? "placement+scaler with a placement of "
                                + String.join(", ", placements)
                                + " and a scaler of "
                                + String.join(", ", scalers)
                                + ", or all"
                        : near + ", or all");
    }

    /** Puts what was done in production beside the policies. */
    public void beside(Outcome production) {
        recorded.add(
                new Results.Row(
                        new Contender(
                                "production+recorded",
                                Kind.OWN,
                                OptionalDouble.empty(),
                                OptionalInt.empty(),
                                false,
                                () -> {
                                    throw new IllegalStateException("it has been run");
                                }),
                        production));
    }

    /** The bounds of this workload. */
    public LowerBounds bounds() {
        return bounds;
    }

    /**
     * Runs the policies.
     *
     * @param records a folder for {@code decisions-NAME.csv}; none when absent
     * @param threads how many run at once
     * @param done is told each name when it is finished
     * @throws IllegalStateException when a policy undercuts bound B at its own lateness, or
     *     something is left at the end: a bug in the simulator
     */
    public Results run(
            List<Contender> contenders, Optional<Path> records, int threads, Consumer<String> done)
            throws InterruptedException, IOException {
        Map<String, Results.Row> rows = new ConcurrentHashMap<>();
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> running = new ArrayList<>();
            for (Contender c : contenders) {
                if (c.kind() != Kind.OWN) {
                    running.add(
                            pool.submit(
                                    () -> {
                                        rows.put(c.name(), run(c, records));
                                        done.accept(c.name());
                                        return null;
                                    }));
                }
            }
            try {
                for (Future<?> f : running) {
                    f.get();
                }
            } catch (ExecutionException e) {
                running.forEach(f -> f.cancel(true));
                switch (e.getCause()) {
                    case RuntimeException r -> throw r;
                    case IOException io -> throw io;
                    case null, default -> throw new IllegalStateException(e);
                }
            }
        }
        // One at a time, with the code warm: their decision times are a result.
        if (contenders.stream().anyMatch(c -> c.kind() == Kind.OWN)) {
            warmUp();
        }
        for (Contender c : contenders) {
            if (c.kind() == Kind.OWN) {
                rows.put(c.name(), run(c, records));
                done.accept(c.name());
            }
        }
        return new Results(
                trace,
                scale,
                work.sessions(),
                work.bursts(),
                world,
                curve,
                bounds,
                lateBudgets,
                Stream.concat(recorded.stream(), contenders.stream().map(c -> rows.get(c.name())))
                        .toList());
    }

    /** Lets the machine compile the project's own policy before its decisions are timed. */
    private void warmUp() {
        Workload other =
                Workload.of(
                        BurstGenerator.generate(
                                new BurstGenerator.Shape(WARM_UP_SECONDS, WARM_UP_SESSIONS, 10),
                                world.seed()),
                        1,
                        world.seed());
        for (double e : lateBudgets) {
            Simulation.run(other, new MigrationAwarePolicy(), e, world, Journal.NONE);
        }
    }

    private Results.Row run(Contender c, Optional<Path> records) throws IOException {
        Outcome outcome;
        Path part = null;
        try (Journal journal =
                records.isEmpty()
                        ? Journal.NONE
                        : Journal.in(part = records.get().resolve(file(c.name()) + ".part"))) {
            outcome =
                    c.freeMoves()
                            ? Simulation.runWithFreeMoves(work, c.fresh().get(), world, journal)
                            : Simulation.run(work, c.fresh().get(), pool(c), world, journal);
        } catch (RuntimeException e) {
            if (part != null) {
                Files.deleteIfExists(part);
            }
            throw new IllegalStateException(c.name() + ": " + e.getMessage(), e);
        }
        double bound = bounds.bGpuSeconds(outcome.unservedShare());
        if (outcome.gpuSeconds() < bound * (1 - ROUNDING) - ROUNDING) {
            throw new IllegalStateException(
                    String.format(
                            Locale.ROOT,
                            "%s costs %.3f GPU-seconds, below the bound of %.3f at its own"
                                    + " lateness: a bug in the simulator",
                            c.name(),
                            outcome.gpuSeconds(),
                            bound));
        }
        if (part != null) {
            Files.move(
                    part,
                    records.get().resolve(file(c.name())),
                    StandardCopyOption.REPLACE_EXISTING);
        }
        return new Results.Row(c, outcome);
    }

    private PoolSettings pool(Contender c) {
        double budget = c.lateBudget().orElse(lateBudgets.getFirst());
        return c.workers().isPresent()
                ? world.fixedPool(c.workers().getAsInt(), budget)
                : world.pool(budget);
    }

    /** {@code decisions-NAME.csv}. */
    public static String file(String name) {
        return "decisions-" + name + ".csv";
    }
}
