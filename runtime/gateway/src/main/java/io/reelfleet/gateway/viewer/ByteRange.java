package io.reelfleet.gateway.viewer;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The part of a resource that a {@code Range} header asks for.
 *
 * @param start first byte
 * @param end the byte after the last
 */
record ByteRange(int start, int end) {
    private static final Pattern ONE = Pattern.compile("bytes=(\\d{0,9})-(\\d{0,9})");

    /** What a header asks for: nothing special, a part, or one that is not there. */
    sealed interface Asked {
        /** The whole; also for headers we do not understand, as RFC 9110 section 14.2 allows. */
        record Whole() implements Asked {}

        record Part(ByteRange range) implements Asked {}

        record Unsatisfiable() implements Asked {}
    }

    static Asked of(String header, int length) {
        if (header == null) {
            return new Asked.Whole();
        }
        Matcher one = ONE.matcher(header.strip());
        if (!one.matches() || (one.group(1).isEmpty() && one.group(2).isEmpty())) {
            return new Asked.Whole();
        }
        int start;
        int end;
        if (one.group(1).isEmpty()) {
            int last = Integer.parseInt(one.group(2));
            start = Math.max(0, length - last);
            end = length;
        } else {
            start = Integer.parseInt(one.group(1));
            end =
                    one.group(2).isEmpty()
                            ? length
                            : Math.min(length, Integer.parseInt(one.group(2)) + 1);
            if (!one.group(2).isEmpty() && Integer.parseInt(one.group(2)) < start) {
                return new Asked.Whole();
            }
        }
        return start >= end ? new Asked.Unsatisfiable() : new Asked.Part(new ByteRange(start, end));
    }
}
