package io.reelfleet.gateway.hls;

import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.ChunkRun;
import java.util.Locale;

/**
 * A session's media playlist. The media sequence number of a segment is its chunk number, so every
 * gateway, also one that has just started, writes the same playlist.
 *
 * <p>Without a wish it lists everything, and the newest {@value #WINDOW} chunks of a session that
 * is longer: a player fetches the list again for every chunk, so it must not grow for ever. With
 * {@code ?from=} it is an EVENT playlist from that chunk on.
 */
public final class MediaPlaylist {
    /** Most chunks listed unless a viewer asks for more: 15 minutes at 0.75 s each. */
    public static final int WINDOW = 1200;

    private MediaPlaylist() {}

    /** The playlist of everything a player should know of. */
    public static String of(ChunkIndex index) {
        return write(index, Math.max(index.firstChunk(), index.nextChunk() - WINDOW), false);
    }

    /**
     * The playlist of chunk {@code from} (the first that is kept, if that is later) and all that
     * follow; its segments are never taken away by this gateway.
     */
    public static String from(ChunkIndex index, long from) {
        return write(index, Math.max(index.firstChunk(), from), true);
    }

    private static String write(ChunkIndex index, long from, boolean event) {
        StringBuilder text = new StringBuilder(256);
        text.append("#EXTM3U\n#EXT-X-VERSION:7\n");
        text.append("#EXT-X-TARGETDURATION:").append(targetDuration(index)).append('\n');
        text.append("#EXT-X-INDEPENDENT-SEGMENTS\n");
        text.append("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n");
        if (event) {
            text.append("#EXT-X-PLAYLIST-TYPE:EVENT\n");
        }
        text.append("#EXT-X-MEDIA-SEQUENCE:").append(from).append('\n');
        text.append("#EXT-X-DISCONTINUITY-SEQUENCE:")
                .append(discontinuitiesBefore(index, from))
                .append('\n');
        String init = "";
        for (ChunkRun run : index.runs()) {
            if (run.endChunk() <= from) {
                continue;
            }
            if (!run.init().equals(init)) {
                if (!init.isEmpty()) {
                    text.append("#EXT-X-DISCONTINUITY\n");
                }
                init = run.init();
                text.append("#EXT-X-MAP:URI=\"init-").append(init).append(".mp4\"\n");
            }
            String length = String.format(Locale.ROOT, "#EXTINF:%.5f,\n", run.chunkSeconds());
            for (long k = Math.max(from, run.firstChunk()); k < run.endChunk(); k++) {
                text.append(length).append(k).append(".m4s\n");
            }
        }
        if (index.end().isPresent()) {
            text.append("#EXT-X-ENDLIST\n");
        }
        return text.toString();
    }

    /**
     * Changes of the initialisation segment that a player who starts at {@code from} does not see.
     */
    private static long discontinuitiesBefore(ChunkIndex index, long from) {
        long changes = 0;
        String init = "";
        for (ChunkRun run : index.runs()) {
            if (run.firstChunk() > from) {
                break;
            }
            if (!init.isEmpty() && !run.init().equals(init)) {
                changes++;
            }
            init = run.init();
        }
        return changes;
    }

    /**
     * Seconds, rounded up. It must hold for segments to come and must not change, but the first
     * chunk of a session is shorter (Wan: 9 frames, then 12): it counts as 4/3 of its length.
     */
    static long targetDuration(ChunkIndex index) {
        double longest = 0;
        for (ChunkRun run : index.runs()) {
            double seconds = run.chunkSeconds();
            longest = Math.max(longest, run.firstChunk() == 0 ? seconds * 4 / 3 : seconds);
        }
        return Math.max(1, (long) Math.ceil(longest - 1e-6));
    }
}
