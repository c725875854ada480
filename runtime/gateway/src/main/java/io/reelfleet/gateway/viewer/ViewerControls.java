package io.reelfleet.gateway.viewer;

import com.fasterxml.jackson.databind.JsonNode;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.ImageRef;
import io.reelfleet.api.session.v1.NumberList;

/** What viewers send as JSON to steer a session. */
final class ViewerControls {
    private ViewerControls() {}

    /**
     * Reads {@code {"controls": [...], "rewind_to": k}}; one of both may be missing.
     *
     * @throws IllegalArgumentException in a sentence for who sent it
     */
    static ControlRequest read(JsonNode message, String uid, String requestId) {
        ControlRequest.Builder request =
                ControlRequest.newBuilder().setSessionUid(uid).setRequestId(requestId);
        for (JsonNode control : message.path("controls")) {
            request.addControls(control(control));
        }
        JsonNode rewind = message.path("rewind_to");
        if (!rewind.isMissingNode()) {
            if (!rewind.isIntegralNumber() || rewind.asLong() < 0) {
                throw new IllegalArgumentException(
                        "rewind_to is %s: write the number of a stored chunk, 0 or more."
                                .formatted(rewind));
            }
            request.setRewindTo(rewind.asLong());
        }
        if (request.getControlsCount() == 0 && !request.hasRewindTo()) {
            throw new IllegalArgumentException(
                    "controls is empty: write [{\"kind\":\"prompt\",\"text\":\"…\"}].");
        }
        return request.build();
    }

    private static Control control(JsonNode node) {
        Control.Builder control = Control.newBuilder().setKind(node.path("kind").asText(""));
        if (control.getKind().isEmpty()) {
            throw new IllegalArgumentException("kind is missing: write prompt, camera, ….");
        }
        control.setFromChunk(node.path("from_chunk").asLong(0));
        if (node.has("to_chunk")) {
            control.setToChunk(node.path("to_chunk").asLong());
        }
        control.setRole(node.path("role").asText(""));
        control.setRefresh(node.path("refresh").asBoolean(false));
        if (node.path("text").isTextual()) {
            control.setText(node.path("text").asText());
        } else if (node.path("numbers").isArray()) {
            NumberList.Builder numbers = NumberList.newBuilder();
            node.path("numbers").forEach(n -> numbers.addValues(n.asDouble()));
            control.setNumbers(numbers);
        } else if (node.path("image").path("uri").isTextual()) {
            control.setImage(
                    ImageRef.newBuilder()
                            .setUri(node.path("image").path("uri").asText())
                            .setSha256(node.path("image").path("sha256").asText("")));
        } else {
            throw new IllegalArgumentException(
                    "%s has no value: write text, numbers or image.".formatted(control.getKind()));
        }
        return control.build();
    }
}
