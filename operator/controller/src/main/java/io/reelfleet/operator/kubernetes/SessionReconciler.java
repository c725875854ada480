package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.reelfleet.crds.SessionRules;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionStatus;
import io.reelfleet.crds.Violation;
import io.reelfleet.operator.FleetAccess;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionClass;
import io.reelfleet.operator.fleet.SessionView;
import io.reelfleet.operator.fleet.SessionWish;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Tells the fleet loop what a VideoSession wants and mirrors its view into status; it does nothing
 * else.
 */
@ControllerConfiguration(name = "videosession")
public class SessionReconciler implements Reconciler<VideoSession> {
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(5);
    private static final long REPLY_SECONDS = 2;

    private final FleetAccess operator;
    private final Wake wake;
    private final Deletions deletions;

    /** For the container, and for tests. */
    public SessionReconciler(FleetAccess operator, Wake wake, Deletions deletions) {
        this.operator = operator;
        this.wake = wake;
        this.deletions = deletions;
    }

    @Override
    public List<EventSource<?, VideoSession>> prepareEventSources(
            EventSourceContext<VideoSession> context) {
        deletions.sessions(context.getPrimaryCache());
        return List.of(wake.sessions());
    }

    @Override
    public UpdateControl<VideoSession> reconcile(
            VideoSession session, Context<VideoSession> context) {
        Fleets fleets = operator.fleets();
        String uid = session.getMetadata().getUid();
        if (session.getMetadata().getDeletionTimestamp() != null) {
            fleets.unwant(uid, "Deleted");
            return UpdateControl.noUpdate();
        }
        if (finished(session)) {
            return afterwards(session, context);
        }
        SessionView view = fleets.session(uid).orElse(null);
        SessionStatus.Refusal refusal = refusal(session, fleets);
        if (refusal == null) {
            SessionWish wish = SessionWishes.of(session, origin(session, context));
            view = fleets.want(wish).map(SessionReconciler::await).orElse(view);
        }
        VideoSessionStatus status =
                SessionStatus.of(
                        session, refusal, view, operator.settings().gatewayUrl(), operator.clock());
        UpdateControl<VideoSession> control =
                SessionStatus.differs(session.getStatus(), status)
                        ? UpdateControl.patchStatus(mirror(session, status))
                        : UpdateControl.noUpdate();
        if (refusal != null || view == null) {
            control.rescheduleAfter(LOOK_AGAIN);
        } else if (view.phase().finished() && session.getSpec().ttlSecondsAfterFinished() != null) {
            control.rescheduleAfter(
                    Duration.ofSeconds(session.getSpec().ttlSecondsAfterFinished() + 1L));
        }
        return control;
    }

    private static VideoSession mirror(VideoSession session, VideoSessionStatus status) {
        VideoSession mirror = new VideoSession();
        mirror.setMetadata(
                new ObjectMetaBuilder()
                        .withName(session.getMetadata().getName())
                        .withNamespace(session.getMetadata().getNamespace())
                        .build());
        mirror.setStatus(status);
        return mirror;
    }

    static boolean finished(VideoSession session) {
        return session.getStatus() != null
                && (session.getStatus().phase() == VideoSessionStatus.Phase.COMPLETED
                        || session.getStatus().phase() == VideoSessionStatus.Phase.FAILED);
    }

    private UpdateControl<VideoSession> afterwards(
            VideoSession session, Context<VideoSession> context) {
        Integer ttl = session.getSpec().ttlSecondsAfterFinished();
        String at = session.getStatus().finishedAt();
        if (ttl == null || at == null) {
            return UpdateControl.noUpdate();
        }
        Duration left =
                Duration.between(operator.clock().instant(), Instant.parse(at).plusSeconds(ttl));
        if (left.isNegative() || left.isZero()) {
            context.getClient().resource(session).delete();
            return UpdateControl.noUpdate();
        }
        return UpdateControl.<VideoSession>noUpdate().rescheduleAfter(left.plusMillis(500));
    }

    private static SessionStatus.Refusal refusal(VideoSession session, Fleets fleets) {
        List<Violation> violations = SessionRules.check(session);
        if (!violations.isEmpty()) {
            return new SessionStatus.Refusal(
                    "Invalid",
                    String.join("; ", violations.stream().map(Violation::toString).toList()));
        }
        String name = session.pool();
        Optional<PoolView> pool = fleets.pool(name);
        if (pool.isEmpty()) {
            return new SessionStatus.Refusal(
                    "PoolNotFound",
                    "spec.poolRef: there is no GPUPool %s; make it, or delete this session and write another pool"
                            .formatted(name));
        }
        String namespace = session.getMetadata().getNamespace();
        if (!pool.get().pool().allows(namespace)) {
            return new SessionStatus.Refusal(
                    "NamespaceNotAllowed",
                    "spec.poolRef: the GPUPool %s does not admit sessions of namespace %s; write %s into its spec.allowedNamespaces"
                            .formatted(name, namespace, namespace));
        }
        Optional<String> noClass =
                fleets.session(session.getMetadata().getUid()).isPresent()
                        // The pool has been changed since: it goes on as an ordinary one.
                        ? Optional.empty()
                        : SessionClass.refusal(pool.get().pool(), session.getSpec().latencyClass());
        if (noClass.isPresent()) {
            return new SessionStatus.Refusal("UnknownClass", noClass.get());
        }
        return session.getSpec().controls().stream()
                .map(c -> c.kind().toString())
                .filter(
                        kind ->
                                !pool.get().controls().isEmpty()
                                        && !pool.get().controls().contains(kind))
                .findFirst()
                .map(
                        kind ->
                                new SessionStatus.Refusal(
                                        "UnknownControl",
                                        "spec.controls: the model %s does not understand \"%s\"; write one of: %s"
                                                .formatted(
                                                        pool.get().pool().model(),
                                                        kind,
                                                        String.join(
                                                                ", ",
                                                                pool.get().controls().stream()
                                                                        .sorted()
                                                                        .toList()))))
                .orElse(null);
    }

    private static String origin(VideoSession session, Context<VideoSession> context) {
        if (session.getSpec().from() == null) {
            return null;
        }
        return context.getPrimaryCache()
                .list(session.getMetadata().getNamespace())
                .filter(s -> s.getMetadata().getName().equals(session.getSpec().from().session()))
                .map(s -> s.getMetadata().getUid())
                .findFirst()
                .orElse(null);
    }

    private static SessionView await(CompletableFuture<SessionView> reply) {
        try {
            return reply.get(REPLY_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        } catch (ExecutionException | TimeoutException e) {
            return null;
        }
    }
}
