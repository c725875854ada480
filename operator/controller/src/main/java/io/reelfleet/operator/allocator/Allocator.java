package io.reelfleet.operator.allocator;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.reelfleet.api.allocator.v1.CloseSessionRequest;
import io.reelfleet.api.allocator.v1.CloseSessionResponse;
import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.GetSessionRequest;
import io.reelfleet.api.allocator.v1.IssueTokenRequest;
import io.reelfleet.api.allocator.v1.IssueTokenResponse;
import io.reelfleet.api.allocator.v1.ListSessionsRequest;
import io.reelfleet.api.allocator.v1.ListSessionsResponse;
import io.reelfleet.api.allocator.v1.MoveSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.InvalidDocumentException;
import io.reelfleet.crds.SessionRules;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionSpec;
import io.reelfleet.crds.Violation;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionClass;
import io.reelfleet.operator.fleet.SessionSpecs;
import io.reelfleet.operator.fleet.SessionView;
import io.reelfleet.operator.fleet.SessionWish;
import io.reelfleet.operator.tokens.ViewerTokens;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BinaryOperator;
import java.util.regex.Pattern;

/** The leader's own allocator. */
public final class Allocator implements Allocation {
    private static final String DEFAULT_NAMESPACE = "default";
    private static final Pattern UID = Pattern.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");
    private static final long REPLY_SECONDS = 10;

    /** A look into the store, by a worker. */
    private static final long STORE_SECONDS = 3;

    /** A worker's report may be a second old. */
    private static final long NEWER_THAN_KNOWN = 16;

    private final Fleets fleets;
    private final Gate gate;
    private final SessionRegistry registry;
    private final ViewerTokens tokens;
    private final String gatewayUrl;
    private final Clock clock;
    private final Object opening = new Object();

    /**
     * @param gatewayUrl prefix of session URLs, without a slash at its end
     */
    public Allocator(
            Fleets fleets,
            Gate gate,
            SessionRegistry registry,
            ViewerTokens tokens,
            String gatewayUrl,
            Clock clock) {
        this.fleets = fleets;
        this.gate = gate;
        this.registry = registry;
        this.tokens = tokens;
        this.gatewayUrl = gatewayUrl;
        this.clock = clock;
    }

    /** Where a session is watched. */
    public static String url(String gatewayUrl, String uid) {
        return gatewayUrl + "/s/" + uid + "/";
    }

    @Override
    public OpenSessionResponse open(String authorization, String document) {
        enter(authorization);
        return open(authorization, request(document, this::origin));
    }

