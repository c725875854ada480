package io.reelfleet.gateway.hls;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a media playlist as strictly as RFC 8216 has it, and says what a player would play.
 *
 * @param mediaSequence of the first segment
 * @param targetDuration seconds
 * @param segments in order
 * @param ended whether it has EXT-X-ENDLIST
 * @param type EXT-X-PLAYLIST-TYPE, or empty
 */
public record PlaylistCheck(
        long mediaSequence,
        long discontinuitySequence,
        long targetDuration,
        List<Segment> segments,
        boolean ended,
        String type) {
    private static final Pattern TAG = Pattern.compile("#(EXT[A-Z0-9-]*)(?::(.*))?");
    private static final Set<String> ONCE =
            Set.of(
                    "EXT-X-VERSION",
                    "EXT-X-TARGETDURATION",
                    "EXT-X-MEDIA-SEQUENCE",
                    "EXT-X-DISCONTINUITY-SEQUENCE",
                    "EXT-X-ENDLIST",
                    "EXT-X-PLAYLIST-TYPE",
                    "EXT-X-INDEPENDENT-SEGMENTS",
                    "EXT-X-SERVER-CONTROL");

    /** One segment and what goes before it. */
    public record Segment(String uri, double seconds, String init, boolean discontinuity) {}

    /** Parses and checks. */
    public static PlaylistCheck of(String text) {
        List<String> lines = text.lines().toList();
        assertThat(lines.getFirst()).isEqualTo("#EXTM3U");
        assertThat(text).endsWith("\n");
        Set<String> seen = new HashSet<>();
        List<Segment> segments = new ArrayList<>();
        long version = 1;
        long sequence = 0;
        long discontinuities = 0;
        long target = -1;
        boolean ended = false;
        String type = "";
        Double seconds = null;
        String init = null;
        boolean discontinuity = false;
        for (String line : lines.subList(1, lines.size())) {
            assertThat(ended).as("nothing follows EXT-X-ENDLIST but %s", line).isFalse();
            Matcher tag = TAG.matcher(line);
            if (!tag.matches()) {
                assertThat(line).doesNotStartWith("#").isNotBlank();
                assertThat(seconds).as("EXTINF before %s", line).isNotNull();
                assertThat(init).as("EXT-X-MAP before %s", line).isNotNull();
                assertThat(Math.round(seconds)).isLessThanOrEqualTo(target);
                segments.add(new Segment(line, seconds, init, discontinuity));
                seconds = null;
                discontinuity = false;
                continue;
            }
            String name = tag.group(1);
            String value = tag.group(2);
            if (ONCE.contains(name)) {
                assertThat(seen.add(name)).as("%s only once", name).isTrue();
            }
            switch (name) {
                case "EXT-X-VERSION" -> version = Long.parseLong(value);
                case "EXT-X-TARGETDURATION" -> target = Long.parseLong(value);
                case "EXT-X-MEDIA-SEQUENCE" -> {
                    assertThat(segments).isEmpty();
                    sequence = Long.parseLong(value);
                }
                case "EXT-X-DISCONTINUITY-SEQUENCE" -> {
                    assertThat(segments).isEmpty();
                    assertThat(discontinuity).isFalse();
                    discontinuities = Long.parseLong(value);
                }
                case "EXTINF" -> seconds = Double.valueOf(value.substring(0, value.indexOf(',')));
                case "EXT-X-MAP" -> init = value.replaceAll("URI=\"([^\"]+)\"", "$1");
                case "EXT-X-DISCONTINUITY" -> discontinuity = true;
                case "EXT-X-ENDLIST" -> ended = true;
                case "EXT-X-PLAYLIST-TYPE" -> type = value;
                case "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-SERVER-CONTROL" ->
                        assertThat(segments).isEmpty();
                default -> throw new AssertionError("unknown tag " + line);
            }
        }
        assertThat(version).as("EXT-X-MAP needs version 6").isGreaterThanOrEqualTo(6);
        assertThat(target).as("EXT-X-TARGETDURATION is there").isPositive();
        String before = null;
        for (Segment segment : segments) {
            if (before != null && !before.equals(segment.init())) {
                assertThat(segment.discontinuity()).as("a new init: %s", segment).isTrue();
            }
            before = segment.init();
        }
        return new PlaylistCheck(sequence, discontinuities, target, segments, ended, type);
    }

    /** Checks what must hold between a playlist and the same one fetched later. */
    public void checkLater(PlaylistCheck later) {
        assertThat(later.targetDuration).isEqualTo(targetDuration);
        assertThat(later.mediaSequence).isGreaterThanOrEqualTo(mediaSequence);
        if (type.equals("EVENT")) {
            assertThat(later.mediaSequence).isEqualTo(mediaSequence);
        }
        int gone = (int) (later.mediaSequence - mediaSequence);
        for (int i = gone; i < segments.size(); i++) {
            Segment mine = segments.get(i);
            Segment theirs = later.segments.get(i - gone);
            assertThat(theirs.uri()).isEqualTo(mine.uri());
            assertThat(theirs.seconds()).isEqualTo(mine.seconds());
            assertThat(theirs.init()).isEqualTo(mine.init());
        }
    }

    /** Discontinuity number of the last segment. */
    public long lastDiscontinuity() {
        return discontinuitySequence + segments.stream().filter(Segment::discontinuity).count();
    }

    /** Seconds of all segments. */
    public double seconds() {
        return segments.stream().mapToDouble(Segment::seconds).sum();
    }
}
