package io.reelfleet.replay.production;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceException;
import io.reelfleet.replay.TraceSession;
import io.reelfleet.replay.sim.ChunkLatencies;
import io.reelfleet.replay.sim.Histogram;
import io.reelfleet.replay.sim.Outcome;
import io.reelfleet.replay.sim.StepCurve;
import io.reelfleet.scheduler.LatencyProfile;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A file of {@code t_s,kind,worker,session}: {@code gpu_requested}, {@code gpu_ready}, {@code
 * gpu_released}, {@code place}, {@code move}, {@code unplace} say what was decided; the operator
 * also writes {@code wanted}, {@code idle} and {@code closed}, which say what sessions did, so that
 * other policies can be tried on the same load.
 *
 * <p>Cost and lateness are worked out chunk by chunk from these lines; nothing of the simulator is
 * used, which is checked against it.
 */
public final class DecisionRecord {
    /** The first line. */
    public static final String HEADER = "t_s,kind,worker,session";

    private static final int LINES_LIMIT = 20_000_000;
    private static final int LINE_LIMIT = 512;
    private static final Pattern SECONDS = Pattern.compile("[0-9]{1,12}(\\.[0-9]{1,9})?");
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._:/#-]{1,256}");
    private static final double ROUNDING = 1e-6;

    private final Path file;
    private final Map<String, Steps> places = new HashMap<>();
    private final Map<String, Steps> loads = new HashMap<>();
    private final Map<String, List<Burst>> bursts = new LinkedHashMap<>();
    private final Map<String, Long> wantedSince = new HashMap<>();
    private final Map<String, Long> requested = new HashMap<>();
    private final List<String> workers = new ArrayList<>();
    private final Map<String, Integer> workerNumber = new HashMap<>();
    private final StepCurve gpus = new StepCurve();
    private long gpuMillis;
    private long firstReady = Long.MAX_VALUE;
    private long moves;
    private long scaleChanges;
    private long begin;
    private long last;

    private DecisionRecord(Path file) {
        this.file = file;
    }

    /** Whether a file begins like one. */
    public static boolean is(Path file) {
        try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            char[] start = new char[HEADER.length()];
            int n = in.read(start);
            return n == start.length && new String(start).equals(HEADER);
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Reads a file, line by line. What is still there at its end is taken to end with it.
     *
     * @throws TraceException one sentence with file, line and field
     */
    public static DecisionRecord read(Path file) throws TraceException {
        DecisionRecord record = new DecisionRecord(file);
        try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            int number = 1;
            String line = in.readLine();
            if (!HEADER.equals(line)) {
                throw record.at(1, "write \"" + HEADER + "\" there");
            }
            while ((line = in.readLine()) != null) {
                number++;
                if (number > LINES_LIMIT) {
                    throw record.at(number, "more than " + LINES_LIMIT + " lines in one record");
                }
                record.line(number, line);
            }
        } catch (NoSuchFileException e) {
            throw new TraceException(file + " does not exist");
        } catch (CharacterCodingException e) {
            throw new TraceException(file + " is not a text file in UTF-8");
        } catch (IOException e) {
            throw new TraceException(file + " cannot be read: " + e.getMessage());
        }
        record.finish();
        return record;
    }

