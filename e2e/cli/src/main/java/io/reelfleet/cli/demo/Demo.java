package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.MoveRecord;
import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.Checkout;
import io.reelfleet.cli.fleet.FleetFolder;
import io.reelfleet.cli.fleet.Folders;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import io.reelfleet.replay.BurstGenerator;
import io.reelfleet.replay.FittedTrace;
import io.reelfleet.replay.Timeline;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceException;
import io.reelfleet.replay.TraceReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** One demo, from measuring to the report. */
public final class Demo {
    /** A burst lasts at least so many chunks. */
    static final int CHUNKS_PER_BURST = 4;

    private static final Duration READY_LIMIT = Duration.ofSeconds(120);
    private static final Duration SAMPLE_EVERY = Duration.ofSeconds(1);

    private final Settings settings;
    private final Checkout checkout;
    private final PrintWriter terminal;

    private volatile boolean stopped;
    private volatile boolean driving;

    /**
     * What the person asked for.
     *
     * @param seconds how long sessions come and go
     * @param workers most workers
     * @param trace a CSV; empty for the generator
     * @param seed of everything that is drawn
     * @param out folder of report and videos
     * @param openBrowser whether to show the page
     * @param model {@code builtin:shapes}, {@code file:/dir}
     */
    public record Settings(
            int seconds,
            int workers,
            Optional<Path> trace,
            long seed,
            Path out,
            boolean openBrowser,
            String model) {}

    /** A demo that has not begun. */
    public Demo(Settings settings, Checkout checkout, PrintWriter terminal) {
        this.settings = settings;
        this.checkout = checkout;
        this.terminal = terminal;
    }

    /**
     * Ends it early, from another thread: while sessions run they are closed and the report is
     * written; before that nothing is.
     *
     * @param runner the thread in {@link #run}
     */
    public void stop(Thread runner) {
        stopped = true;
        if (!driving) {
            runner.interrupt();
        }
    }

    /**
     * Runs it to its end.
     *
     * @throws InterruptedException when it was stopped before the sessions came; no process is left
     */
    public void run() throws InterruptedException, IOException {
        try {
            runToReport();
        } catch (Failure e) {
            if (stopped && !driving) {
                // Some wait was cut short by the stop.
                throw new InterruptedException();
            }
            throw e;
        }
    }

    private void runToReport() throws InterruptedException, IOException {
        Trace original = null;
        if (settings.trace().isPresent()) {
            try {
                original = TraceReader.read(settings.trace().get());
            } catch (TraceException e) {
                throw new Failure("--trace: " + e.getMessage(), e);
            }
        }
        Path out = settings.out();
        Path work = out.resolve(".fleet");
        try {
            Files.createDirectories(out);
            refuseIfRunning(new FleetFolder(work.resolve("demo")));
            Folders.delete(work);
            Folders.delete(out.resolve("videos"));
            for (String file :
                    List.of(
                            "report.html",
                            "summary.json",
                            "sessions.png",
                            "workers.png",
                            "latency.png")) {
                Files.deleteIfExists(out.resolve(file));
            }
        } catch (IOException e) {
            throw new Failure("--out: " + out + " cannot be written: " + e.getMessage(), e);
        }

        Calibration calibration = calibrate(work);
        FittedTrace fitted = fit(original, calibration);
        PoolDocument pool =
                pool(
                        PoolDocument.Mode.PREDICTIVE,
                        1,
                        calibration.capacity(),
                        calibration.chunkInterval());
        say("Starting operator, gateway and the first worker ...");
        DemoRecord record;
        try (LocalFleet fleet = LocalFleet.start(fleetSettings(work.resolve("demo"), pool))) {
            Allocator allocator = fleet.allocator();
            FleetWait.until(
                    fleet,
                    READY_LIMIT,
                    "no worker became ready",
                    () -> FleetWait.pool(allocator).getWorkersReady() >= 1);
            String link = fleet.pageLink();
            say("Live page (the link signs in once, within a minute): " + link);
            if (!link.equals(fleet.gatewayUrl() + "/")) {
                say(
                        "  later: "
                                + fleet.gatewayUrl()
                                + "/ with the token in "
                                + fleet.folder().apiToken());
            }
            if (settings.openBrowser()) {
                Browser.open(link);
            }
            record = drive(fleet, allocator, fitted, calibration);
            say("Stopping the fleet ...");
        }
        say("Writing videos and report ...");
        new Results(record, work.resolve("demo").resolve("store"), out).write(terminal);
        Folders.delete(work);
    }

    private Calibration calibrate(Path work) throws InterruptedException, IOException {
        int workers = settings.workers();
        say("Measuring what a worker carries, with all " + workers + " busy ...");
        PoolDocument pool = pool(PoolDocument.Mode.MANUAL, workers, 1, 1.5);
        Path folder = work.resolve("calibration");
        Calibration calibration;
        try (LocalFleet fleet = LocalFleet.start(fleetSettings(folder, pool))) {
            calibration = Calibration.measure(fleet, workers, settings.seed());
        }
        Folders.delete(folder);
        say(
                String.format(
                        Locale.ROOT,
                        "  a chunk of %.2f s of video takes %.3f s with %d workers busy on %d cores (%.1f x real time):"
                                + " C = %d sessions per worker",
                        calibration.chunkInterval(),
                        calibration.chunkTime(),
                        workers,
                        Runtime.getRuntime().availableProcessors(),
                        calibration.chunkInterval() / calibration.chunkTime(),
                        calibration.capacity()));
        return calibration;
    }

