package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.BatchLog;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStores;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The loop with a real engine: sessions come one after the other and share every step. */
class StepBatchingTest {
    private static final int CAP = 4;
    private static final int SESSIONS = 7;
    private static final int CHUNKS = 8;

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void sessionsThatArriveAtDifferentTimesFillNineTenthsOfTheirBatches(boolean decodesBeside)
            throws Exception {
        Path model = folder.resolve("model");
        RandomModel.tiny().write(model, 1);
        try (Engine engine = Engine.load(ModelFolder.of(model), EngineOptions.defaults())) {
            CountDownLatch[] begun = new CountDownLatch[SESSIONS];
            java.util.Arrays.setAll(begun, i -> new CountDownLatch(1 + i % 2));
            Map<String, Long> stored = new ConcurrentHashMap<>();
            CountDownLatch all = new CountDownLatch(SESSIONS * CHUNKS);
            SessionLoop loop =
                    new SessionLoop(
                            new LoopSettings(
                                    "w",
                                    "localhost:1",
                                    Duration.ofSeconds(1),
                                    Duration.ofMinutes(5),
                                    new PaceSettings(2, Duration.ofSeconds(10))),
                            ChunkStores.open(folder.resolve("store").toUri().toString()),
                            () -> new EngineGenerators(engine, CAP, decodesBeside),
                            Clock.systemUTC(),
                            new LoopListener() {
                                @Override
                                public void changed() {}

                                @Override
                                public void chunkStored(ChunkStat stat) {
                                    stored.merge(stat.getSessionUid(), 1L, Long::sum);
                                    String uid = stat.getSessionUid();
                                    begun[Integer.parseInt(uid.substring(1))].countDown();
                                    all.countDown();
                                }

                                @Override
                                public void storeFailed(String uid, String message) {}
                            });
            loop.start();
            for (int i = 0; i < SESSIONS; i++) {
                SessionSpec spec =
                        SessionSpec.newBuilder()
                                .setUid("s" + i)
                                .setSeed(i)
                                .addControls(
                                        Control.newBuilder()
                                                .setKind("prompt")
                                                .setText("a red ball"))
                                .setPacing(Pacing.PACING_UNPACED)
                                .setMaxChunks(CHUNKS)
                                .build();
                loop.admit(spec, 1, 1, false, Optional.empty()).get(20, TimeUnit.SECONDS);
                // The next one comes when this one is in the middle of its video.
                assertThat(begun[i].await(30, TimeUnit.SECONDS)).isTrue();
            }
            assertThat(all.await(60, TimeUnit.SECONDS)).isTrue();
            loop.stop();

            assertThat(stored).hasSize(SESSIONS).containsValue((long) CHUNKS);
            BatchLog.Summary log = engine.batchLog().total();
            assertThat(log.sessions()).isEqualTo((long) SESSIONS * CHUNKS * 3);
            assertThat(log.share()).isGreaterThanOrEqualTo(0.9);
            assertThat(log.meanBatch()).isGreaterThan(1.2);
        }
    }
}
