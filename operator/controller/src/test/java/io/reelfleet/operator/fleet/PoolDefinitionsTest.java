package io.reelfleet.operator.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.operator.Settings;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What stands in a resource arrives at the worker. */
class PoolDefinitionsTest {
    private static final Map<String, String> SETTINGS =
            Map.of(
                    "reelfleet.kubernetes", "false",
                    "reelfleet.workers", "processes",
                    "reelfleet.processes.dir", "/tmp/none",
                    "reelfleet.processes.server-jar", "/tmp/none.jar",
                    "reelfleet.pools-file", "/tmp/pools.yaml",
                    "reelfleet.api.token-file", "/tmp/token",
                    "reelfleet.tokens.key-file", "/tmp/key",
                    "reelfleet.store", "file:/tmp/store");

    @Test
    void policyAndRetentionOfAPoolAreItsWorkersSettings() throws Exception {
        GPUPool pool =
                (GPUPool)
                        Documents.read(
                                        """
                                        apiVersion: reelfleet.io/v1alpha1
                                        kind: GPUPool
                                        metadata: {name: p, namespace: team}
                                        spec:
                                          model: {name: m, uri: "file:/m", windowFrames: 21, sinkFrames: 3, retrievedFrames: 6, bankFrames: 90}
                                          scaling: {maxGpus: 2}
                                          retention: {afterFinished: 36h, liveChunks: 400}
                                        """)
                                .getFirst();

        Map<String, String> worker =
                PoolDefinitions.of(
                                pool,
                                "team",
                                Settings.read(key -> Optional.ofNullable(SETTINGS.get(key))))
                        .workerSettings();

        assertThat(worker)
                .containsEntry("reelfleet.model.window-frames", "21")
                .containsEntry("reelfleet.model.sink-frames", "3")
                .containsEntry("reelfleet.model.retrieved-frames", "6")
                .containsEntry("reelfleet.model.bank-frames", "90")
                .containsEntry("reelfleet.retention.after-finished", "36h")
                .containsEntry("reelfleet.retention.live-chunks", "400");
    }

    @Test
    void aSessionsForkRewindAndControlsArriveWholeAndCanBeReadBack() throws Exception {
        VideoSession session =
                Documents.readSession(
                        """
                        apiVersion: reelfleet.io/v1alpha1
                        kind: VideoSession
                        metadata: {name: s, namespace: team}
                        spec:
                          poolRef: {name: p}
                          seed: 7
                          prompt: a red circle
                          from: {session: other, chunk: 11}
                          rewind: {id: once, chunk: 5}
                          controls:
                            - {kind: prompt, fromChunk: 9, text: a blue square, refresh: true}
                            - {kind: negativePrompt, text: fog}
                            - {kind: reference, role: first-frame, image: {uri: "data:image/png;base64,AA=="}}
                        """);

        SessionSpec spec = SessionSpecs.of(session, "u", "team", "uid-of-other");

        assertThat(spec.getFrom().getSessionUid()).isEqualTo("uid-of-other");
        assertThat(spec.getFrom().getChunk()).isEqualTo(11);
        assertThat(spec.getRewind().getId()).isEqualTo("once");
        assertThat(spec.getRewind().getChunk()).isEqualTo(5);
        assertThat(spec.getControlsList())
                .extracting(c -> c.getKind() + c.getFromChunk() + c.getRefresh())
                .containsExactly(
                        "negativePrompt0false", "prompt0false", "prompt9true", "reference0false");
        SessionSpec again =
                SessionSpecs.of(SessionSpecs.resource(spec), "u", "team", "uid-of-other");
        assertThat(again).isEqualTo(spec);
    }
}