    private FittedTrace fit(Trace original, Calibration calibration) {
        double shortest = CHUNKS_PER_BURST * calibration.chunkInterval();
        int peak = settings.workers() * calibration.capacity();
        if (settings.seconds() < shortest) {
            throw new Failure(
                    String.format(
                            Locale.ROOT,
                            "--seconds is %d: write at least %.0f, since a burst lasts %d chunks of %.2f s",
                            settings.seconds(),
                            Math.ceil(shortest),
                            CHUNKS_PER_BURST,
                            calibration.chunkInterval()));
        }
        FittedTrace fitted;
        String source;
        if (original == null) {
            Trace made =
                    BurstGenerator.generate(
                            new BurstGenerator.Shape(settings.seconds(), peak, shortest),
                            settings.seed());
            fitted = new FittedTrace(made, made.sessions().size(), 1);
            source = "generator, seed " + settings.seed();
        } else {
            fitted =
                    FittedTrace.fit(
                            original,
                            new FittedTrace.Limits(
                                    settings.seconds(),
                                    peak,
                                    shortest,
                                    calibration.chunkInterval()),
                            settings.seed());
            source = settings.trace().orElseThrow().getFileName().toString();
        }
        say(
                "Sessions: "
                        + fitted.sentence()
                        + " ("
                        + source
                        + "), at most "
                        + fitted.trace().peakActive()
                        + " active at once");
        if (fitted.trace().sessions().isEmpty()) {
            throw new Failure(
                    "--trace: no session is left after fitting; write a larger --seconds or --workers");
        }
        return fitted;
    }

    private DemoRecord drive(
            LocalFleet fleet, Allocator allocator, FittedTrace fitted, Calibration calibration)
            throws InterruptedException {
        driving = true;
        if (stopped) {
            throw new InterruptedException();
        }
        Timeline timeline = Timeline.of(fitted.trace());
        Driver driver = new Driver(allocator, settings.seed());
        List<Sample> samples = new ArrayList<>();
        Map<String, MoveRecord> moves = new LinkedHashMap<>();
        Instant begin = Instant.now();
        long zero = System.nanoTime();
        long end = zero + Duration.ofSeconds(settings.seconds()).toNanos();
        long nextSample = zero;
        int next = 0;
        Pool pool = Pool.getDefaultInstance();
        try (Progress progress = Progress.start(settings.seconds(), terminal)) {
            while (!stopped && System.nanoTime() < end) {
                double now = (System.nanoTime() - zero) / 1e9;
                while (next < timeline.events().size()
                        && timeline.events().get(next).at() <= now
                        && !stopped) {
                    driver.apply(timeline.events().get(next++));
                }
                if (System.nanoTime() >= nextSample) {
                    fleet.checkAlive();
                    pool = FleetWait.pool(allocator);
                    pool.getMovesList().forEach(m -> moves.put(m.getId(), m));
                    Sample sample = Sample.of(now, pool);
                    samples.add(sample);
                    progress.show(sample);
                    nextSample += SAMPLE_EVERY.toNanos();
                }
                long wake = Math.min(end, nextSample);
                if (next < timeline.events().size()) {
                    wake = Math.min(wake, zero + (long) (timeline.events().get(next).at() * 1e9));
                }
                long wait = Math.min(wake - System.nanoTime(), 100_000_000L);
                if (wait > 0) {
                    Thread.sleep(Duration.ofNanos(wait));
                }
            }
        }
        double lasted = (System.nanoTime() - zero) / 1e9;
        // What is left to happen at the very end of the trace is closing.
        driver.closeAll(timeline);
        pool = FleetWait.pool(allocator);
        pool.getMovesList().forEach(m -> moves.put(m.getId(), m));
        samples.add(Sample.of(lasted, pool));
        driver.refusals().forEach(r -> say("  refused: " + r));
        return new DemoRecord(
                settings,
                calibration,
                fitted,
                driver.sessions(),
                driver.refusals(),
                samples,
                pool,
                List.copyOf(moves.values()),
                begin,
                lasted,
                stopped);
    }

    private PoolDocument pool(
            PoolDocument.Mode mode, int minWorkers, int capacity, double latencyTarget) {
        // A chunk later than one chunk interval is what a viewer with one chunk in hand would
        // notice.
        return new PoolDocument(
                settings.model(),
                mode,
                minWorkers,
                settings.workers(),
                capacity,
                Duration.ofMillis(Math.round(latencyTarget * 1000)),
                Duration.ofSeconds(30));
    }

    private LocalFleet.Settings fleetSettings(Path folder, PoolDocument pool) {
        return new LocalFleet.Settings(
                new FleetFolder(folder),
                checkout,
                pool,
                0,
                0,
                Duration.ofSeconds(8),
                true,
                Optional.empty());
    }

    private static void refuseIfRunning(FleetFolder folder) {
        folder.running()
                .filter(r -> LocalFleet.lives(folder, r))
                .ifPresent(
                        r -> {
                            throw new Failure(
                                    "another demo (operator process "
                                            + r.operatorPid()
                                            + ") writes to this --out: name another folder");
                        });
    }

    private void say(String line) {
        terminal.println(line);
        terminal.flush();
    }
}
