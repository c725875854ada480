package io.reelfleet.operator.fleet;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads what workers say went wrong. */
final class WorkerProblems {
    private static final Pattern NUMBER = Pattern.compile("\\d+");

    private WorkerProblems() {}

    /** One word for the sentence of a worker that cannot start. */
    static String reason(String sentence) {
        if (sentence.startsWith("StoreUnsafe")) {
            return "StoreUnsafe";
        }
        String text = sentence.toLowerCase(java.util.Locale.ROOT);
        if (text.contains("model") || text.contains("tensor")) {
            return "ModelInvalid";
        }
        return text.contains("store") ? "StoreFails" : "WorkersFail";
    }

    /**
     * The highest number in a {@code STALE_EPOCH ...} answer: the epoch that is in force; 0 when it
     * names none.
     */
    static long epochIn(String sentence) {
        long highest = 0;
        Matcher m = NUMBER.matcher(sentence);
        while (m.find()) {
            if (m.group().length() < 19) {
                highest = Math.max(highest, Long.parseLong(m.group()));
            }
        }
        return highest;
    }
}
