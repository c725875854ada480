package io.reelfleet.server.session;

import io.reelfleet.api.session.v1.Control;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A session's controls over its chunks, by their positions in the video: those of its spec, and on
 * top of them those that were sent live. Of one kind the one that begins last is in force, and of
 * two that begin together the one that came last.
 *
 * <p>Used by the loop's thread alone.
 */
final class ControlTracks {
    static final String PROMPT = "prompt";
    static final String NEGATIVE_PROMPT = "negativePrompt";
    static final String REFERENCE = "reference";
    static final String FIRST_FRAME = "first-frame";

    private List<Control> spec;
    private final List<Control> live = new ArrayList<>();

    ControlTracks(List<Control> spec) {
        this.spec = List.copyOf(spec);
    }

    /**
     * The controls in force at chunk {@code k}, at most one of each kind (and role), sorted by
     * kind.
     */
    List<Control> inForce(long k) {
        List<Control> result = new ArrayList<>();
        for (Control control : all()) {
            boolean applies =
                    control.getFromChunk() <= k
                            && (!control.hasToChunk() || k < control.getToChunk())
                            && (k == 0 || !isFirstFrame(control));
            if (applies) {
                Optional<Control> other =
                        result.stream().filter(c -> sameTrack(c, control)).findFirst();
                if (other.isEmpty() || other.get().getFromChunk() <= control.getFromChunk()) {
                    other.ifPresent(result::remove);
                    result.add(control);
                }
            }
        }
        result.sort(Comparator.comparing(Control::getKind).thenComparing(Control::getRole));
        return result;
    }

    /** A picture that the video begins with: after chunk 0 it has no part in anything. */
    static boolean isFirstFrame(Control control) {
        return control.getKind().equals(REFERENCE) && control.getRole().equals(FIRST_FRAME);
    }

    /**
     * Whether a prompt that refreshes the window begins at {@code position}, in whose controls it
     * is in force.
     */
    static boolean refreshes(List<Control> inForce, long position) {
        return inForce.stream()
                .anyMatch(
                        c ->
                                c.getKind().equals(PROMPT)
                                        && c.getRefresh()
                                        && c.getFromChunk() == position
                                        && position > 0);
    }

    /** The picture that the video begins with, if it begins with one. */
    Optional<Control> firstFrame() {
        return inForce(0).stream().filter(ControlTracks::isFirstFrame).findFirst();
    }

    /** The text of a kind in force at chunk {@code k}; empty text when there is none. */
    String text(String kind, long k) {
        return control(kind, k).map(Control::getText).orElse("");
    }

    /** The control of a kind, without role, in force at chunk {@code k}. */
    Optional<Control> control(String kind, long k) {
        return inForce(k).stream().filter(c -> c.getKind().equals(kind)).findFirst();
    }

    /** The prompt in force at chunk {@code k}; empty text when there is none. */
    String prompt(long k) {
        return prompt(inForce(k));
    }

    static String prompt(List<Control> controls) {
        return controls.stream()
                .filter(c -> c.getKind().equals(PROMPT))
                .map(Control::getText)
                .findFirst()
                .orElse("");
    }

    /** Puts {@code control} in force from chunk {@code k} on. */
    void send(Control control, long k) {
        live.removeIf(c -> sameTrack(c, control) && c.getFromChunk() >= k);
        live.add(control.toBuilder().setFromChunk(k).clearToChunk().build());
    }

    /**
     * Takes a changed spec over from chunk {@code k} on: a kind whose controls changed begins anew,
     * the others keep what was sent live.
     */
    void update(List<Control> newSpec, long k) {
        for (String kind : kinds(newSpec)) {
            List<Control> before = ofKind(spec, kind);
            List<Control> after = ofKind(newSpec, kind);
            if (!before.equals(after)) {
                live.removeIf(c -> c.getKind().equals(kind));
                for (Control control : after) {
                    live.add(
                            control.toBuilder()
                                    .setFromChunk(Math.max(k, control.getFromChunk()))
                                    .build());
                }
            }
        }
        spec = List.copyOf(newSpec);
    }

    /**
     * Goes on where the log's newest chunk stands: what was in force there and is not from the spec
     * had been sent live.
     */
    void restore(List<Control> inForceAtNewest) {
        for (Control control : inForceAtNewest) {
            if (!spec.contains(control)) {
                live.add(control);
            }
        }
    }

    /**
     * Goes back to position {@code k}: what was sent for later is forgotten, and what was in force
     * there is in force again.
     */
    void rewind(long k, List<Control> inForceThere) {
        live.clear();
        restore(inForceThere);
    }

    /**
     * Takes over what is in force where another session is left, as far as this one's spec does not
     * say otherwise.
     */
    void inherit(List<Control> inForceThere) {
        for (Control control : inForceThere) {
            boolean own = spec.stream().anyMatch(c -> sameTrack(c, control));
            if (!own) {
                live.add(control);
            }
        }
    }

    /** Those that were sent live. */
    List<Control> live() {
        return List.copyOf(live);
    }

    /** Takes over what was sent live elsewhere. */
    void carry(List<Control> sentLive) {
        live.clear();
        live.addAll(sentLive);
    }

    private List<Control> all() {
        List<Control> all = new ArrayList<>(spec);
        all.addAll(live);
        return all;
    }

    private static Set<String> kinds(List<Control> controls) {
        Set<String> kinds = new HashSet<>();
        controls.forEach(c -> kinds.add(c.getKind()));
        return kinds;
    }

    private static List<Control> ofKind(List<Control> controls, String kind) {
        return controls.stream().filter(c -> c.getKind().equals(kind)).toList();
    }

    private static boolean sameTrack(Control a, Control b) {
        return a.getKind().equals(b.getKind()) && a.getRole().equals(b.getRole());
    }
}
