package io.reelfleet.operator.fleet;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads what workers say went wrong. */
final class WorkerProblems {
    private static final Pattern EPOCH = Pattern.compile("epoch (\\d{1,18})\\b");

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
     * The highest epoch in a {@code STALE_EPOCH ...} answer: the one that is in force; 0 when it
     * names none. Sessions and workers may have numbers in their names.
     */
    static long epochIn(String sentence) {
        long highest = 0;
        Matcher m = EPOCH.matcher(sentence);
        while (m.find()) {
            highest = Math.max(highest, Long.parseLong(m.group(1)));
        }
        return highest;
    }
}
