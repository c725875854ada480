package io.reelfleet.cli.demo;

import static io.reelfleet.cli.demo.Svg.f;

import com.fasterxml.jackson.databind.JsonNode;
import io.reelfleet.cli.demo.Results.Film;
import io.reelfleet.cli.demo.SessionRecording.StoredChunk;
import io.reelfleet.replay.Burst;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** {@code report.html}: one file that needs no other, save the videos beside it. */
final class Report {
    private static final int WORKER_COLOURS = 8;
    private static final int LANES_HEIGHT = 720;

    private final DemoRecord record;
    private final List<Film> films;
    private final JsonNode summary;
    private final List<String> workers = new ArrayList<>();

    Report(DemoRecord record, List<Film> films, JsonNode summary) {
        this.record = record;
        this.films = films;
        this.summary = summary;
        for (Film film : films) {
            for (StoredChunk chunk : film.chunks()) {
                if (!workers.contains(chunk.worker())) {
                    workers.add(chunk.worker());
                }
            }
        }
    }

    String html() throws IOException {
        StringBuilder page = new StringBuilder();
        page.append("<!doctype html><html lang='en'><head><meta charset='utf-8'>");
        page.append(
                "<meta name='viewport' content='width=device-width,initial-scale=1'><title>Reelfleet demo</title><style>");
        page.append(style());
        page.append("</style></head><body><main>");
        head(page);
        figures(page);
        sessions(page);
        workers(page);
        latency(page);
        moves(page);
        lanes(page);
        strips(page);
        table(page);
        foot(page);
        return page.append("</main></body></html>\n").toString();
    }

