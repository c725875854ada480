package io.reelfleet.replay.sim;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceException;
import io.reelfleet.replay.TraceReader;
import io.reelfleet.replay.TraceSession;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * A trace as arrays of whole milliseconds, in the order in which things happen: read once, shared
 * by all simulations. A burst takes 28 bytes.
 */
public final class Workload {
    /** So many bursts are 600 MB; {@code --scale} counts too. */
    static final int BURSTS_LIMIT = 1 << 24;

    /** Eight years: as many milliseconds as an event's sorting key has room for. */
    private static final long MILLIS_LIMIT = 1L << 38;

    private final List<String> ids;
    private final int copies;
    private final int[] firstBurst;
    private final int[] sessionOfBurst;
    private final long[] startMillis;
    private final long[] endMillis;

    /** Per event: time, then ends before starts, then the burst, in one sortable number. */
    private final long[] times;

    private final int[] events;

    private Workload(
            List<String> ids, int copies, int[] firstBurst, long[] startMillis, long[] endMillis) {
        this.ids = ids;
        this.copies = copies;
        this.firstBurst = firstBurst;
        this.startMillis = startMillis;
        this.endMillis = endMillis;
        int sessions = firstBurst.length - 1;
        int bursts = startMillis.length;
        sessionOfBurst = new int[bursts];
        for (int s = 0; s < sessions; s++) {
            Arrays.fill(sessionOfBurst, firstBurst[s], firstBurst[s + 1], s);
        }
        // 38 bits of time, 1 bit the kind, 24 bits the burst.
        long[] keys = new long[2 * bursts];
        for (int b = 0; b < bursts; b++) {
            keys[2 * b] = startMillis[b] << 25 | 1L << 24 | b;
            keys[2 * b + 1] = endMillis[b] << 25 | b;
        }
        Arrays.parallelSort(keys);
        times = new long[keys.length];
        events = new int[keys.length];
        for (int i = 0; i < keys.length; i++) {
            times[i] = keys[i] >>> 25;
            events[i] = (int) (keys[i] & (1L << 25) - 1);
        }
    }

    /**
     * Reads a trace file as a stream.
     *
     * @param scale how many copies lie over each other; the copies after the first are shifted by a
     *     random time along the trace, which is bent into a ring for their sessions' openings
     * @throws TraceException one sentence with file, line and field
     */
    public static Workload read(Path file, int scale, long seed) throws TraceException {
        if (Files.isDirectory(file)) {
            throw new TraceException(file + " is a folder; --trace takes a CSV file");
        }
        try (Reader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            return read(in, file.toString(), scale, seed);
        } catch (NoSuchFileException e) {
            throw new TraceException(file + " does not exist");
        } catch (CharacterCodingException e) {
            throw new TraceException(file + " is not a text file in UTF-8");
        } catch (IOException e) {
            throw new TraceException(file + " cannot be read: " + e.getMessage());
        }
    }

    static Workload read(Reader in, String name, int scale, long seed)
            throws IOException, TraceException {
        Builder builder = new Builder();
        try {
            TraceReader.read(in, name, builder::add);
            return build(builder, name, scale, seed);
        } catch (TooLarge e) {
            throw new TraceException(name + ": " + e.getMessage());
        }
    }

    private static Workload build(Builder builder, String name, int scale, long seed)
            throws TraceException {
        if ((long) builder.bursts * scale > BURSTS_LIMIT) {
            throw new TraceException(
                    name
                            + ": "
                            + builder.bursts
                            + " bursts at --scale "
                            + scale
                            + " are more than "
                            + BURSTS_LIMIT
                            + "; write a smaller --scale");
        }
        return builder.build(scale, seed);
    }

    /** A trace that is in memory already. */
    public static Workload of(Trace trace, int scale, long seed) {
        Builder builder = new Builder();
        trace.sessions().forEach(builder::add);
        return builder.build(scale, seed);
    }

    /** How many sessions there are. */
    public int sessions() {
        return firstBurst.length - 1;
    }

    /** How many bursts there are. */
    public int bursts() {
        return startMillis.length;
    }

