package io.reelfleet.cli.demo;

import io.reelfleet.cli.demo.Results.Film;
import io.reelfleet.cli.demo.SessionRecording.StoredChunk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Chunk latency over time: the chunks stored in each of a row of equal windows. */
final class LatencyWindows {
    private static final int MOST = 60;
    private static final double SHORTEST_S = 3;

    private LatencyWindows() {}

    /**
     * One window; windows without chunks are left out.
     *
     * @param middle seconds since the demo's begin
     * @param latencies of its chunks
     */
    record Window(double middle, Latencies latencies) {}

    static List<Window> of(DemoRecord record, List<Film> films) {
        double width = Math.max(SHORTEST_S, record.seconds() / MOST);
        int count = (int) Math.ceil(record.seconds() / width) + 1;
        List<List<Double>> seconds = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            seconds.add(new ArrayList<>());
        }
        for (Film film : films) {
            for (StoredChunk chunk : film.chunks()) {
                double at = Duration.between(record.begin(), chunk.storedAt()).toMillis() / 1000.0;
                seconds.get((int) Math.clamp(at / width, 0, count - 1)).add(chunk.latency());
            }
        }
        List<Window> windows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            if (!seconds.get(i).isEmpty()) {
                windows.add(new Window((i + 0.5) * width, Latencies.of(seconds.get(i))));
            }
        }
        return windows;
    }
}
