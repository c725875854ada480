package io.reelfleet.crds;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The durations that people write in resources: {@code 750ms}, {@code 30s}, {@code 5m}, {@code
 * 1h30m}.
 */
public final class Durations {
    private static final Pattern PATTERN = Pattern.compile(Sentences.DURATION_PATTERN);

    private Durations() {}

    /**
     * Reads one.
     *
     * @throws IllegalArgumentException in a sentence, when it is none
     */
    public static Duration parse(String text) {
        Matcher m = PATTERN.matcher(text);
        if (text.isEmpty() || !m.matches()) {
            throw new IllegalArgumentException("\"" + text + "\" " + Sentences.DURATION);
        }
        return Duration.ofHours(number(m.group(1), 1))
                .plusMinutes(number(m.group(2), 1))
                .plusSeconds(number(m.group(3), 1))
                .plusMillis(number(m.group(4), 2));
    }

    /** Writes one to the millisecond, as {@link #parse} reads it; {@code 0s} for none. */
    public static String format(Duration duration) {
        StringBuilder text = new StringBuilder();
        append(text, duration.toHours(), "h");
        append(text, duration.toMinutesPart(), "m");
        append(text, duration.toSecondsPart(), "s");
        append(text, duration.toMillisPart(), "ms");
        return text.isEmpty() ? "0s" : text.toString();
    }

    static boolean valid(String text) {
        return !text.isEmpty() && PATTERN.matcher(text).matches();
    }

    private static void append(StringBuilder text, long amount, String unit) {
        if (amount > 0) {
            text.append(amount).append(unit);
        }
    }

    private static long number(String group, int unitLength) {
        return group == null ? 0 : Long.parseLong(group, 0, group.length() - unitLength, 10);
    }
}
