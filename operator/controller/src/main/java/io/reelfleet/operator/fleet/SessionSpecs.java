package io.reelfleet.operator.fleet;

import com.google.protobuf.Duration;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.ImageRef;
import io.reelfleet.api.session.v1.NumberList;
import io.reelfleet.api.session.v1.Origin;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.RewindRequest;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.crds.Control.ControlKind;
import io.reelfleet.crds.PoolRef;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionSpec;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** One session, two spellings: the custom resource and the message that workers take. */
public final class SessionSpecs {
    private static final String PROMPT = "prompt";

    /** The order in which a spec lists its controls. */
    private static final Comparator<Control> ORDER =
            Comparator.comparing(Control::getKind)
                    .thenComparingLong(Control::getFromChunk)
                    .thenComparing(Control::getRole);

    private SessionSpecs() {}

    /**
     * The message of a resource that has passed its rules.
     *
     * @param uid the session's, which metadata need not have
     * @param namespace the session's, which metadata need not have
     * @param origin uid of the session it goes on from; null for none
     */
    public static SessionSpec of(
            VideoSession session, String uid, String namespace, String origin) {
        VideoSessionSpec spec = session.getSpec();
        PoolRef pool = spec.poolRef();
        SessionSpec.Builder message =
                SessionSpec.newBuilder()
                        .setUid(uid)
                        .setName(session.getMetadata().getName())
                        .setNamespace(namespace)
                        .setPool(
                                (pool.namespace() == null ? namespace : pool.namespace())
                                        + "/"
                                        + pool.name())
                        .setSeed(spec.seedFor(uid))
                        .setPacing(
                                switch (spec.pacing()) {
                                    case VIEWER -> Pacing.PACING_VIEWER;
                                    case REALTIME -> Pacing.PACING_REALTIME;
                                    case UNPACED -> Pacing.PACING_UNPACED;
                                });
        List<Control> controls = new ArrayList<>();
        if (spec.prompt() != null) {
            controls.add(Control.newBuilder().setKind(PROMPT).setText(spec.prompt()).build());
        }
        spec.controls().forEach(c -> controls.add(control(c)));
        message.addAllControls(sorted(controls));
        if (spec.maxChunks() != null) {
            message.setMaxChunks(spec.maxChunks());
        }
        java.time.Duration longest = spec.maxDurationOrNull();
        if (longest != null) {
            message.setMaxDuration(
                    Duration.newBuilder()
                            .setSeconds(longest.getSeconds())
                            .setNanos(longest.getNano()));
        }
        if (spec.priorityClass() != null) {
            message.setPriorityClass(spec.priorityClass());
        }
        if (spec.latencyClass() != null) {
            message.setLatencyClass(spec.latencyClass());
        }
        if (spec.from() != null) {
            message.setFrom(
                    Origin.newBuilder()
                            .setSessionUid(origin == null ? spec.from().session() : origin)
                            .setChunk(spec.from().chunk()));
        }
        if (spec.rewind() != null) {
            message.setRewind(
                    RewindRequest.newBuilder()
                            .setId(spec.rewind().id())
                            .setChunk(spec.rewind().chunk()));
        }
        return message.build();
    }

    private static Control control(io.reelfleet.crds.Control c) {
        Control.Builder control =
                Control.newBuilder()
                        .setKind(c.kind().toString())
                        .setFromChunk(c.fromChunk())
                        .setRole(c.role());
        if (c.toChunk() != null) {
            control.setToChunk(c.toChunk());
        }
        control.setRefresh(Boolean.TRUE.equals(c.refresh()));
        if (c.text() != null) {
            control.setText(c.text());
        } else if (c.numbers() != null) {
            control.setNumbers(NumberList.newBuilder().addAllValues(c.numbers()));
        } else if (c.image() != null) {
            ImageRef.Builder image = ImageRef.newBuilder().setUri(c.image().uri());
            if (c.image().sha256() != null) {
                image.setSha256(c.image().sha256());
            }
            control.setImage(image);
        }
        return control.build();
    }

    /** Controls by kind, then from their chunk on. */
    public static List<Control> sorted(List<Control> controls) {
        return controls.stream().sorted(ORDER).toList();
    }

