package io.reelfleet.operator.kubernetes;

import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionSpec;
import io.reelfleet.operator.fleet.SessionSpecs;
import io.reelfleet.operator.fleet.SessionWish;
import java.time.Instant;

/** Reads a VideoSession as a wish. */
final class SessionWishes {
    private SessionWishes() {}

    /**
     * @param origin uid of the session it goes on from; null for none, or when its name is a uid
     */
    static SessionWish of(VideoSession session, String origin) {
        String created = session.getMetadata().getCreationTimestamp();
        Long epoch = session.getStatus() == null ? null : session.getStatus().epoch();
        return new SessionWish(
                SessionSpecs.of(
                        session,
                        session.getMetadata().getUid(),
                        session.getMetadata().getNamespace(),
                        origin),
                session.getSpec().desired() == VideoSessionSpec.Desired.ACTIVE,
                SessionWish.Source.VIDEO_SESSION,
                "",
                created == null ? Instant.EPOCH : Instant.parse(created),
                epoch == null ? 0 : epoch);
    }
}
