package io.reelfleet.server.session;

import java.time.Duration;

/**
 * How sessions with pacing Viewer are paced.
 *
 * @param viewerBuffer chunks that may be ready ahead of the play position
 * @param viewerTimeout how long after its last heartbeat a viewer counts as there
 */
public record PaceSettings(int viewerBuffer, Duration viewerTimeout) {}
