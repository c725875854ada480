package io.reelfleet.cli.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.Fork;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.MediaSegment;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.log.v1.Rewind;
import io.reelfleet.api.log.v1.Tensor;
import io.reelfleet.cli.chaos.Oracle.Finding;
import io.reelfleet.cli.chaos.Oracle.Kind;
import io.reelfleet.cli.chaos.Oracle.Violation;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** The oracle finds what is planted, and nothing where all is well. */
class OracleTest {
    private static final int CHUNKS = 6;
    private static final Oracle ORACLE = new Oracle(CHUNKS, 3);

    private final List<LogEntry> log = new ArrayList<>();
    private final Map<Long, ByteString> viewer = new HashMap<>();

    private static Tensor latents(float... frames) {
        ByteBuffer bytes =
                ByteBuffer.allocate(frames.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (float frame : frames) {
            bytes.putFloat(frame);
        }
        return Tensor.newBuilder()
                .setDtype("F32")
                .addAllShape(List.of((long) frames.length, 1L))
                .setData(ByteString.copyFrom(bytes.array()))
                .build();
    }

    private static Tensor latents(long k) {
        return latents(k, k + 0.5f);
    }

    private static List<Tensor> undisturbed() {
        return LongStream.range(0, CHUNKS).mapToObj(OracleTest::latents).toList();
    }

    private void entry(long epoch, LogEntry.Builder body) {
        log.add(body.setEpoch(epoch).setIndex(log.size()).build());
    }

    private void owner(long epoch, long next, String move) {
        entry(
                epoch,
                LogEntry.newBuilder()
                        .setOwner(
                                Owner.newBuilder()
                                        .setWorker("w" + epoch)
                                        .setNextChunk(next)
                                        .setMove(move)));
    }

    private void chunk(long epoch, long k, Tensor latents) {
        ByteString media = ByteString.copyFromUtf8("media " + k);
        entry(
                epoch,
                LogEntry.newBuilder()
                        .setChunk(
                                Chunk.newBuilder()
                                        .setChunk(k)
                                        .setLatents(latents)
                                        .setMedia(MediaSegment.newBuilder().setFragment(media))));
        viewer.put(k, media);
    }

    private void chunks(long epoch, long from, long to) {
        LongStream.range(from, to).forEach(k -> chunk(epoch, k, latents(k)));
    }

    private void end(long epoch) {
        entry(epoch, LogEntry.newBuilder().setEnd(End.newBuilder().setReason("Completed")));
    }

    private Finding judged() {
        return ORACLE.judge(log, undisturbed(), viewer);
    }

    private void finds(Kind kind, String sentence) {
        assertThat(judged().violations()).contains(new Violation(kind, sentence));
    }

    @Test
    void nothingIsWrongWithASessionThatMovedAndWasRebuiltInTime() {
        owner(1, 0, "");
        chunks(1, 0, 2);
        owner(2, 2, "");
        chunks(2, 2, 4);
        owner(3, 4, "m1");
        chunks(3, 4, CHUNKS);
        end(3);

        assertThat(judged())
                .isEqualTo(new Finding(List.of(), CHUNKS, 0, CHUNKS, 1, 1, 0, false, List.of(), 0));
    }

    @Test
    void aRewoundChunkIsHeldAgainstTheOneAtItsPlaceInTheVideo() {
        owner(1, 0, "");
        chunks(1, 0, 4);
        entry(1, LogEntry.newBuilder().setRewind(Rewind.newBuilder().setChunk(1).setNextChunk(4)));
        rewound(4, latents(1));
        owner(2, 5, "m1");
        rewound(2, 5, latents(2));
        end(2);
        assertThat(judged().violations()).isEmpty();
    }

    @Test
    void aRewoundChunkWithOtherBitsIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 4);
        entry(1, LogEntry.newBuilder().setRewind(Rewind.newBuilder().setChunk(1).setNextChunk(4)));
        rewound(4, latents(4));
        end(1);

