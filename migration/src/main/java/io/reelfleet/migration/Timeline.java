package io.reelfleet.migration;

import io.reelfleet.api.log.v1.Stretch;
import java.util.ArrayList;
import java.util.List;

/**
 * Which chunk of the log stands where in the video's own time, as the newest chunk sees it: its
 * predecessors are at positions 0, 1, 2, ..., and after rewinds their numbers are not.
 *
 * @param stretches in the order of their first positions, the first at position 0; empty when
 *     numbers and positions are equal
 */
public record Timeline(List<Stretch> stretches) {
    /** Of a session that was never rewound. */
    public static final Timeline UNTOUCHED = new Timeline(List.of());

    public Timeline {
        stretches = List.copyOf(stretches);
    }

    /** Number less position of the newest chunks. */
    public long replayed() {
        return stretches.isEmpty() ? 0 : stretches.getLast().getReplayed();
    }

    /** The position of the chunk that gets {@code number} next. */
    public long positionOfNext(long number) {
        return number - replayed();
    }

    /** The number of the chunk at {@code position}, which is not above the newest. */
    public long numberAt(long position) {
        long replayed = 0;
        for (Stretch stretch : stretches) {
            if (stretch.getFirstPosition() > position) {
                break;
            }
            replayed = stretch.getReplayed();
        }
        return position + replayed;
    }

    /**
     * This timeline up to {@code position}, where the chunk that gets {@code nextNumber} stands
     * anew.
     */
    Timeline rewound(long position, long nextNumber) {
        List<Stretch> kept = new ArrayList<>();
        if (position > 0 && stretches.isEmpty()) {
            kept.add(Stretch.getDefaultInstance());
        }
        for (Stretch stretch : stretches) {
            if (stretch.getFirstPosition() < position) {
                kept.add(stretch);
            }
        }
        kept.add(
                Stretch.newBuilder()
                        .setFirstPosition(position)
                        .setReplayed(nextNumber - position)
                        .build());
        return new Timeline(kept);
    }
}