    /**
     * What a VideoSession document asks for.
     *
     * @param origin uid of a session, by namespace and name
     */
    static OpenSessionRequest request(String document, BinaryOperator<String> origin) {
        VideoSession session;
        try {
            session = Documents.readSession(document);
        } catch (InvalidDocumentException e) {
            throw refused(Status.Code.INVALID_ARGUMENT, e.getMessage());
        }
        if (session.getSpec() == null) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    "spec: Required value; write the session's poolRef and prompt");
        }
        check(session);
        String namespace =
                session.getMetadata().getNamespace() == null
                        ? DEFAULT_NAMESPACE
                        : session.getMetadata().getNamespace();
        String from =
                session.getSpec().from() == null
                        ? null
                        : origin.apply(namespace, session.getSpec().from().session());
        return OpenSessionRequest.newBuilder()
                .setSpec(SessionSpecs.of(session, UUID.randomUUID().toString(), namespace, from))
                .setDesired(
                        session.getSpec().desired() == VideoSessionSpec.Desired.ACTIVE
                                ? Desired.DESIRED_ACTIVE
                                : Desired.DESIRED_SUSPENDED)
                .build();
    }

    @Override
    public OpenSessionResponse open(String authorization, OpenSessionRequest request) {
        Caller caller = enter(authorization);
        SessionSpec.Builder spec = request.getSpec().toBuilder();
        if (spec.getUid().isEmpty()) {
            spec.setUid(UUID.randomUUID().toString());
        } else if (!UID.matcher(spec.getUid()).matches()) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    "spec.uid: \""
                            + spec.getUid()
                            + "\" is no uid; write small letters, digits and dashes, or leave it out");
        }
        if (spec.getNamespace().isEmpty()) {
            spec.setNamespace(DEFAULT_NAMESPACE);
        }
        if (spec.getName().isEmpty()) {
            spec.setName(
                    "session-"
                            + spec.getUid()
                                    .substring(0, Math.min(8, spec.getUid().length()))
                                    .replaceAll("-+$", ""));
        }
        if (!spec.getPool().isEmpty() && spec.getPool().indexOf('/') < 0) {
            spec.setPool(spec.getNamespace() + "/" + spec.getPool());
        }
        if (spec.getPacing() == Pacing.PACING_UNSPECIFIED) {
            spec.setPacing(Pacing.PACING_REALTIME);
        }
        List<Control> controls = SessionSpecs.sorted(spec.getControlsList());
        spec.clearControls().addAllControls(controls);
        try {
            check(SessionSpecs.resource(spec.build()));
        } catch (IllegalArgumentException e) {
            throw refused(Status.Code.INVALID_ARGUMENT, e.getMessage());
        }
        return open(
                caller,
                spec.build(),
                request.getDesired() != Desired.DESIRED_SUSPENDED,
                request.getRequestId());
    }

    private static void check(VideoSession session) {
        List<Violation> violations = SessionRules.check(session);
        if (!violations.isEmpty()) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    String.join("; ", violations.stream().map(Violation::toString).toList()));
        }
    }

    private String origin(String namespace, String session) {
        return fleets.views().stream()
                .flatMap(v -> v.sessions().values().stream())
                .filter(
                        s ->
                                s.wish().spec().getNamespace().equals(namespace)
                                        && s.wish().spec().getName().equals(session))
                .map(SessionView::uid)
                .findFirst()
                .orElse(session);
    }

    private OpenSessionResponse open(
            Caller caller, SessionSpec spec, boolean active, String requestId) {
        gate.permit(caller, Gate.Verb.CREATE, spec.getNamespace());
        PoolView pool = pool(spec.getPool(), spec.getNamespace());
        understood(pool, spec.getControlsList());
        SessionClass.refusal(pool.pool(), spec.getLatencyClass())
                .ifPresent(
                        sentence -> {
                            throw refused(Status.Code.INVALID_ARGUMENT, sentence);
                        });
        if (spec.hasFrom()) {
            forkable(spec);
        }
        SessionView view;
        // Two requests of one name, or of one id, must not both pass.
        synchronized (opening) {
            SessionView earlier = requestId.isEmpty() ? null : byRequest(requestId);
            if (earlier != null) {
                view = earlier;
            } else {
                unique(spec);
                SessionWish wish =
                        new SessionWish(
                                spec,
                                active,
                                SessionWish.Source.ALLOCATOR,
                                requestId,
                                clock.instant(),
                                0);
                registry.save(wish);
                view = await(fleets.want(wish).orElseThrow(() -> noPool(spec.getPool())));
            }
        }
        ViewerTokens.Token token = tokens.issue(view.uid(), ViewerTokens.DEFAULT_TTL);
        return OpenSessionResponse.newBuilder()
                .setSession(message(view))
                .setToken(token.text())
                .setTokenExpiresAt(Messages.timestamp(token.expiresAt()))
                .build();
    }

    private PoolView pool(String name, String namespace) {
        PoolView pool = fleets.pool(name).orElseThrow(() -> noPool(name));
        if (!pool.pool().allows(namespace)) {
            throw refused(
                    Status.Code.FAILED_PRECONDITION,
                    "spec.poolRef: the GPUPool %s does not admit sessions of namespace %s; write %s into its spec.allowedNamespaces, or name another pool"
                            .formatted(name, namespace, namespace));
        }
        return pool;
    }

    private StatusRuntimeException noPool(String name) {
        return refused(
                Status.Code.FAILED_PRECONDITION,
                "spec.poolRef: there is no GPUPool %s; write one of: %s"
                        .formatted(
                                name,
                                String.join(", ", fleets.names().stream().sorted().toList())));
    }

    private static void understood(PoolView pool, List<Control> controls) {
        Set<String> known = pool.controls();
        for (int i = 0; i < controls.size(); i++) {
            String kind = controls.get(i).getKind();
            if (!known.isEmpty() && !known.contains(kind)) {
                throw refused(
                        Status.Code.INVALID_ARGUMENT,
                        "spec.controls: the model %s of pool %s does not understand \"%s\"; write one of: %s"
                                .formatted(
                                        pool.pool().model(),
                                        pool.pool().name(),
                                        kind,
                                        String.join(", ", known.stream().sorted().toList())));
            }
        }
    }

    /**
     * What is known here of a fork's source. Of sessions that this operator does not know a worker
     * of the pool looks into the store; where none can be asked now, the one that gets the session
     * says it.
     */
    private void forkable(SessionSpec spec) {
        String source = spec.getFrom().getSessionUid();
        Optional<SessionView> known = fleets.session(source);
        if (known.isEmpty()) {
            stored(spec, source);
            return;
        }
        if (!known.get().wish().spec().getNamespace().equals(spec.getNamespace())) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    "spec.from.session: namespace %s has no session %s whose chunks are stored; write the name or uid of one that has"
                            .formatted(spec.getNamespace(), source));
        }
        stored("spec.from.chunk", known.get(), spec.getFrom().getChunk());
    }

    private void stored(SessionSpec spec, String source) {
        String sentence;
        try {
            sentence =
                    fleets.findFork(
                                    spec.getPool(),
                                    source,
                                    spec.getFrom().getChunk(),
                                    spec.getNamespace())
                            .get(STORE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw refused(Status.Code.UNAVAILABLE, "the operator is ending; try again");
        } catch (ExecutionException | TimeoutException e) {
            return;
        }
        if (!sentence.isEmpty()) {
            throw refused(Status.Code.INVALID_ARGUMENT, sentence);
        }
    }

    /** Chunk numbers that are far from being there are a mistake; the worker knows exactly. */
    private static void stored(String field, SessionView session, long chunk) {
        long next = session.nextChunk();
        if (chunk >= next + NEWER_THAN_KNOWN) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    next == 0
                            ? "%s: session %s has no chunk so far; wait for chunk %d"
                                    .formatted(field, session.uid(), chunk)
                            : "%s: session %s has chunks 0 to %d so far; write one of them"
                                    .formatted(field, session.uid(), next - 1));
        }
    }

    private SessionView byRequest(String requestId) {
        return sessions().stream()
                .filter(s -> s.wish().requestId().equals(requestId))
                .findFirst()
                .orElse(null);
    }

    private List<SessionView> sessions() {
        List<SessionView> all = new ArrayList<>();
        fleets.views().forEach(v -> all.addAll(v.sessions().values()));
        return all;
    }

    private void unique(SessionSpec spec) {
        for (SessionView s : sessions()) {
            SessionSpec other = s.wish().spec();
            if (other.getUid().equals(spec.getUid())) {
                throw refused(
                        Status.Code.ALREADY_EXISTS,
                        "spec.uid: a session %s exists; leave the uid out"
                                .formatted(spec.getUid()));
            }
            if (!s.phase().finished()
                    && other.getName().equals(spec.getName())
                    && other.getNamespace().equals(spec.getNamespace())) {
                throw refused(
                        Status.Code.ALREADY_EXISTS,
                        "metadata.name: namespace %s has a session %s; close it or write another name"
                                .formatted(spec.getNamespace(), spec.getName()));
            }
        }
    }

    @Override
    public Session get(String authorization, GetSessionRequest request) {
        Caller caller = enter(authorization);
        SessionView view = find(request.getUid(), request.getName(), request.getNamespace());
        gate.permit(caller, Gate.Verb.GET, view.wish().spec().getNamespace());
        return message(view);
    }

    @Override
    public ListSessionsResponse list(String authorization, ListSessionsRequest request) {
        Caller caller = enter(authorization);
        gate.permit(caller, Gate.Verb.LIST, request.getNamespace());
        ListSessionsResponse.Builder response = ListSessionsResponse.newBuilder();
        for (SessionView s : sessions()) {
            SessionSpec spec = s.wish().spec();
            boolean here =
                    request.getNamespace().isEmpty()
                            || request.getNamespace().equals(spec.getNamespace());
            boolean there =
                    request.getPool().isEmpty()
                            || request.getPool().equals(spec.getPool())
                            || spec.getPool().endsWith("/" + request.getPool());
            if (here && there) {
                response.addSessions(message(s));
            }
        }
        return response.build();
    }

    @Override
    public Session update(String authorization, UpdateSessionRequest request) {
        Caller caller = enter(authorization);
        SessionView view = find(request.getUid(), "", "");
        gate.permit(caller, Gate.Verb.UPDATE, view.wish().spec().getNamespace());
        own(view);
        if (view.phase().finished()) {
            throw refused(
                    Status.Code.FAILED_PRECONDITION,
                    "session %s is %s and changes no more; open another one"
                            .formatted(request.getUid(), view.phase().title()));
        }
        SessionSpec.Builder spec = view.wish().spec().toBuilder();
        if (request.getControlsCount() > 0) {
            List<Control> controls =
                    SessionSpecs.replaced(spec.getControlsList(), request.getControlsList());
            spec.clearControls().addAllControls(controls);
        }
        if (request.getPacing() != Pacing.PACING_UNSPECIFIED) {
            spec.setPacing(request.getPacing());
        }
        if (request.hasMaxChunks()) {
            spec.setMaxChunks(request.getMaxChunks());
        }
        if (request.hasRewind()) {
            spec.setRewind(request.getRewind());
        }
        try {
            check(SessionSpecs.resource(spec.build()));
        } catch (IllegalArgumentException e) {
            throw refused(Status.Code.INVALID_ARGUMENT, e.getMessage());
        }
        understood(pool(spec.getPool(), spec.getNamespace()), request.getControlsList());
        if (request.hasRewind()) {
            stored("rewind.chunk", view, request.getRewind().getChunk());
        }
        boolean active =
                request.hasDesired() && request.getDesired() != Desired.DESIRED_UNSPECIFIED
                        ? request.getDesired() == Desired.DESIRED_ACTIVE
                        : view.wish().active();
        SessionWish wish = view.wish().with(spec.build(), active);
        registry.save(wish);
        return message(await(fleets.want(wish).orElseThrow(() -> noPool(spec.getPool()))));
    }

    @Override
    public CloseSessionResponse close(String authorization, CloseSessionRequest request) {
        Caller caller = enter(authorization);
        SessionView view = find(request.getUid(), request.getName(), request.getNamespace());
        gate.permit(caller, Gate.Verb.DELETE, view.wish().spec().getNamespace());
        own(view);
        registry.remove(view.uid());
        await(fleets.unwant(view.uid(), "Deleted"));
        return CloseSessionResponse.getDefaultInstance();
    }

    @Override
    public Session move(String authorization, MoveSessionRequest request) {
        Caller caller = enter(authorization);
        SessionView view = find(request.getUid(), "", "");
        gate.permit(caller, Gate.Verb.UPDATE, view.wish().spec().getNamespace());
        SessionView moving =
                await(
                        fleets.move(view, request.getWorker())
                                .orElseThrow(() -> noPool(view.wish().spec().getPool())));
        return message(moving);
    }

    @Override
    public IssueTokenResponse token(String authorization, IssueTokenRequest request) {
        Caller caller = enter(authorization);
        SessionView view = find(request.getUid(), request.getName(), request.getNamespace());
        gate.permit(caller, Gate.Verb.GET, view.wish().spec().getNamespace());
        Duration ttl =
                request.hasTtl()
                        ? Duration.ofSeconds(
                                request.getTtl().getSeconds(), request.getTtl().getNanos())
                        : ViewerTokens.DEFAULT_TTL;
        if (ttl.isNegative() || ttl.isZero() || ttl.compareTo(ViewerTokens.LONGEST_TTL) > 0) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    "ttl: a token lives for at most 24 h; write more than 0s and at most 86400s");
        }
        ViewerTokens.Token token = tokens.issue(view.uid(), ttl);
        return IssueTokenResponse.newBuilder()
                .setToken(token.text())
                .setExpiresAt(Messages.timestamp(token.expiresAt()))
                .setUrl(url(gatewayUrl, view.uid()))
                .build();
    }

    @Override
    public Fleet fleet(String authorization) {
        Caller caller = enter(authorization);
        gate.permit(caller, Gate.Verb.LIST, "");
        return Messages.fleet(fleets.views(), fleets.term(), clock.instant());
    }

    private Caller enter(String authorization) {
        Caller caller = gate.caller(authorization);
        if (fleets.term() == 0) {
            throw refused(
                    Status.Code.UNAVAILABLE, "leadership is changing hands; try again in a moment");
        }
        return caller;
    }

    private SessionView find(String uid, String name, String namespace) {
        if (uid.isEmpty() && name.isEmpty()) {
            throw refused(
                    Status.Code.INVALID_ARGUMENT,
                    "uid: no session is named; write its uid, or name and namespace");
        }
        String home = namespace.isEmpty() ? DEFAULT_NAMESPACE : namespace;
        SessionView found = null;
        for (SessionView s : sessions()) {
            SessionSpec spec = s.wish().spec();
            boolean same =
                    uid.isEmpty()
                            ? spec.getName().equals(name) && spec.getNamespace().equals(home)
                            : spec.getUid().equals(uid);
            if (same && (found == null || found.phase().finished())) {
                found = s;
            }
        }
        if (found == null) {
            throw refused(
                    Status.Code.NOT_FOUND,
                    uid.isEmpty()
                            ? "name: namespace %s has no session %s".formatted(home, name)
                            : "uid: there is no session %s".formatted(uid));
        }
        return found;
    }

    private static void own(SessionView view) {
        if (view.wish().source() == SessionWish.Source.VIDEO_SESSION) {
            throw refused(
                    Status.Code.FAILED_PRECONDITION,
                    "session %s is the VideoSession %s/%s; change or delete that with kubectl"
                            .formatted(
                                    view.uid(),
                                    view.wish().spec().getNamespace(),
                                    view.wish().spec().getName()));
        }
    }

    private Session message(SessionView view) {
        return Messages.session(view, url(gatewayUrl, view.uid()));
    }

    private static <T> T await(CompletableFuture<T> reply) {
        try {
            return reply.get(REPLY_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw refused(Status.Code.UNAVAILABLE, "the operator is ending; try again");
        } catch (ExecutionException | TimeoutException e) {
            if (e.getCause() instanceof StatusRuntimeException refusal) {
                throw refusal;
            }
            throw refused(Status.Code.UNAVAILABLE, "the fleet loop does not answer; try again");
        }
    }

    private static StatusRuntimeException refused(Status.Code code, String sentence) {
        return code.toStatus().withDescription(sentence).asRuntimeException();
    }
}