    /** The controls with some replaced: of equal kind, role and first chunk the newer one stays. */
    public static List<Control> replaced(List<Control> controls, List<Control> newer) {
        List<Control> all = new ArrayList<>(newer);
        for (Control c : controls) {
            boolean kept = newer.stream().noneMatch(n -> ORDER.compare(n, c) == 0);
            if (kept) {
                all.add(c);
            }
        }
        return sorted(all);
    }

    /**
     * The resource that would ask for the same, so that the same rules judge it.
     *
     * @throws IllegalArgumentException in a sentence, for what the resource cannot even say
     */
    public static VideoSession resource(SessionSpec spec) {
        VideoSession session = new VideoSession();
        session.setMetadata(
                new ObjectMetaBuilder()
                        .withName(spec.getName())
                        .withNamespace(spec.getNamespace())
                        .build());
        int slash = spec.getPool().indexOf('/');
        String prompt = null;
        List<io.reelfleet.crds.Control> controls = new ArrayList<>();
        for (int i = 0; i < spec.getControlsCount(); i++) {
            Control c = spec.getControls(i);
            if (c.getKind().equals(PROMPT) && c.getFromChunk() == 0 && c.hasText()) {
                prompt = c.getText();
            } else {
                controls.add(resource(c, i));
            }
        }
        session.setSpec(
                new VideoSessionSpec(
                        new PoolRef(
                                spec.getPool().substring(slash + 1),
                                slash < 0 ? null : spec.getPool().substring(0, slash)),
                        prompt,
                        spec.getSeed(),
                        controls,
                        switch (spec.getPacing()) {
                            case PACING_VIEWER -> VideoSessionSpec.Pacing.VIEWER;
                            case PACING_UNPACED -> VideoSessionSpec.Pacing.UNPACED;
                            case PACING_REALTIME, PACING_UNSPECIFIED, UNRECOGNIZED ->
                                    VideoSessionSpec.Pacing.REALTIME;
                        },
                        null,
                        spec.getMaxChunks() == 0 ? null : Long.valueOf(spec.getMaxChunks()),
                        spec.hasMaxDuration()
                                ? io.reelfleet.crds.Durations.format(
                                        java.time.Duration.ofSeconds(
                                                spec.getMaxDuration().getSeconds(),
                                                spec.getMaxDuration().getNanos()))
                                : null,
                        emptyToNull(spec.getPriorityClass()),
                        emptyToNull(spec.getLatencyClass()),
                        spec.hasFrom()
                                ? new io.reelfleet.crds.Origin(
                                        spec.getFrom().getSessionUid(), spec.getFrom().getChunk())
                                : null,
                        spec.hasRewind()
                                ? new io.reelfleet.crds.Rewind(
                                        spec.getRewind().getId(), spec.getRewind().getChunk())
                                : null,
                        null));
        return session;
    }

    private static io.reelfleet.crds.Control resource(Control c, int index) {
        ControlKind kind = null;
        for (ControlKind k : ControlKind.values()) {
            kind = k.toString().equals(c.getKind()) ? k : kind;
        }
        if (kind == null) {
            throw new IllegalArgumentException(
                    "spec.controls[%d].kind: \"%s\" is not a kind of control; write one of %s"
                            .formatted(
                                    index,
                                    c.getKind(),
                                    String.join(
                                            ", ",
                                            java.util.Arrays.stream(ControlKind.values())
                                                    .map(ControlKind::toString)
                                                    .toList())));
        }
        return new io.reelfleet.crds.Control(
                kind,
                c.getFromChunk(),
                c.hasToChunk() ? Long.valueOf(c.getToChunk()) : null,
                c.getRole(),
                c.hasText() ? c.getText() : null,
                c.hasNumbers() ? c.getNumbers().getValuesList() : null,
                c.hasImage()
                        ? new io.reelfleet.crds.ImageRef(
                                c.getImage().getUri(), emptyToNull(c.getImage().getSha256()))
                        : null,
                c.getRefresh() ? Boolean.TRUE : null);
    }

    private static String emptyToNull(String text) {
        return text.isEmpty() ? null : text;
    }
}
