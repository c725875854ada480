package io.reelfleet.gateway.follow;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a session's log holds, without the pictures: an immutable picture of the log at one moment.
 *
 * <p>It is read by halving: two chunks of one owner with equally many entries and frames between
 * them as their numbers say have nothing else between them, so opening a log takes a number of
 * reads that grows with its logarithm and its owners.
 */
public final class ChunkIndex {
    private final List<ChunkRun> runs;
    private final Map<String, ByteString> inits;
    private final Optional<Ownership> owner;
    private final Optional<End> end;
    private final List<Control> controls;
    private final int width;
    private final int height;

    /**
     * The newest Owner entry.
     *
     * @param epoch it owns the session under
     */
    public record Ownership(long epoch, Owner owner) {}

    private ChunkIndex(
            List<ChunkRun> runs,
            Map<String, ByteString> inits,
            Optional<Ownership> owner,
            Optional<End> end,
            List<Control> controls,
            int width,
            int height) {
        this.runs = List.copyOf(runs);
        this.inits = Map.copyOf(inits);
        this.owner = owner;
        this.end = end;
        this.controls = controls;
        this.width = width;
        this.height = height;
    }

    static ChunkIndex empty() {
        return new ChunkIndex(
                List.of(), Map.of(), Optional.empty(), Optional.empty(), List.of(), 0, 0);
    }

    /** Reads everything that {@code log} knows of. */
    static ChunkIndex read(SessionLogReader log) throws StoreException {
        if (log.size() == 0) {
            return empty();
        }
        ChunkIndex before = log.fork().isPresent() ? beforeFork(log) : empty();
        Reading reading = new Reading(log, before);
        long first = log.firstEntry();
        long last = log.size() - 1;
        reading.between(first, log.entry(first), last, log.entry(last));
        ChunkIndex read = reading.index;
        if (read.owner.isPresent()) {
            return read;
        }
        // Trimmed beyond its newest Owner entry.
        Optional<Ownership> owner =
                log.newestOwner().map(e -> new Ownership(e.getEpoch(), e.getOwner()));
        return new ChunkIndex(
                read.runs, read.inits, owner, read.end, read.controls, read.width, read.height);
    }

    /** What a fork took over: the other session's chunks, nobody's yet. */
    static ChunkIndex beforeFork(SessionLogReader fork) throws StoreException {
        long last = fork.fork().orElseThrow().getChunk();
        ChunkIndex all = read(fork.source());
        List<ChunkRun> runs = new ArrayList<>();
        for (ChunkRun run : all.runs) {
            if (run.firstChunk() <= last) {
                runs.add(run.endChunk() - 1 <= last ? run : run.upTo(last));
            }
        }
        List<Control> inForce =
                fork.source()
                        .chunk(last)
                        .map(e -> e.getChunk().getControlsList())
                        .orElse(List.of());
        return new ChunkIndex(
                runs,
                all.inits,
                Optional.empty(),
                Optional.empty(),
                inForce,
                all.width,
                all.height);
    }

    /** This picture and one entry more, the one that follows it in the log. */
    ChunkIndex with(LogEntry entry) {
        return switch (entry.getBodyCase()) {
            case OWNER ->
                    new ChunkIndex(
                            runs,
                            inits,
                            Optional.of(new Ownership(entry.getEpoch(), entry.getOwner())),
                            end,
                            controls,
                            width,
                            height);
            case CHUNK -> with(run(entry), entry.getChunk());
            case END ->
                    new ChunkIndex(
                            runs,
                            inits,
                            owner,
                            Optional.of(entry.getEnd()),
                            controls,
                            width,
                            height);
            case TRIM -> from(entry.getTrim().getFirstChunk());
            // A rewind shows in the chunks that follow, under the next numbers; where a fork begins
            // is read when its log is opened.
            case FORK, REWIND, BODY_NOT_SET -> this;
        };
    }

    /** Without the chunks before {@code first}, which are no longer kept. */
    private ChunkIndex from(long first) {
        List<ChunkRun> kept = new ArrayList<>();
        for (ChunkRun run : runs) {
            if (run.endChunk() > first) {
                kept.add(run.firstChunk() >= first ? run : run.from(first));
            }
        }
        return new ChunkIndex(kept, inits, owner, end, controls, width, height);
    }

