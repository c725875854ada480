package io.reelfleet.cli.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.demo.Driver.Driven;
import io.reelfleet.cli.demo.SessionRecording.StoredChunk;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Turns session logs and samples into what a demo leaves: videos, {@code summary.json}, plots,
 * {@code report.html}.
 */
final class Results {
    private static final int PICTURES = 12;

    private final DemoRecord record;
    private final Path store;
    private final Path out;

    /**
     * A session with its video.
     *
     * @param driven as it was opened
     * @param chunks as its log has them
     * @param moves how often it went to another worker
     * @param arrivals the moves that its log names
     * @param path of the video, relative to the folder of the report; empty when it has no chunk
     * @param frames of video
     * @param seconds of video
     * @param strip a few frames as PNG
     */
    record Film(
            Driven driven,
            List<StoredChunk> chunks,
            int moves,
            List<SessionRecording.Arrival> arrivals,
            String path,
            long frames,
            double seconds,
            byte[] strip) {
        long late() {
            return chunks.stream().filter(StoredChunk::late).count();
        }
    }

    Results(DemoRecord record, Path store, Path out) {
        this.record = record;
        this.store = store;
        this.out = out;
    }

    void write(PrintWriter terminal) throws IOException {
        List<Film> films = films();
        Latencies latencies =
                Latencies.of(
                        films.stream()
                                .flatMap(f -> f.chunks().stream())
                                .map(StoredChunk::latency)
                                .toList());
        ObjectNode summary = summary(films, latencies);
        Files.writeString(
                out.resolve("summary.json"),
                new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(summary)
                        + "\n");
        Plots.write(record, films, out);
        Files.writeString(out.resolve("report.html"), new Report(record, films, summary).html());

        terminal.printf(
                Locale.ROOT,
                "%nDone: %d sessions, %d chunks, %d late (%.2f %%), latency p50 %.0f ms, p99 %.0f ms, worst %.0f ms%n",
                summary.get("sessions").asInt(),
                summary.get("chunks_generated").asLong(),
                summary.get("chunks_late").asLong(),
                100 * summary.get("late_share").asDouble(),
                1000 * latencies.p50(),
                1000 * latencies.p99(),
                1000 * latencies.worst());
        terminal.printf(
                Locale.ROOT,
                "      workers: at most %d, %.0f s together; sessions suspended: %d, resumed: %d, moved: %d; %s%n",
                summary.get("workers_peak").asInt(),
                summary.get("worker_seconds").asDouble(),
                summary.get("sessions_suspended").asLong(),
                summary.get("sessions_resumed").asLong(),
                summary.get("migrations").asLong(),
                record.fitted().sentence());
        if (!summary.get("moves").isEmpty()) {
            terminal.printf(
                    Locale.ROOT,
                    "      a move made its session stand still for %.0f ms (p50; p95 %.0f ms, worst %.0f ms);"
                            + " a chunk lasts %.0f ms%n",
                    summary.get("move_stood_still_p50_ms").asDouble(),
                    summary.get("move_stood_still_p95_ms").asDouble(),
                    summary.get("move_stood_still_worst_ms").asDouble(),
                    1000 * record.calibration().chunkInterval());
        }
        terminal.println("  report   " + out.resolve("report.html"));
        terminal.println("  summary  " + out.resolve("summary.json"));
        terminal.println(
                "  videos   "
                        + out.resolve("videos")
                        + " ("
                        + films.stream().filter(f -> !f.path().isEmpty()).count()
                        + ")");
        terminal.flush();
    }

    private List<Film> films() throws IOException {
        Path videos = Files.createDirectories(out.resolve("videos"));
        List<Film> films = new ArrayList<>();
        for (Driven driven : record.sessions()) {
            SessionRecording recording = new SessionRecording(store, driven.uid()).readOn();
            if (recording.chunks().isEmpty()) {
                films.add(
                        new Film(
                                driven,
                                List.of(),
                                recording.moves(),
                                recording.arrivals(),
                                "",
                                0,
                                0,
                                new byte[0]));
                continue;
            }
            byte[] mp4 = recording.mp4();
            long frames = Mp4.frames(mp4);
            if (frames != recording.frames()) {
                throw new Failure(
                        "session "
                                + driven.name()
                                + ": its video holds "
                                + frames
                                + " frames, its log says "
                                + recording.frames());
            }
            Path file = videos.resolve(driven.name() + ".mp4");
            Files.write(file, mp4);
            FilmStrip strip = FilmStrip.of(file, frames, PICTURES);
            if (strip.framesDecoded() != frames) {
                throw new Failure(
                        file
                                + " holds "
                                + frames
                                + " frames, but only "
                                + strip.framesDecoded()
                                + " can be decoded");
            }
            films.add(
                    new Film(
                            driven,
                            recording.chunks(),
                            recording.moves(),
                            recording.arrivals(),
                            "videos/" + file.getFileName(),
                            frames,
                            recording.seconds(),
                            strip.png()));
        }
        return films;
    }

