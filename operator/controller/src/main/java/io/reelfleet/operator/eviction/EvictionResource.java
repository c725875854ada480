package io.reelfleet.operator.eviction;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.operator.Operator;
import io.smallrye.common.annotation.RunOnVirtualThread;
import jakarta.inject.Inject;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.Optional;

/**
 * Where the API server asks before it evicts a pod ({@code AdmissionReview} of {@code
 * pods/eviction}). It answers from memory, at once.
 */
@Path(EvictionWebhook.PATH + "{secret}")
@RunOnVirtualThread
public class EvictionResource {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int LONGEST_REVIEW = 1 << 20;
    private static final int BAD_REQUEST = 400;
    private static final int NOT_FOUND = 404;
    private static final int TOO_MANY_REQUESTS = 429;

    @Inject Operator operator;

    /** Allows or refuses one eviction. */
    @POST
    @Consumes(MediaType.APPLICATION_JSON)
    @Produces(MediaType.APPLICATION_JSON)
    public Response review(@PathParam("secret") String secret, String review) {
        Optional<EvictionWebhook> webhook = operator.evictions();
        if (webhook.isEmpty() || !webhook.get().knows(secret)) {
            return Response.status(NOT_FOUND).build();
        }
        if (review == null || review.length() > LONGEST_REVIEW) {
            return Response.status(BAD_REQUEST).build();
        }
        JsonNode request;
        try {
            request = JSON.readTree(review).path("request");
        } catch (JsonProcessingException e) {
            return Response.status(BAD_REQUEST).build();
        }
        Optional<String> refusal =
                webhook.get()
                        .asked(
                                request.path("namespace").asText(),
                                request.path("name").asText(),
                                request.path("dryRun").asBoolean());
        return Response.ok(answer(request.path("uid").asText(), refusal).toString()).build();
    }

    private static ObjectNode answer(String uid, Optional<String> refusal) {
        ObjectNode answer =
                JSON.createObjectNode()
                        .put("apiVersion", "admission.k8s.io/v1")
                        .put("kind", "AdmissionReview");
        ObjectNode response =
                answer.putObject("response").put("uid", uid).put("allowed", refusal.isEmpty());
        refusal.ifPresent(
                sentence ->
                        response.putObject("status")
                                .put("code", TOO_MANY_REQUESTS)
                                .put("reason", "TooManyRequests")
                                // Without a time to try again after: clients would do that by
                                // themselves, and nobody would read the sentence.
                                .put("message", sentence));
        return answer;
    }
}
