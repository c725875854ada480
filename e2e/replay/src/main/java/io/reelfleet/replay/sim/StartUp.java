package io.reelfleet.replay.sim;

import io.reelfleet.replay.TraceException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.random.RandomGenerator;

/**
 * How long a GPU takes from its request until it serves: always the same, or drawn from
 * measurements.
 */
public final class StartUp {
    private static final int LIMIT = 1_000_000;
    private final long[] millis;

    private StartUp(long[] millis) {
        this.millis = millis;
    }

    /** Always so many seconds. */
    public static StartUp fixed(double seconds) {
        return new StartUp(new long[] {Math.round(seconds * 1000)});
    }

    /**
     * Reads measurements: seconds, one number on each line.
     *
     * @throws TraceException one sentence with file and line
     */
    public static StartUp sampledFrom(Path file) throws TraceException {
        long[] millis = new long[64];
        int n = 0;
        try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            String line;
            int number = 0;
            while ((line = in.readLine()) != null) {
                number++;
                line = line.strip();
                if (line.isEmpty()) {
                    continue;
                }
                if (n == LIMIT) {
                    throw new TraceException(
                            file + " line " + number + ": more than " + LIMIT + " start-up times");
                }
                if (n == millis.length) {
                    millis = Arrays.copyOf(millis, 2 * n);
                }
                millis[n++] = millis(file, number, line);
            }
        } catch (NoSuchFileException e) {
            throw new TraceException("--startup: " + file + " does not exist");
        } catch (CharacterCodingException e) {
            throw new TraceException("--startup: " + file + " is not a text file in UTF-8");
        } catch (IOException e) {
            throw new TraceException("--startup: " + file + " cannot be read: " + e.getMessage());
        }
        if (n == 0) {
            throw new TraceException(
                    "--startup: " + file + " is empty; write one number of seconds on each line");
        }
        return new StartUp(Arrays.copyOf(millis, n));
    }

    private static long millis(Path file, int line, String text) throws TraceException {
        double seconds;
        try {
            seconds = Double.parseDouble(text);
        } catch (NumberFormatException e) {
            seconds = Double.NaN;
        }
        if (!(seconds >= 0 && seconds <= 86_400)) {
            throw new TraceException(
                    "--startup: %s line %d: write seconds from 0 to 86400, not \"%s\""
                            .formatted(
                                    file,
                                    line,
                                    text.length() > 40 ? text.substring(0, 40) + "..." : text));
        }
        return Math.round(seconds * 1000);
    }

    /** The next GPU's start-up time, milliseconds. */
    long next(RandomGenerator random) {
        return millis.length == 1 ? millis[0] : millis[random.nextInt(millis.length)];
    }

    /** The mean, milliseconds. */
    public long meanMillis() {
        return Math.round(Arrays.stream(millis).average().orElse(0));
    }
}
