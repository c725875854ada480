package io.reelfleet.crds;

import io.reelfleet.crds.Control.ControlKind;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What the API server refuses of a VideoSession, for those who take sessions without one (the
 * allocator, the demo): the same inputs, the same sentences. Whether the pool exists, admits the
 * namespace and understands the controls is the operator's to say.
 */
public final class SessionRules {
    private static final Pattern IMAGE_URI = Pattern.compile("^(data:image/|https://|file:/).*");

    private SessionRules() {}

    /** What is wrong with a new session; empty when nothing is. */
    public static List<Violation> check(VideoSession session) {
        Violations v = new Violations();
        String name = session.getMetadata().getName();
        v.require(
                name == null || name.length() <= 63,
                "metadata.name",
                Sentences.SESSION_NAME_LENGTH);
        if (v.present(session.getSpec(), "spec")) {
            check(session.getSpec(), v);
        }
        return v.found();
    }

    /**
     * What is wrong with a change of a live session: what {@link #check} finds, and fields that are
     * fixed.
     */
    public static List<Violation> checkUpdate(VideoSession before, VideoSession after) {
        List<Violation> wrong = check(after);
        if (!wrong.isEmpty()) {
            return wrong;
        }
        VideoSessionSpec a = before.getSpec();
        VideoSessionSpec b = after.getSpec();
        Violations v = new Violations();
        v.require(Objects.equals(a.poolRef(), b.poolRef()), "spec", Sentences.POOL_FIXED);
        v.require(Objects.equals(a.seed(), b.seed()), "spec", Sentences.SEED_FIXED);
        v.require(Objects.equals(a.from(), b.from()), "spec", Sentences.FROM_FIXED);
        v.require(
                Objects.equals(a.priorityClass(), b.priorityClass())
                        && Objects.equals(a.latencyClass(), b.latencyClass()),
                "spec",
                Sentences.CLASSES_FIXED);
        return v.found();
    }

    private static void check(VideoSessionSpec spec, Violations v) {
        if (v.present(spec.poolRef(), "spec.poolRef")) {
            if (v.present(spec.poolRef().name(), "spec.poolRef.name")) {
                v.require(
                        !spec.poolRef().name().isEmpty(), "spec.poolRef.name", Sentences.POOL_NAME);
                v.length(spec.poolRef().name(), 253, "spec.poolRef.name");
            }
            v.name(spec.poolRef().namespace(), "spec.poolRef.namespace");
        }
        prompt(spec.prompt(), "spec.prompt", v);
        v.require(
                (spec.prompt() != null && !spec.prompt().isEmpty()) || spec.from() != null,
                "spec",
                Sentences.PROMPT_MISSING);
        v.require(spec.seed() == null || spec.seed() >= 0, "spec.seed", Sentences.SEED);
        controls(spec.controls(), v);
        v.require(
                spec.maxChunks() == null || spec.maxChunks() > 0,
                "spec.maxChunks",
                Sentences.MAX_CHUNKS);
        v.duration(spec.maxDuration(), "spec.maxDuration");
        v.name(spec.priorityClass(), "spec.priorityClass");
        v.name(spec.latencyClass(), "spec.latencyClass");
        if (spec.rewind() != null) {
            v.notEmpty(spec.rewind().id(), "spec.rewind.id");
            v.length(spec.rewind().id(), 63, "spec.rewind.id");
            if (v.present(spec.rewind().chunk(), "spec.rewind.chunk")) {
                v.require(spec.rewind().chunk() >= 0, "spec.rewind.chunk", Sentences.REWIND_CHUNK);
            }
        }
        if (spec.from() != null) {
            v.notEmpty(spec.from().session(), "spec.from.session");
            if (v.present(spec.from().chunk(), "spec.from.chunk")) {
                v.require(spec.from().chunk() >= 0, "spec.from.chunk", Sentences.FROM_CHUNK);
            }
        }
        v.require(
                spec.ttlSecondsAfterFinished() == null || spec.ttlSecondsAfterFinished() >= 0,
                "spec.ttlSecondsAfterFinished",
                Sentences.TTL);
    }

    private static void prompt(String text, String field, Violations v) {
        if (text != null) {
            // Characters as CEL's size() counts them: code points.
            v.require(
                    text.codePointCount(0, text.length()) <= Sentences.PROMPT_LIMIT,
                    field,
                    Sentences.PROMPT_LENGTH);
        }
    }

    private static void controls(List<Control> controls, Violations v) {
        v.size(controls, 64, "spec.controls");
        Set<List<Object>> keys = new HashSet<>();
        for (int i = 0; i < controls.size(); i++) {
            Control c = controls.get(i);
            String field = "spec.controls[" + i + "]";
            if (v.present(c.kind(), field + ".kind")) {
                control(c, field, v);
                v.require(
                        keys.add(List.of(c.kind(), c.role(), c.fromChunk())),
                        field,
                        "Duplicate value");
            }
        }
    }

    private static void control(Control c, String field, Violations v) {
        boolean text = c.text() != null;
        boolean numbers = c.numbers() != null;
        boolean image = c.image() != null;
        ControlKind kind = c.kind();
        v.require(
                (text ? 1 : 0) + (numbers ? 1 : 0) + (image ? 1 : 0) == 1,
                field,
                Sentences.CONTROL_VALUE);
        switch (kind) {
            case PROMPT, NEGATIVE_PROMPT -> v.require(text, field, Sentences.CONTROL_TEXT);
            case CAMERA, TRAJECTORY, LIGHT -> v.require(numbers, field, Sentences.CONTROL_NUMBERS);
            case REFERENCE -> v.require(image, field, Sentences.CONTROL_IMAGE);
            case ACTION -> v.require(!image, field, Sentences.CONTROL_ACTION);
            case ENTITY -> v.require(!numbers, field, Sentences.CONTROL_ENTITY);
        }
        if (kind == ControlKind.REFERENCE || kind == ControlKind.ENTITY) {
            v.require(!c.role().isEmpty(), field, Sentences.CONTROL_ROLE);
        }
        v.length(c.role(), 63, field + ".role");
        v.require(c.fromChunk() >= 0, field + ".fromChunk", Sentences.CONTROL_FROM);
        v.require(
                c.toChunk() == null || c.toChunk() > c.fromChunk(),
                field,
                Sentences.CONTROL_INTERVAL);
        v.require(
                !Boolean.TRUE.equals(c.refresh()) || kind == ControlKind.PROMPT,
                field,
                Sentences.CONTROL_REFRESH);
        v.require(
                kind != ControlKind.PROMPT || c.fromChunk() > 0,
                field,
                Sentences.CONTROL_FIRST_PROMPT);
        prompt(c.text(), field + ".text", v);
        if (numbers) {
            v.size(c.numbers(), 256, field + ".numbers");
        }
        if (image && v.present(c.image().uri(), field + ".image.uri")) {
            v.length(c.image().uri(), Sentences.IMAGE_URI_LIMIT, field + ".image.uri");
            v.require(
                    IMAGE_URI.matcher(c.image().uri()).lookingAt(),
                    field + ".image.uri",
                    Sentences.IMAGE_URI);
            v.sha256(c.image().sha256(), field + ".image.sha256");
        }
    }
}
