package io.reelfleet.server;

import io.reelfleet.process.StartupProblem;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes as Kubernetes writes them. */
final class ByteSize {
    private static final Pattern SIZE = Pattern.compile("(\\d+)(Ki|Mi|Gi|Ti|k|M|G|T)?");
    private static final Map<String, Long> UNITS =
            Map.of(
                    "Ki",
                    1L << 10,
                    "Mi",
                    1L << 20,
                    "Gi",
                    1L << 30,
                    "Ti",
                    1L << 40,
                    "k",
                    1_000L,
                    "M",
                    1_000_000L,
                    "G",
                    1_000_000_000L,
                    "T",
                    1_000_000_000_000L);

    private ByteSize() {}

    /** Bytes of {@code 8Gi}, {@code 512M} or {@code 1000000}. */
    static long parse(String setting, String text) {
        Matcher matcher = SIZE.matcher(text.strip());
        if (!matcher.matches()) {
            throw new StartupProblem(
                    "%s is '%s': write bytes such as 8Gi or 512Mi".formatted(setting, text));
        }
        long unit = matcher.group(2) == null ? 1 : UNITS.get(matcher.group(2));
        try {
            return Math.multiplyExact(Long.parseLong(matcher.group(1)), unit);
        } catch (ArithmeticException | NumberFormatException e) {
            throw new StartupProblem(
                    "%s is '%s', which is more than there is".formatted(setting, text), e);
        }
    }
}
