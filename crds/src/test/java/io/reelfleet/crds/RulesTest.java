package io.reelfleet.crds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.HasMetadata;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RulesTest {
    static List<BadInput> inputs() {
        List<BadInput> all = new ArrayList<>(BadInput.sessions());
        all.addAll(BadInput.pools());
        return all;
    }

    @ParameterizedTest
    @MethodSource("inputs")
    void refuseWhatPeopleGetWrong(BadInput input) {
        assertThat(refusals(input.yaml()))
                .anySatisfy(r -> assertThat(r).contains(input.field(), input.sentence()));
    }

    @ParameterizedTest
    @MethodSource("io.reelfleet.crds.BadInput#sessionUpdates")
    void refuseChangesOfWhatIsFixed(BadInput change) {
        VideoSession before =
                Documents.readSession(BadInput.document("VideoSession", "s", BadInput.SESSION));
        assertThat(SessionRules.checkUpdate(before, Documents.readSession(change.yaml())))
                .extracting(Violation::message)
                .containsExactly(change.sentence());
    }

    @Test
    void letGoodOnesPass() {
        assertThat(refusals(BadInput.document("VideoSession", "s", BadInput.SESSION))).isEmpty();
        assertThat(refusals(BadInput.document("GPUPool", "p", BadInput.POOL))).isEmpty();
    }

    @Test
    void refuseAFieldThatDoesNotExistByItsName() {
        assertThatThrownBy(() -> Documents.read(BadInput.document("VideoSession", "s", "promt: x")))
                .isInstanceOf(InvalidDocumentException.class)
                .hasMessageStartingWith("unknown field \"spec.promt\"; write one of ");
    }

    @Test
    void refuseWhatIsNoDocument() {
        assertThatThrownBy(() -> Documents.read("kind: Pod\napiVersion: v1"))
                .hasMessage("apiVersion: \"v1\" is not known; write reelfleet.io/v1alpha1");
        assertThatThrownBy(() -> Documents.read("a: [1"))
                .hasMessageStartingWith("line ")
                .hasMessageContaining("is not YAML");
        assertThatThrownBy(
                        () -> Documents.read(BadInput.document("VideoSession", "s", "seed: many")))
                .hasMessage("spec.seed: \"many\" is not a whole number; write one");
    }

    @Test
    void durationsReadWhatTheyWrite() {
        for (String text : List.of("750ms", "30s", "5m", "1h30m", "0s")) {
            assertThat(Durations.format(Durations.parse(text))).isEqualTo(text);
        }
        assertThatThrownBy(() -> Durations.parse("ten"))
                .hasMessage("\"ten\" is not a duration; write one such as 750ms, 30s, 5m or 1h30m");
    }

    @Test
    void anUnnamedSeedComesFromTheUidAndIsNeverNegative() {
        VideoSessionSpec spec =
                Documents.readSession(BadInput.document("VideoSession", "s", "poolRef: {name: p}"))
                        .getSpec();
        assertThat(spec.seedFor("a"))
                .isNotNegative()
                .isEqualTo(spec.seedFor("a"))
                .isNotEqualTo(spec.seedFor("b"));
    }

    /** What the Java rules say of a document, field and sentence in one line each. */
    static List<String> refusals(String yaml) {
        try {
            HasMetadata document = Documents.read(yaml).get(0);
            return (document instanceof VideoSession s
                            ? SessionRules.check(s)
                            : PoolRules.check((GPUPool) document))
                    .stream().map(Violation::toString).toList();
        } catch (InvalidDocumentException e) {
            return List.of(e.getMessage());
        }
    }
}