    private void line(int number, String line) throws TraceException {
        String[] f = line.length() > LINE_LIMIT ? new String[0] : line.split(",", -1);
        if (f.length != 4) {
            throw at(number, "write four fields (" + HEADER + ")");
        }
        if (!SECONDS.matcher(f[0]).matches()) {
            throw at(number, "t_s: write seconds as a decimal number, not \"" + f[0] + "\"");
        }
        long t = Math.round(Double.parseDouble(f[0]) * 1000);
        if (number == 2) {
            begin = t;
        }
        if (t < last) {
            throw at(number, "t_s: " + f[0] + " is before the line above it");
        }
        last = t;
        String worker = f[2];
        String session = f[3];
        switch (f[1]) {
            case "gpu_requested" -> {
                if (requested.putIfAbsent(named(number, "worker", worker), t) != null) {
                    throw at(number, "worker: " + worker + " has been requested before");
                }
                scaleChanges++;
                gpus.step(t - begin, requested.size());
            }
            case "gpu_ready" -> firstReady = Math.min(firstReady, t);
            case "gpu_released" -> {
                Long since = requested.remove(named(number, "worker", worker));
                if (since == null) {
                    throw at(number, "worker: " + worker + " was not requested");
                }
                gpuMillis += t - since;
                scaleChanges++;
                gpus.step(t - begin, requested.size());
            }
            case "place", "move" -> {
                moves += f[1].equals("move") ? 1 : 0;
                int w = number(named(number, "worker", worker));
                Steps steps =
                        places.computeIfAbsent(named(number, "session", session), s -> new Steps());
                if (steps.last() > 0) {
                    load(steps.last(), t, -1);
                }
                steps.add(t, w);
                load(w, t, 1);
            }
            case "unplace" -> {
                Steps steps = places.get(named(number, "session", session));
                if (steps == null || steps.last() <= 0) {
                    throw at(number, "session: " + session + " is on no worker");
                }
                load(steps.last(), t, -1);
                steps.add(t, 0);
            }
            case "wanted" -> wantedSince.putIfAbsent(named(number, "session", session), t);
            case "idle", "closed" -> over(named(number, "session", session), t);
            default ->
                    throw at(
                            number,
                            "kind: write gpu_requested, gpu_ready, gpu_released, place, move,"
                                    + " unplace, wanted, idle or closed, not \""
                                    + f[1]
                                    + "\"");
        }
    }

    private String named(int number, String field, String name) throws TraceException {
        if (!NAME.matcher(name).matches()) {
            throw at(number, field + ": write 1 to 256 letters, digits or . _ : / # -");
        }
        return name;
    }

    private void over(String session, long t) {
        Long since = wantedSince.remove(session);
        if (since != null && t > since) {
            bursts.computeIfAbsent(session, s -> new ArrayList<>())
                    .add(new Burst((since - begin) / 1000.0, (t - begin) / 1000.0));
        }
    }

    private void finish() {
        List.copyOf(wantedSince.keySet()).forEach(s -> over(s, last));
        requested.values().forEach(since -> gpuMillis += last - since);
    }

    /**
     * The sessions that came, as the operator recorded them; the operator writes its clock's time,
     * the trace begins at 0.
     *
     * @throws TraceException when the record does not say what sessions did
     */
    public Trace trace() throws TraceException {
        if (bursts.isEmpty()) {
            throw new TraceException(
                    file
                            + " does not say what sessions did (no lines of kind wanted): it is a"
                            + " replay's record; give its trace instead");
        }
        List<TraceSession> sessions = new ArrayList<>();
        bursts.forEach((id, b) -> sessions.add(new TraceSession(id, b)));
        sessions.sort(Comparator.comparingDouble(TraceSession::opens));
        return new Trace(sessions);
    }

    /**
     * What was paid and what was late.
     *
     * @param gpuSeconds from request to release
     * @param due chunks due
     * @param late those whose latency exceeded the target or that never came
     * @param latencySeconds of each delivered chunk, sorted; those of the first start-up left out
     * @param moves sessions that came to another worker while their chunks were wanted
     * @param scaleChanges requests and releases
     */
    public record Account(
            double gpuSeconds,
            long due,
            long late,
            double[] latencySeconds,
            long moves,
            long scaleChanges) {
        /** Late chunks over chunks due. */
        public double lateRatio() {
            return due == 0 ? 0 : late / (double) due;
        }

        /** The latency that a share of the delivered chunks does not exceed, seconds. */
        public double percentile(double share) {
            int n = latencySeconds.length;
            return n == 0
                    ? 0
                    : latencySeconds[Math.clamp((long) Math.ceil(share * n) - 1, 0, n - 1)];
        }
    }

