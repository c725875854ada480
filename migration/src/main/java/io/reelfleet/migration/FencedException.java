package io.reelfleet.migration;

/** Another worker owns the session now: nothing this owner generates may be published any more. */
public final class FencedException extends Exception {
    private static final long serialVersionUID = 1;

    private final String sessionUid;
    private final long epoch;
    private final long newestEpoch;

    FencedException(String sessionUid, long epoch, long newestEpoch, String owner) {
        super(
                "session %s: epoch %d is over, epoch %d belongs to %s"
                        .formatted(sessionUid, epoch, newestEpoch, owner));
        this.sessionUid = sessionUid;
        this.epoch = epoch;
        this.newestEpoch = newestEpoch;
    }

    public String sessionUid() {
        return sessionUid;
    }

    /** The epoch that was refused. */
    public long epoch() {
        return epoch;
    }

    /** The epoch that the log holds. */
    public long newestEpoch() {
        return newestEpoch;
    }
}
