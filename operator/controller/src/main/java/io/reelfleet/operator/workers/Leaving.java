package io.reelfleet.operator.workers;

import java.time.Instant;

/**
 * A worker will be taken away, so that its sessions should leave.
 *
 * @param reason in one word
 * @param sentence what is about to happen, for people
 * @param deadline when it ends, whatever it holds by then; null where it waits until it is empty
 */
public record Leaving(Reason reason, String sentence, Instant deadline) {

    /** Why. */
    public enum Reason {
        /** Somebody deleted its pod, or its process got SIGTERM. */
        TOLD_TO_END("ToldToEnd"),
        /** Its node takes no new pods. */
        NODE_CORDONED("NodeCordoned"),
        /** Its node has a taint that its pod does not tolerate, or not for long. */
        NODE_TAINTED("NodeTainted"),
        /** Somebody asked for the eviction of its pod. */
        EVICTION("Eviction"),
        /** The pool's image is another one by now. */
        OLD_IMAGE("OldImage");

        private final String title;

        Reason(String title) {
            this.title = title;
        }

        /** As events and people's views have it. */
        public String title() {
            return title;
        }
    }
}
