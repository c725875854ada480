package io.reelfleet.replay.sim;

import io.reelfleet.replay.TraceException;
import io.reelfleet.scheduler.LatencyProfile;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Reads L(n) as an engine measured it: {@code n,seconds} on each line. */
public final class MeasuredLatency {
    private static final int MOST_SESSIONS = 1_000;

    private MeasuredLatency() {}

    /**
     * Reads a file; between measured loads the latency is interpolated, below the first it is in
     * proportion, and it never falls with n (a fall is noise and is levelled).
     *
     * @throws TraceException one sentence with file, line and field
     */
    public static LatencyProfile read(Path file) throws TraceException {
        TreeMap<Integer, Double> points = new TreeMap<>();
        try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            String line;
            int number = 0;
            while ((line = in.readLine()) != null) {
                number++;
                line = line.strip();
                if (line.isEmpty() || (number == 1 && line.equals("n,seconds"))) {
                    continue;
                }
                point(file, number, line, points);
            }
        } catch (NoSuchFileException e) {
            throw new TraceException("--latency: " + file + " does not exist");
        } catch (CharacterCodingException e) {
            throw new TraceException("--latency: " + file + " is not a text file in UTF-8");
        } catch (IOException e) {
            throw new TraceException("--latency: " + file + " cannot be read: " + e.getMessage());
        }
        if (points.isEmpty()) {
            throw new TraceException(
                    "--latency: " + file + " is empty; write n,seconds on each line");
        }
        double[] millis = new double[points.lastKey()];
        double before = 0;
        for (int n = 1; n <= millis.length; n++) {
            Map.Entry<Integer, Double> low = points.floorEntry(n);
            Map.Entry<Integer, Double> high = points.ceilingEntry(n);
            int from = low == null ? 0 : low.getKey();
            double least = low == null ? 0 : low.getValue();
            double share = high.getKey() == from ? 0 : (n - from) / (double) (high.getKey() - from);
            before = Math.max(before, 1000 * (least + share * (high.getValue() - least)));
            millis[n - 1] = before;
        }
        return new LatencyProfile(millis);
    }

    private static void point(Path file, int number, String line, Map<Integer, Double> points)
            throws TraceException {
        String[] f = line.split(",", -1);
        String where = "--latency: " + file + " line " + number + ": ";
        if (f.length != 2) {
            throw new TraceException(where + "write two fields (n,seconds)");
        }
        int n;
        try {
            n = Integer.parseInt(f[0].strip());
        } catch (NumberFormatException e) {
            n = 0;
        }
        if (n < 1 || n > MOST_SESSIONS) {
            throw new TraceException(
                    where + "n: write a number of sessions from 1 to " + MOST_SESSIONS);
        }
        double seconds;
        try {
            seconds = Double.parseDouble(f[1].strip());
        } catch (NumberFormatException e) {
            seconds = Double.NaN;
        }
        if (!(seconds > 0 && seconds <= 3_600)) {
            throw new TraceException(where + "seconds: write more than 0 and at most 3600");
        }
        if (points.put(n, seconds) != null) {
            throw new TraceException(where + "n: " + n + " is there twice");
        }
    }
}