        finds(Kind.ALTERED, "chunk 4 has other bits than in the undisturbed session");
    }

    @Test
    void aRewoundChunkAtAnotherPlaceThanTheRewindSaysIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 4);
        entry(1, LogEntry.newBuilder().setRewind(Rewind.newBuilder().setChunk(2).setNextChunk(4)));
        rewound(4, latents(1));
        rewound(5, latents(2));
        end(1);

        finds(Kind.BROKEN, "chunk 4 stands at position 1 where position 2 comes next");
    }

    @Test
    void aForkBeginsWithTheBitsThatFollowItsSource() {
        entry(1, LogEntry.newBuilder().setFork(Fork.newBuilder().setSourceUid("s").setChunk(1)));
        owner(1, 2, "");
        chunks(1, 2, CHUNKS);
        end(1);
        assertThat(judged().violations()).isEmpty();
        assertThat(judged().forked()).isTrue();
        assertThat(judged().compared()).isEqualTo(CHUNKS - 2);
    }

    private void rewound(long k, Tensor latents) {
        rewound(1, k, latents);
    }

    private void rewound(long epoch, long k, Tensor latents) {
        chunk(epoch, k, latents);
        LogEntry last = log.removeLast();
        log.add(last.toBuilder().setChunk(last.getChunk().toBuilder().setReplayed(3)).build());
    }

    @Test
    void anAlteredChunkIsFoundByItsBits() {
        owner(1, 0, "");
        chunks(1, 0, 4);
        chunk(1, 4, latents(4, Math.nextUp(4.5f)));
        chunks(1, 5, CHUNKS);
        end(1);

        finds(Kind.ALTERED, "chunk 4 has other bits than in the undisturbed session");
    }

    @Test
    void aChunkAlteredByALiveMoveIsFoundAlsoWhenTheWindowHasRolled() {
        owner(1, 0, "");
        chunks(1, 0, 5);
        owner(2, 5, "m1");
        chunk(2, 5, latents(5, 5));
        end(2);

        finds(Kind.ALTERED, "chunk 5 has other bits than in the undisturbed session");
    }

    @Test
    void aChunkAlteredByARebuildWhileNothingHadLeftTheWindowIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 3);
        owner(2, 3, "");
        chunk(2, 3, latents(3, 3));
        chunks(2, 4, CHUNKS);
        end(2);

        finds(Kind.ALTERED, "chunk 3 has other bits than in the undisturbed session");
    }

    @Test
    void aContinuationAfterACrashMayGoAnotherWayAndItsSeamIsMeasured() {
        owner(1, 0, "");
        chunks(1, 0, 4);
        owner(2, 4, "");
        chunk(2, 4, latents(6.5f, 7));
        chunk(2, 5, latents(7.5f, 8));
        end(2);

        Finding finding = judged();
        assertThat(finding.violations()).isEmpty();
        assertThat(finding.compared()).isEqualTo(4);
        assertThat(finding.continued()).isEqualTo(2);
        assertThat(finding.seams()).containsExactly(new Oracle.Seam(4, 3, 0.5));
    }

    @Test
    void aGapIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 2);
        chunks(1, 3, CHUNKS);
        end(1);

        finds(Kind.LOST, "chunk 2 is missing");
    }

    @Test
    void aDoubledChunkIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 3);
        chunks(1, 2, CHUNKS);
        end(1);

        finds(Kind.DOUBLED, "chunk 2 stands there twice");
    }

    @Test
    void aSecondOwnersChunkIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 2);
        owner(2, 2, "m1");
        chunk(1, 2, latents(2));
        chunks(2, 3, CHUNKS);
        end(2);

        finds(Kind.BROKEN, "chunk 2 was written under epoch 1 while epoch 2 owned the session");
    }

    @Test
    void whatTheViewerMissedOrSawOtherwiseIsFound() {
        owner(1, 0, "");
        chunks(1, 0, CHUNKS);
        end(1);
        viewer.remove(1L);
        viewer.put(2L, ByteString.copyFromUtf8("something else"));

        finds(Kind.LOST, "the viewer never got chunk 1");
        finds(Kind.ALTERED, "the viewer saw another chunk 2 than the log has");
    }

    @Test
    void aSessionThatStopsIsFound() {
        owner(1, 0, "");
        chunks(1, 0, 4);

        finds(Kind.BROKEN, "it never ended; it stood at chunk 4 of 6");
        end(1);
        finds(Kind.LOST, "it ended after 4 of 6 chunks");
        chunk(1, 4, latents(4));
        finds(Kind.BROKEN, "entry 6 follows the end");
    }
}
