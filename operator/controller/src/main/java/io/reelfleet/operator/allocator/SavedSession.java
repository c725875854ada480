package io.reelfleet.operator.allocator;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.operator.fleet.SessionWish;
import java.time.Instant;
import java.util.Optional;

/** A wish as text that outlives the operator. */
public final class SavedSession {
    private SavedSession() {}

    /**
     * Writes one. A Session message holds all of it; its free text carries the id of the request
     * that opened it.
     */
    public static String write(SessionWish wish) {
        Session saved =
                Session.newBuilder()
                        .setSpec(wish.spec())
                        .setDesired(
                                wish.active() ? Desired.DESIRED_ACTIVE : Desired.DESIRED_SUSPENDED)
                        .setMessage(wish.requestId())
                        .setOpenedAt(Messages.timestamp(wish.openedAt()))
                        .build();
        try {
            return JsonFormat.printer().omittingInsignificantWhitespace().print(saved);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Reads one; empty when it is none. */
    public static Optional<SessionWish> read(String text) {
        Session.Builder saved = Session.newBuilder();
        try {
            JsonFormat.parser().ignoringUnknownFields().merge(text, saved);
        } catch (InvalidProtocolBufferException e) {
            return Optional.empty();
        }
        if (saved.getSpec().getUid().isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(
                new SessionWish(
                        saved.getSpec(),
                        saved.getDesired() != Desired.DESIRED_SUSPENDED,
                        SessionWish.Source.ALLOCATOR,
                        saved.getMessage(),
                        Instant.ofEpochSecond(
                                saved.getOpenedAt().getSeconds(), saved.getOpenedAt().getNanos()),
                        saved.getEpoch()));
    }
}