    private static String style() throws IOException {
        try (InputStream css = Report.class.getResourceAsStream("report.css")) {
            return new String(css.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private void head(StringBuilder page) {
        String when =
                DateTimeFormatter.ofPattern("d MMMM yyyy, HH:mm 'UTC'", java.util.Locale.ENGLISH)
                        .format(record.begin().atZone(ZoneOffset.UTC));
        String source =
                record.settings()
                        .trace()
                        .map(p -> "trace " + p.getFileName())
                        .orElse("generated sessions, seed " + record.settings().seed());
        page.append(
                f(
                        "<header><h1>Reelfleet demo</h1><p class='sub'>%s &middot; %s &middot; <b>%s</b> &middot; %.0f s%s &middot; model %s</p></header>",
                        when,
                        escape(source),
                        escape(record.fitted().sentence()),
                        record.seconds(),
                        record.stopped() ? " (stopped early)" : "",
                        escape(record.settings().model())));
    }

    private void figures(StringBuilder page) {
        page.append("<section class='cards'>");
        long chunks = summary.get("chunks_generated").asLong();
        card(
                page,
                f("%,d", films.size()),
                "sessions",
                f("of %,d in the trace", record.fitted().sessionsInTrace()));
        card(
                page,
                f("%,d", chunks),
                "chunks",
                f("%.0f s of video", films.stream().mapToDouble(Film::seconds).sum()));
        card(
                page,
                f("%.2f %%", 100 * summary.get("late_share").asDouble()),
                "late chunks",
                f(
                        "%,d later than %s after they were due",
                        summary.get("chunks_late").asLong(),
                        time(summary.get("latency_target_s").asDouble())));
        card(
                page,
                time(summary.get("chunk_latency_p99_s").asDouble()),
                "chunk latency p99",
                f(
                        "p50 %s, worst %s",
                        time(summary.get("chunk_latency_p50_s").asDouble()),
                        time(summary.get("chunk_latency_worst_s").asDouble())));
        double all = record.settings().workers() * record.seconds();
        card(
                page,
                f("%,.0f", summary.get("worker_seconds").asDouble()),
                "worker-seconds",
                f(
                        "%.0f %% of %d workers all the time",
                        all == 0 ? 0 : 100 * summary.get("worker_seconds").asDouble() / all,
                        record.settings().workers()));
        card(
                page,
                f(
                        "%d / %d",
                        summary.get("sessions_suspended").asLong(),
                        summary.get("sessions_resumed").asLong()),
                "suspends / resumes",
                f("%d migrations", summary.get("migrations").asLong()));
        page.append("</section>");
        page.append(
                f(
                        "<p class='note'>Measured before: a chunk of %.2f s of video takes %s with all %d workers busy, so one worker carries"
                                + " C = %d active sessions.</p>",
                        record.calibration().chunkInterval(),
                        time(record.calibration().chunkTime()),
                        record.settings().workers(),
                        record.calibration().capacity()));
    }

    private static void card(StringBuilder page, String value, String name, String more) {
        page.append(
                f(
                        "<div class='card'><b>%s</b><span>%s</span><small>%s</small></div>",
                        value, name, more));
    }

    private void sessions(StringBuilder page) {
        int capacity = record.calibration().capacity();
        double most =
                record.samples().stream()
                        .mapToDouble(
                                s ->
                                        Math.max(
                                                Math.max(s.active(), s.queued()),
                                                Math.max(
                                                        s.suspended(),
                                                        s.workersReady() * capacity)))
                        .max()
                        .orElse(1);
        Svg svg = new Svg(260, record.seconds(), Math.max(1, most), "");
        svg.steps("capacity", record.samples(), s -> s.workersReady() * capacity, false);
        svg.steps("suspended", record.samples(), Sample::suspended, false);
        svg.steps("active", record.samples(), Sample::active, true);
        svg.steps("queued", record.samples(), Sample::queued, true);
        chart(
                page,
                "Sessions",
                "Active ones want chunks; queued ones wait for a worker; suspended ones rest in host memory.",
                legend(
                        "active",
                        "active",
                        "queued",
                        "queued",
                        "suspended",
                        "suspended",
                        "capacity",
                        "room (ready workers &times; C)"),
                svg);
    }

    private void workers(StringBuilder page) {
        Svg svg = new Svg(180, record.seconds(), record.settings().workers(), "");
        svg.steps("ready", record.samples(), Sample::workersReady, true);
        svg.steps("wanted", record.samples(), Sample::workersWanted, false);
        chart(
                page,
                "Workers",
                "What the policy wants and what is ready: the gap is start-up time.",
                legend("ready", "ready", "wanted", "wanted"),
                svg);
    }

    private void latency(StringBuilder page) {
        List<LatencyWindows.Window> windows = LatencyWindows.of(record, films);
        double target = record.pool().getLatencyTargetS();
        double most =
                Math.max(
                        target * 1.15,
                        windows.stream().mapToDouble(w -> w.latencies().worst()).max().orElse(1));
        Svg svg = new Svg(260, record.seconds(), most, " s");
        svg.level("target", target, "target " + time(target));
        svg.curve(
                "worst",
                windows.stream()
                        .map(w -> new double[] {w.middle(), w.latencies().worst()})
                        .toList());
        svg.curve(
                "p99",
                windows.stream().map(w -> new double[] {w.middle(), w.latencies().p99()}).toList());
        svg.curve(
                "p50",
                windows.stream().map(w -> new double[] {w.middle(), w.latencies().p50()}).toList());
        chart(
                page,
                "Chunk latency",
                "From when a chunk was due until it was stored and could be watched.",
                legend("p50", "p50", "p99", "p99", "worst", "worst", "target", "target"),
                svg);
    }

    /** How long each moved session stood still, beside what a viewer could see of it. */
    private void moves(StringBuilder page) {
        List<Moved> moves = Moved.of(record, films);
        if (moves.isEmpty()) {
            page.append(
                    "<section><h2>Moves</h2><p class='note'>No session had to change its worker.</p></section>");
            return;
        }
        double interval = record.calibration().chunkInterval();
        double most = interval * 1.1;
        for (Moved m : moves) {
            most = Math.max(most, m.stoodStillMs().orElse(0.0) * 1.05 / 1000);
            most = Math.max(most, m.gapS().orElse(0.0) * 1.05);
        }
        Svg svg = new Svg(220, record.seconds(), most, " s");
        svg.level("target", interval, "chunk interval " + time(interval));
        for (Moved m : moves) {
            m.gapS().ifPresent(gap -> svg.raw(dot("gap", svg.x(m.at()), svg.y(gap), 4)));
            m.stoodStillMs()
                    .ifPresent(
                            still ->
                                    svg.raw(dot("still", svg.x(m.at()), svg.y(still / 1000), 4.5)));
        }
        page.append(
                f(
                        "<section><h2>Moves</h2><p class='note'>Sessions that changed their worker while they streamed. Stood still: p50 <b>%s</b>, p95 %s, worst %s;"
                                + " a chunk lasts %s. Between the chunks before and after a move, as they could be watched: p50 %s, worst %s.</p>",
                        ms(summary.get("move_stood_still_p50_ms").asDouble()),
                        ms(summary.get("move_stood_still_p95_ms").asDouble()),
                        ms(summary.get("move_stood_still_worst_ms").asDouble()),
                        time(interval),
                        ms(summary.get("move_chunk_gap_p50_ms").asDouble()),
                        ms(summary.get("move_chunk_gap_worst_ms").asDouble())));
        page.append(
                legend(
                        "still",
                        "session stood still",
                        "gap",
                        "between the chunks around the move",
                        "target",
                        "chunk interval"));
        page.append(svg.html("Moves"));
        page.append(
                "<div class='scroll'><table><thead><tr><th class='n'>at<th>session<th>from<th>to<th>why<th>by<th class='n'>sent<th class='n'>still"
                        + "<th class='n'>whole<th class='n'>chunk gap<th>outcome</tr></thead><tbody>");
        for (Moved m : moves) {
            boolean known = m.told().hasFigures();
            page.append(
                    f(
                            "<tr><td class='n'>%.1f s<td>%s<td>%s<td>%s<td>%s<td>%s<td class='n'>%s<td class='n'>%s<td class='n'>%s<td class='n'>%s<td>%s</tr>",
                            m.at(),
                            escape(m.told().getSessionName()),
                            escape(m.told().getFrom()),
                            escape(m.told().getTo()),
                            escape(m.told().getReason()),
                            escape(m.told().getTransport()),
                            known
                                    ? f(
                                            "%.1f + %.1f MB",
                                            m.told().getFigures().getBytesBefore() / 1e6,
                                            m.told().getFigures().getBytesAfter() / 1e6)
                                    : "&ndash;",
                            known ? ms(m.told().getFigures().getStoodStillMs()) : "&ndash;",
                            known ? ms(m.told().getFigures().getDurationMs()) : "&ndash;",
                            m.gapS().map(s -> ms(s * 1000)).orElse("&ndash;"),
                            escape(
                                    m.told().getSentence().isEmpty()
                                            ? m.told().getOutcome()
                                            : m.told().getOutcome()
                                                    + ": "
                                                    + m.told().getSentence())));
        }
        page.append(
                "</tbody></table></div><p class='note'>Sent: while the session went on + while it stood still. No chunk gap: the session did"
                        + " not stream then.</p></section>");
    }

    private static String dot(String style, double x, double y, double radius) {
        return f("<circle class='%s' cx='%.1f' cy='%.1f' r='%.1f'/>", style, x, y, radius);
    }

    private static String ms(double ms) {
        return f("%,.0f ms", ms);
    }

    /**
     * A lane per session: when it was wanted, and each chunk where it was stored, in its worker's
     * colour.
     */
    private void lanes(StringBuilder page) {
        int count = Math.max(1, films.size());
        double lane = Math.clamp(LANES_HEIGHT / (double) count, 4, 20);
        int height = (int) Math.ceil(lane * count) + 12 + 34;
        Svg svg = new Svg(height, record.seconds(), 0, "");
        for (int i = 0; i < films.size(); i++) {
            Film film = films.get(i);
            double y = 12 + i * lane;
            double thick = lane * 0.7;
            double opens = film.driven().trace().opens();
            double closes = Math.min(film.driven().trace().closes(), record.seconds());
            if (lane >= 12) {
                String name = film.driven().name().replaceFirst("^demo-", "");
                svg.raw(
                        f(
                                "<text class='tick' x='48' y='%.1f' text-anchor='end'>%s</text>",
                                y + lane * 0.65,
                                escape(name.length() > 9 ? name.substring(0, 8) + "…" : name)));
            }
            svg.raw(
                    f(
                            "<g><title>%s: %s</title><rect class='open' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>",
                            escape(film.driven().name()),
                            escape(film.driven().prompt()),
                            svg.x(opens),
                            y + lane * 0.42,
                            Math.max(0, svg.x(closes) - svg.x(opens)),
                            lane * 0.1));
            for (Burst burst : film.driven().trace().bursts()) {
                if (burst.start() < record.seconds()) {
                    svg.raw(
                            f(
                                    "<rect class='burst' x='%.1f' y='%.1f' width='%.1f' height='%.1f' rx='2'/>",
                                    svg.x(burst.start()),
                                    y + lane * 0.1,
                                    svg.x(burst.end()) - svg.x(burst.start()),
                                    thick));
                }
            }
            for (StoredChunk chunk : film.chunks()) {
                double at = Duration.between(record.begin(), chunk.storedAt()).toMillis() / 1000.0;
                svg.raw(
                        f(
                                "<rect class='w%d%s' x='%.1f' y='%.1f' width='3' height='%.1f' rx='1'/>",
                                workers.indexOf(chunk.worker()) % WORKER_COLOURS,
                                chunk.late() ? " late" : "",
                                svg.x(at) - 1.5,
                                y + lane * 0.1,
                                thick));
            }
            svg.raw("</g>");
        }
        List<String> legend = new ArrayList<>(List.of("burst", "wanted"));
        for (int i = 0; i < workers.size(); i++) {
            legend.add("w" + i % WORKER_COLOURS);
            legend.add(escape(workers.get(i)));
        }
        chart(
                page,
                "Every session, every chunk",
                "A lane per session: shaded where it wants chunks, a mark where one was stored, in its worker's colour; late ones have a red rim.",
                legend(legend.toArray(String[]::new)),
                svg);
    }

    private static void chart(
            StringBuilder page, String title, String sentence, String legend, Svg svg) {
        page.append(
                f(
                        "<section><h2>%s</h2><p class='note'>%s</p>%s%s</section>",
                        title, sentence, legend, svg.html(title)));
    }

    private static String legend(String... stylesAndNames) {
        StringBuilder html = new StringBuilder("<p class='legend'>");
        for (int i = 0; i + 1 < stylesAndNames.length; i += 2) {
            html.append(
                    f(
                            "<span><i class='%s'></i>%s</span>",
                            stylesAndNames[i], stylesAndNames[i + 1]));
        }
        return html.append("</p>").toString();
    }

    private void strips(StringBuilder page) {
        page.append(
                "<section><h2>What was generated</h2><p class='note'>Frames from the first to the last of each session; the video plays on a click.</p><div class='strips'>");
        for (Film film : films) {
            if (film.path().isEmpty()) {
                continue;
            }
            page.append(
                    f(
                            "<figure><a href='%s'><img loading='lazy' alt='frames of %s' src='data:image/png;base64,%s'></a>"
                                    + "<figcaption><b>%s</b><span>%d chunks, %.1f s%s</span></figcaption></figure>",
                            escape(film.path()),
                            escape(film.driven().name()),
                            Base64.getEncoder().encodeToString(film.strip()),
                            escape(film.driven().prompt()),
                            film.chunks().size(),
                            film.seconds(),
                            film.moves() > 0
                                    ? f(
                                            ", %d %s",
                                            film.moves(), film.moves() == 1 ? "move" : "moves")
                                    : ""));
        }
        page.append("</div></section>");
    }

    private void table(StringBuilder page) {
        page.append(
                "<section><h2>Sessions</h2><div class='scroll'><table><thead><tr><th>session<th>prompt<th class='n'>bursts<th class='n'>chunks"
                        + "<th class='n'>late<th class='n'>worst<th class='n'>workers<th class='n'>frames<th>video</tr></thead><tbody>");
        for (Film film : films) {
            Latencies latencies =
                    Latencies.of(film.chunks().stream().map(StoredChunk::latency).toList());
            long used = film.chunks().stream().map(StoredChunk::worker).distinct().count();
            page.append(
                    f(
                            "<tr><td>%s<td>%s<td class='n'>%d<td class='n'>%d<td class='n'>%d<td class='n'>%s<td class='n'>%d<td class='n'>%d<td>%s</tr>",
                            escape(film.driven().name()),
                            escape(film.driven().prompt()),
                            film.driven().trace().bursts().size(),
                            film.chunks().size(),
                            film.late(),
                            film.chunks().isEmpty() ? "&ndash;" : time(latencies.worst()),
                            used,
                            film.frames(),
                            film.path().isEmpty()
                                    ? "no chunk was generated"
                                    : f(
                                            "<a href='%s'>mp4, %.1f s</a>",
                                            escape(film.path()), film.seconds())));
        }
        page.append("</tbody></table></div></section>");
    }

    private void foot(StringBuilder page) {
        page.append(
                "<footer><p>Chunks, latencies and frames are counted in the session logs and checked by decoding the videos; sessions, workers,"
                        + " suspends and worker-seconds are the operator's. The same numbers for programs: <a href='summary.json'>summary.json</a>."
                        + " Plots: <a href='sessions.png'>sessions</a>, <a href='workers.png'>workers</a>, <a href='latency.png'>latency</a>.</p>");
        record.refusals()
                .forEach(
                        r ->
                                page.append("<p class='refused'>Refused: ")
                                        .append(escape(r))
                                        .append("</p>"));
        page.append("</footer>");
    }

    private static String time(double seconds) {
        return seconds < 1 ? f("%.0f ms", seconds * 1000) : f("%.2f s", seconds);
    }

    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("'", "&#39;")
                .replace("\"", "&quot;");
    }
}