    private ObjectNode summary(List<Film> films, Latencies latencies) {
        ObjectNode json = new ObjectMapper().createObjectNode();
        long chunks = films.stream().mapToLong(f -> f.chunks().size()).sum();
        long late = films.stream().mapToLong(Film::late).sum();
        json.put(
                "trace",
                record.settings().trace().map(p -> p.getFileName().toString()).orElse("generator"));
        json.put("seed", record.settings().seed());
        json.put("model", record.settings().model());
        json.put("sessions", films.size());
        json.put("sessions_in_trace", record.fitted().sessionsInTrace());
        json.put("sessions_fitted", record.fitted().trace().sessions().size());
        json.put("time_compression", record.fitted().timeCompression());
        json.put("thinning", record.fitted().sentence());
        json.put("begin", record.begin().toString());
        json.put("seconds_asked", record.settings().seconds());
        json.put("seconds_driven", rounded(record.seconds()));
        json.put("stopped_early", record.stopped());
        json.put("workers_limit", record.settings().workers());
        json.put(
                "workers_peak",
                record.samples().stream().mapToInt(Sample::workersReady).max().orElse(0));
        json.put("worker_seconds", rounded(record.pool().getWorkerSeconds()));
        json.put("capacity_sessions_per_worker", record.calibration().capacity());
        json.put("chunk_interval_s", rounded(record.calibration().chunkInterval()));
        json.put("chunk_time_all_workers_busy_s", rounded(record.calibration().chunkTime()));
        json.put("latency_target_s", rounded(record.pool().getLatencyTargetS()));
        json.put("chunks_generated", chunks);
        json.put("chunks_late", late);
        json.put("late_share", chunks == 0 ? 0 : rounded(late / (double) chunks));
        json.put("chunk_latency_p50_s", rounded(latencies.p50()));
        json.put("chunk_latency_p99_s", rounded(latencies.p99()));
        json.put("chunk_latency_worst_s", rounded(latencies.worst()));
        json.put("sessions_suspended", record.pool().getSuspends());
        json.put("sessions_resumed", record.pool().getResumes());
        json.put("migrations", record.pool().getMigrations());
        json.put("sessions_without_chunks", films.stream().filter(f -> f.path().isEmpty()).count());
        moves(json, Moved.of(record, films));
        ArrayNode refusals = json.putArray("refusals");
        record.refusals().forEach(refusals::add);
        ArrayNode videos = json.putArray("videos");
        for (Film film : films) {
            if (film.path().isEmpty()) {
                continue;
            }
            ObjectNode video = videos.addObject();
            video.put("path", film.path());
            video.put("frames", film.frames());
            video.put("seconds", rounded(film.seconds()));
            video.put("session", film.driven().name());
            video.put("uid", film.driven().uid());
            video.put("prompt", film.driven().prompt());
            video.put("seed", film.driven().seed());
            video.put("chunks", film.chunks().size());
            video.put("chunks_late", film.late());
            video.put("moves", film.moves());
        }
        return json;
    }

    private void moves(ObjectNode json, List<Moved> moves) {
        Moved.Spread still =
                Moved.Spread.of(moves.stream().flatMap(m -> m.stoodStillMs().stream()).toList());
        Moved.Spread gap =
                Moved.Spread.of(
                        moves.stream().flatMap(m -> m.gapS().stream()).map(s -> s * 1000).toList());
        json.put("moves_in_logs", moves.stream().filter(Moved::inLog).count());
        json.put("move_stood_still_p50_ms", rounded(still.p50()));
        json.put("move_stood_still_p95_ms", rounded(still.p95()));
        json.put("move_stood_still_worst_ms", rounded(still.worst()));
        json.put("move_chunk_gap_p50_ms", rounded(gap.p50()));
        json.put("move_chunk_gap_p95_ms", rounded(gap.p95()));
        json.put("move_chunk_gap_worst_ms", rounded(gap.worst()));
        ArrayNode list = json.putArray("moves");
        for (Moved m : moves) {
            ObjectNode move = list.addObject();
            move.put("id", m.told().getId());
            move.put("at_s", rounded(m.at()));
            move.put("session", m.told().getSessionName());
            move.put("uid", m.told().getSessionUid());
            move.put("from", m.told().getFrom());
            move.put("to", m.told().getTo());
            move.put("reason", m.told().getReason());
            move.put("transport", m.told().getTransport());
            move.put("outcome", m.told().getOutcome());
            move.put("sentence", m.told().getSentence());
            move.put("in_log", m.inLog());
            if (m.told().hasFigures()) {
                move.put("bytes_before_cut", m.told().getFigures().getBytesBefore());
                move.put("bytes_after_cut", m.told().getFigures().getBytesAfter());
                move.put("stood_still_ms", rounded(m.told().getFigures().getStoodStillMs()));
                move.put("duration_ms", rounded(m.told().getFigures().getDurationMs()));
            }
            m.gapS().ifPresent(s -> move.put("chunk_gap_ms", rounded(s * 1000)));
        }
    }

    private static double rounded(double value) {
        return Math.round(value * 10_000) / 10_000.0;
    }
}