    /** A session's name; copies of a scaled trace have {@code #1}, {@code #2}, ... behind it. */
    public String id(int session) {
        int copy = session / ids.size();
        String id = ids.get(session % ids.size());
        return copies == 1 || copy == 0 ? id : id + "#" + copy;
    }

    /** How many events there are: each burst starts and ends. */
    public int events() {
        return times.length;
    }

    /** When the i-th event happens, milliseconds. */
    public long at(int i) {
        return times[i];
    }

    /** Whether it is the start of a burst. */
    public boolean starts(int i) {
        return (events[i] & 1 << 24) != 0;
    }

    /** Which burst starts or ends. */
    int burst(int i) {
        return events[i] & (1 << 24) - 1;
    }

    int session(int burst) {
        return sessionOfBurst[burst];
    }

    boolean first(int burst) {
        return firstBurst[sessionOfBurst[burst]] == burst;
    }

    boolean last(int burst) {
        return firstBurst[sessionOfBurst[burst] + 1] == burst + 1;
    }

    long start(int burst) {
        return startMillis[burst];
    }

    long end(int burst) {
        return endMillis[burst];
    }

    /** When the first burst starts, milliseconds. */
    public long beginMillis() {
        return times[0];
    }

    /** When the last burst ends, milliseconds. */
    public long endMillis() {
        return times[times.length - 1];
    }

    /** Chunks that come due: one when a burst starts, and one each interval until it ends. */
    public long dueChunks(long intervalMillis) {
        long due = 0;
        for (int b = 0; b < startMillis.length; b++) {
            due += Math.ceilDiv(endMillis[b] - startMillis[b], intervalMillis);
        }
        return due;
    }

    /** Thrown out of the reader's callback. */
    private static final class TooLarge extends RuntimeException {
        private static final long serialVersionUID = 1;

        TooLarge(String sentence) {
            super(sentence);
        }
    }

    /** Gathers sessions. */
    private static final class Builder {
        private final List<String> ids = new ArrayList<>();
        private int[] first = new int[1024];
        private long[] start = new long[4096];
        private long[] end = new long[4096];
        private int bursts;

        void add(TraceSession session) {
            if (bursts + session.bursts().size() > BURSTS_LIMIT) {
                throw new TooLarge(
                        "more than " + BURSTS_LIMIT + " bursts; write a part of the trace");
            }
            if (ids.size() + 1 >= first.length) {
                first = Arrays.copyOf(first, 2 * first.length);
            }
            ids.add(session.id());
            for (Burst burst : session.bursts()) {
                if (bursts == start.length) {
                    start = Arrays.copyOf(start, 2 * bursts);
                    end = Arrays.copyOf(end, 2 * bursts);
                }
                long from = Math.round(burst.start() * 1000);
                start[bursts] = from;
                end[bursts++] = Math.max(from + 1, Math.round(burst.end() * 1000));
            }
            first[ids.size()] = bursts;
        }

        Workload build(int scale, long seed) {
            int sessions = ids.size();
            int[] allFirst = new int[sessions * scale + 1];
            long[] allStart = new long[bursts * scale];
            long[] allEnd = new long[bursts * scale];
            RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
            long span = 1;
            for (int b = 0; b < bursts; b++) {
                span = Math.max(span, end[b]);
            }
            if ((scale == 1 ? span : 2 * span) >= MILLIS_LIMIT) {
                throw new TooLarge("the trace lasts longer than eight years (four with --scale)");
            }
            for (int copy = 0; copy < scale; copy++) {
                long shift = copy == 0 ? 0 : random.nextLong(span);
                for (int s = 0; s < sessions; s++) {
                    allFirst[copy * sessions + s] = copy * bursts + first[s];
                    long opens = start[first[s]];
                    long by = (opens + shift) % span - opens;
                    for (int b = first[s]; b < first[s + 1]; b++) {
                        allStart[copy * bursts + b] = start[b] + by;
                        allEnd[copy * bursts + b] = end[b] + by;
                    }
                }
            }
            allFirst[sessions * scale] = bursts * scale;
            return new Workload(ids, scale, allFirst, allStart, allEnd);
        }
    }
}