    private ChunkIndex with(ChunkRun run, Chunk newest) {
        List<ChunkRun> longer = new ArrayList<>(runs);
        if (!runs.isEmpty() && runs.getLast().continues(run)) {
            longer.set(longer.size() - 1, runs.getLast().longer(run.chunks()));
        } else {
            longer.add(run);
        }
        Map<String, ByteString> more = inits;
        if (!inits.containsKey(run.init())) {
            more = new HashMap<>(inits);
            more.put(run.init(), newest.getMedia().getInit());
        }
        return new ChunkIndex(
                longer,
                more,
                owner,
                end,
                newest.getControlsList(),
                newest.getMedia().getWidth(),
                newest.getMedia().getHeight());
    }

    /** The run of one chunk. */
    private static ChunkRun run(LogEntry entry) {
        Chunk chunk = entry.getChunk();
        return new ChunkRun(
                entry.getSessionUid(),
                chunk.getChunk(),
                1,
                entry.getIndex(),
                entry.getEpoch(),
                chunk.getMedia().getFirstFrame(),
                chunk.getMedia().getFrames(),
                chunk.getMedia().getFps(),
                initName(chunk.getMedia().getInit()),
                chunk.getMedia().getCodec());
    }

    static String initName(ByteString init) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            sha256.update(init.asReadOnlyByteBuffer());
            return HexFormat.of().formatHex(sha256.digest(), 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** All chunks, oldest first. */
    public List<ChunkRun> runs() {
        return runs;
    }

    /** The run that holds chunk {@code k}. */
    public Optional<ChunkRun> run(long k) {
        for (int i = runs.size() - 1; i >= 0; i--) {
            ChunkRun run = runs.get(i);
            if (k >= run.firstChunk()) {
                return k < run.endChunk() ? Optional.of(run) : Optional.empty();
            }
        }
        return Optional.empty();
    }

    /** The number of the first chunk that is kept; 0 before there is any. */
    public long firstChunk() {
        return runs.isEmpty() ? 0 : runs.getFirst().firstChunk();
    }

    /** The number of the chunk that comes next. */
    public long nextChunk() {
        return runs.isEmpty() ? 0 : runs.getLast().endChunk();
    }

    /** Seconds of video in all chunks. */
    public double seconds() {
        return runs.isEmpty() ? 0 : runs.getLast().secondsBefore(runs.getLast().endChunk());
    }

    /** The initialisation segment (ftyp + moov) of that name. */
    public Optional<ByteString> init(String name) {
        return Optional.ofNullable(inits.get(name));
    }

    /** Who owns the session; empty before anybody did. */
    public Optional<Ownership> owner() {
        return owner;
    }

    /** The End entry: no chunk follows. */
    public Optional<End> end() {
        return end;
    }

    /** Controls in force in the newest chunk. */
    public List<Control> controls() {
        return controls;
    }

    /** Width of the newest chunk's pictures, 0 before the first. */
    public int width() {
        return width;
    }

    /** Height of the newest chunk's pictures, 0 before the first. */
    public int height() {
        return height;
    }

    /** One reading of a log from its start to where the reader stands. */
    private static final class Reading {
        private final SessionLogReader log;
        private ChunkIndex index;

        Reading(SessionLogReader log, ChunkIndex index) {
            this.log = log;
            this.index = index;
        }

        /** Adds entries {@code low} to {@code high}, both included and both at hand. */
        void between(long low, LogEntry first, long high, LogEntry last) throws StoreException {
            if (first.hasChunk() && last.hasChunk()) {
                ChunkRun head = run(first);
                ChunkRun all = head.longer(high - low - 1);
                if (low < high && all.continues(run(last))) {
                    index = index.with(head.longer(high - low), last.getChunk());
                    return;
                }
            }
            if (low == high) {
                index = index.with(first);
            } else if (low + 1 == high) {
                index = index.with(first).with(last);
            } else {
                long middle = (low + high) >>> 1;
                between(low, first, middle, log.entry(middle));
                between(middle + 1, log.entry(middle + 1), high, last);
            }
        }
    }
}
