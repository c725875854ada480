package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authorization.v1.SubjectAccessReview;
import io.fabric8.kubernetes.api.model.authorization.v1.SubjectAccessReviewBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.reelfleet.operator.allocator.Caller;
import io.reelfleet.operator.allocator.Gate;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Lets the API server judge: TokenReview says who a caller is, SubjectAccessReview whether the same
 * could be done to VideoSessions by kubectl. Answers are kept for a minute.
 */
public final class ReviewGate implements Gate {
    private static final String SCHEME = "Bearer ";
    private static final long KEEP_NANOS = 60_000_000_000L;
    private static final int KEPT = 10_000;

    private record Kept<T>(T value, long at) {}

    private final KubernetesClient client;
    private final Map<String, Kept<Caller>> callers = new ConcurrentHashMap<>();
    private final Map<String, Kept<Boolean>> permissions = new ConcurrentHashMap<>();

    /** With the operator's own client. */
    public ReviewGate(KubernetesClient client) {
        this.client = client;
    }

    @Override
    public Caller caller(String authorization) {
        if (authorization == null
                || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            throw unknown(
                    "authorization: show a token that the API server knows as \"Bearer <token>\", such as kubectl create token gives");
        }
        String token = authorization.substring(SCHEME.length()).strip();
        String key = digest(token);
        Caller known = fresh(callers, key);
        if (known != null) {
            return known;
        }
        Caller caller =
                review(client, token, null)
                        .orElseThrow(
                                () ->
                                        unknown(
                                                "authorization: the API server does not know this token; get another one, such as kubectl create token gives"))
                        .caller();
        keep(callers, key, caller);
        return caller;
    }

    /** What a TokenReview says. */
    public record Reviewed(Caller caller, List<String> audiences) {}

    /**
     * Asks the API server whose token it is; empty when nobody's.
     *
     * @param audience that the token must be for; null for the API server's own
     */
    static Optional<Reviewed> review(KubernetesClient client, String token, String audience) {
        TokenReviewBuilder review =
                new TokenReviewBuilder().withNewSpec().withToken(token).endSpec();
        if (audience != null) {
            review.editSpec().withAudiences(audience).endSpec();
        }
        try {
            TokenReview answer = client.tokenReviews().create(review.build());
            if (answer.getStatus() == null
                    || !Boolean.TRUE.equals(answer.getStatus().getAuthenticated())) {
                return Optional.empty();
            }
            var user = answer.getStatus().getUser();
            return Optional.of(
                    new Reviewed(
                            new Caller(
                                    user.getUsername(),
                                    Optional.ofNullable(user.getGroups()).orElse(List.of()),
                                    Optional.ofNullable(user.getExtra()).orElse(Map.of())),
                            Optional.ofNullable(answer.getStatus().getAudiences())
                                    .orElse(List.of())));
        } catch (KubernetesClientException e) {
            throw Status.UNAVAILABLE
                    .withDescription("the API server cannot be asked who calls; try again")
                    .withCause(e)
                    .asRuntimeException();
        }
    }

    @Override
    public void permit(Caller caller, Verb verb, String namespace) {
        String key = caller.name() + "\n" + verb + "\n" + namespace;
        Boolean known = fresh(permissions, key);
        boolean allowed = known == null ? ask(caller, verb, namespace) : known;
        if (known == null) {
            keep(permissions, key, allowed);
        }
        if (!allowed) {
            throw Status.PERMISSION_DENIED
                    .withDescription(
                            "%s may not %s videosessions.reelfleet.io in %s; ask for a Role that allows it"
                                    .formatted(
                                            caller.name(),
                                            verb.title(),
                                            namespace.isEmpty()
                                                    ? "all namespaces"
                                                    : "namespace " + namespace))
                    .asRuntimeException();
        }
    }

    private boolean ask(Caller caller, Verb verb, String namespace) {
        SubjectAccessReview review =
                new SubjectAccessReviewBuilder()
                        .withNewSpec()
                        .withUser(caller.name())
                        .withGroups(caller.groups())
                        .withExtra(caller.extra())
                        .withNewResourceAttributes()
                        .withGroup("reelfleet.io")
                        .withResource("videosessions")
                        .withVerb(verb.title())
                        .withNamespace(namespace.isEmpty() ? null : namespace)
                        .endResourceAttributes()
                        .endSpec()
                        .build();
        try {
            SubjectAccessReview answer =
                    client.authorization().v1().subjectAccessReview().create(review);
            return answer.getStatus() != null
                    && Boolean.TRUE.equals(answer.getStatus().getAllowed());
        } catch (KubernetesClientException e) {
            throw Status.UNAVAILABLE
                    .withDescription(
                            "the API server cannot be asked what "
                                    + caller.name()
                                    + " may do; try again")
                    .withCause(e)
                    .asRuntimeException();
        }
    }

    private static <T> T fresh(Map<String, Kept<T>> kept, String key) {
        Kept<T> value = kept.get(key);
        return value == null || System.nanoTime() - value.at() > KEEP_NANOS ? null : value.value();
    }

    private static <T> void keep(Map<String, Kept<T>> kept, String key, T value) {
        if (kept.size() >= KEPT) {
            kept.clear();
        }
        kept.put(key, new Kept<>(value, System.nanoTime()));
    }

    private static StatusRuntimeException unknown(String sentence) {
        return Status.UNAUTHENTICATED.withDescription(sentence).asRuntimeException();
    }

    private static String digest(String token) {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(token.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
