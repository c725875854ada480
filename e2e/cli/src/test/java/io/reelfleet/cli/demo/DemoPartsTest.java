package io.reelfleet.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.MediaSegment;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.cli.Failure;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoPartsTest {
    @TempDir Path store;

    @Test
    void capacityIsWhatFitsIntoTheChunkIntervalWithAMarginAndAtLeastOne() {
        assertThat(Calibration.of(1.5, 0.3).capacity()).isEqualTo(3);
        assertThat(Calibration.of(1.5, 0.1).capacity()).isEqualTo(10);
        assertThat(Calibration.of(1.5, 4).capacity()).isEqualTo(1);
    }

    @Test
    void promptsComeFromTheSeedAndDoNotRepeatBeforeAllWereUsed() {
        Prompts one = new Prompts(7);
        Prompts same = new Prompts(7);
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 6 * 3 * 4 * 4; i++) {
            String prompt = one.next();
            assertThat(prompt)
                    .isEqualTo(same.next())
                    .matches("a \\w+ \\w+ moving .+ on a \\w+ background");
            assertThat(seen.add(prompt)).as(prompt).isTrue();
        }
        assertThat(seen).contains(one.next());
    }

    @Test
    void percentilesAreNearestRanks() {
        assertThat(Latencies.of(List.of(3.0, 1.0, 2.0))).isEqualTo(new Latencies(3, 2, 3, 3));
        assertThat(Latencies.of(List.of())).isEqualTo(new Latencies(0, 0, 0, 0));
    }

    @Test
    void framesAreCountedFromTheBoxes() {
        byte[] file =
                concat(
                        box("ftyp", new byte[4]),
                        box("moov", new byte[20]),
                        fragment(9),
                        fragment(12));

        assertThat(Mp4.frames(file)).isEqualTo(21);
        assertThatThrownBy(() -> Mp4.frames(java.util.Arrays.copyOf(file, file.length - 3)))
                .hasMessageContaining("does not fit into the file");
    }

    @Test
    void aRecordingGrowsWithItsLogAndKnowsItsWorkers() throws IOException {
        SessionRecording recording = new SessionRecording(store, "u");
        append(0, LogEntry.newBuilder().setOwner(Owner.newBuilder().setWorker("w1")));
        append(1, chunk(0, 9));
        assertThat(recording.readOn().chunks())
                .extracting(SessionRecording.StoredChunk::worker)
                .containsExactly("w1");
        append(2, LogEntry.newBuilder().setOwner(Owner.newBuilder().setWorker("w2")));
        append(3, chunk(1, 12));

        recording.readOn();

        assertThat(recording.chunks())
                .extracting(SessionRecording.StoredChunk::worker)
                .containsExactly("w1", "w2");
        assertThat(recording.moves()).isEqualTo(1);
        assertThat(recording.frames()).isEqualTo(21);
        assertThat(recording.seconds()).isEqualTo(21 / 8.0);
        assertThat(Mp4.frames(recording.mp4())).isEqualTo(21);
    }

    @Test
    void aMissingChunkIsReported() throws IOException {
        append(0, LogEntry.newBuilder().setOwner(Owner.newBuilder().setWorker("w1")));
        append(1, chunk(1, 12));

        assertThatThrownBy(() -> new SessionRecording(store, "u").readOn())
                .isInstanceOf(Failure.class)
                .hasMessageContaining("chunk 1 stands where chunk 0 should");
    }

    private LogEntry.Builder chunk(long k, int frames) {
        return LogEntry.newBuilder()
                .setWrittenAt(Timestamp.newBuilder().setSeconds(100 + k))
                .setChunk(
                        Chunk.newBuilder()
                                .setChunk(k)
                                .setMedia(
                                        MediaSegment.newBuilder()
                                                .setFps(8)
                                                .setFrames(frames)
                                                .setInit(
                                                        ByteString.copyFrom(
                                                                box("moov", new byte[8])))
                                                .setFragment(
                                                        ByteString.copyFrom(fragment(frames)))));
    }

    private void append(long n, LogEntry.Builder entry) throws IOException {
        Path file = store.resolve("sessions/u/log/%010d".formatted(n));
        Files.createDirectories(file.getParent());
        Files.write(file, entry.build().toByteArray());
    }

    private static byte[] fragment(int frames) {
        byte[] run = ByteBuffer.allocate(8).putInt(0).putInt(frames).array();
        return concat(
                box("moof", concat(box("mfhd", new byte[8]), box("traf", box("trun", run)))),
                box("mdat", new byte[5]));
    }

    private static byte[] box(String type, byte[] body) {
        return ByteBuffer.allocate(8 + body.length)
                .putInt(8 + body.length)
                .put(type.getBytes(StandardCharsets.US_ASCII))
                .put(body)
                .array();
    }

    private static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }
}