    /**
     * Counts every chunk of a trace's sessions: due when a burst starts and then once each
     * interval; delivered L(n) after it was due, or after its session was served again.
     *
     * @param trace the sessions, under the names and in the time of this record
     * @param intervalMillis between chunks, and the latency target
     * @param latency L(n)
     */
    public Account account(Trace trace, long intervalMillis, LatencyProfile latency) {
        return account(trace, 0, intervalMillis, latency);
    }

    private Account account(Trace trace, long offset, long intervalMillis, LatencyProfile latency) {
        long due = 0;
        long late = 0;
        double[] delivered = new double[1024];
        int n = 0;
        Steps none = new Steps();
        for (TraceSession session : trace.sessions()) {
            Steps where = places.getOrDefault(session.id(), none);
            for (Burst burst : session.bursts()) {
                long end = offset + Math.round(burst.end() * 1000);
                long start = offset + Math.round(burst.start() * 1000);
                for (long d = start; d < end; d += intervalMillis) {
                    due++;
                    if (d < firstReady) {
                        continue;
                    }
                    double millis = latency(where, d, end, latency);
                    if (millis > intervalMillis + ROUNDING) {
                        late++;
                    }
                    if (millis < Double.POSITIVE_INFINITY) {
                        if (n == delivered.length) {
                            delivered = Arrays.copyOf(delivered, 2 * n);
                        }
                        delivered[n++] = millis / 1000;
                    }
                }
            }
        }
        delivered = Arrays.copyOf(delivered, n);
        Arrays.sort(delivered);
        return new Account(gpuMillis / 1000.0, due, late, delivered, moves, scaleChanges);
    }

    private double latency(Steps where, long due, long end, LatencyProfile latency) {
        int i = where.at(due);
        long served = due;
        if (i < 0 || where.value(i) == 0) {
            // The end of a step is its last line at an instant.
            do {
                i++;
            } while (i < where.size() && where.value(i) == 0);
            if (i >= where.size() || where.time(i) >= end) {
                return Double.POSITIVE_INFINITY;
            }
            served = where.time(i);
        }
        Steps load = loads.get(workers.get(where.value(i) - 1));
        return served - due + latency.at(load.value(load.at(served)));
    }

    private int number(String worker) {
        return workerNumber.computeIfAbsent(
                worker,
                w -> {
                    workers.add(w);
                    loads.put(w, new Steps());
                    return workers.size();
                });
    }

    private void load(int worker, long t, int by) {
        Steps steps = loads.get(workers.get(worker - 1));
        steps.add(t, steps.last() + by);
    }

    /**
     * What was done, in the form in which simulated policies are reported.
     *
     * @param trace this record's own
     */
    public Outcome outcome(Trace trace, long intervalMillis, LatencyProfile latency) {
        Account account = account(trace, begin, intervalMillis, latency);
        long undelivered = account.due() - account.latencySeconds().length;
        return new Outcome(
                account.due(),
                account.late(),
                Math.max(0, undelivered),
                ChunkLatencies.measured(latency, account.latencySeconds()),
                account.gpuSeconds(),
                1,
                account.moves(),
                0,
                0,
                0,
                account.scaleChanges(),
                0,
                gpus.peak(),
                new Histogram(),
                gpus);
    }

    private TraceException at(int number, String sentence) {
        return new TraceException(file + " line " + number + ": " + sentence);
    }

    /** Values over time; of several at one instant the last holds. */
    private static final class Steps {
        private long[] at = new long[4];
        private int[] value = new int[4];
        private int size;

        void add(long t, int v) {
            if (size > 0 && at[size - 1] == t) {
                value[size - 1] = v;
                return;
            }
            if (size == at.length) {
                at = Arrays.copyOf(at, 2 * size);
                value = Arrays.copyOf(value, 2 * size);
            }
            at[size] = t;
            value[size++] = v;
        }

        int last() {
            return size == 0 ? 0 : value[size - 1];
        }

        int size() {
            return size;
        }

        long time(int i) {
            return at[i];
        }

        int value(int i) {
            return value[i];
        }

        /** The step in force at an instant, or -1. */
        int at(long t) {
            int i = Arrays.binarySearch(at, 0, size, t);
            return i >= 0 ? i : -i - 2;
        }
    }
}
