package io.reelfleet.gateway.hls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.Indexes;
import io.reelfleet.gateway.testing.SampleVideo;
import io.reelfleet.gateway.testing.SyntheticSession;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class MediaPlaylistTest {

    private static ChunkIndex index(Consumer<SyntheticSession> writing) {
        return Indexes.of(writing);
    }

    @Test
    void listsEachChunkUnderItsNumberWithItsLength() {
        PlaylistCheck list = PlaylistCheck.of(MediaPlaylist.of(index(s -> s.chunks(50))));
        assertThat(list.mediaSequence()).isZero();
        assertThat(list.ended()).isFalse();
        assertThat(list.segments()).hasSize(50);
        for (int k = 0; k < 50; k++) {
            assertThat(list.segments().get(k).uri()).isEqualTo(k + ".m4s");
            assertThat(list.segments().get(k).seconds())
                    .isCloseTo(SampleVideo.frames(k) / SampleVideo.FPS, within(1e-5));
        }
        assertThat(list.targetDuration()).isEqualTo(1);
    }

    @Test
    void isClosedOnceTheSessionHasEnded() {
        PlaylistCheck list = PlaylistCheck.of(MediaPlaylist.of(index(s -> s.chunks(3).end())));
        assertThat(list.ended()).isTrue();
        assertThat(list.seconds()).isCloseTo(33 / 16.0, within(1e-4));
    }

    @Test
    void saysSoWhenTheEncoderChanges() {
        PlaylistCheck list =
                PlaylistCheck.of(
                        MediaPlaylist.of(
                                index(
                                        s ->
                                                s.chunks(4)
                                                        .owner("w-2", "127.0.0.1:2", 2)
                                                        .anotherEncoder()
                                                        .chunks(3))));
        assertThat(list.segments())
                .extracting(PlaylistCheck.Segment::discontinuity)
                .containsExactly(false, false, false, false, true, false, false);
        assertThat(list.segments().get(4).init()).isNotEqualTo(list.segments().get(3).init());
    }

    @Test
    void anotherOwnerWithTheSameEncoderIsNoDiscontinuity() {
        PlaylistCheck list =
                PlaylistCheck.of(
                        MediaPlaylist.of(
                                index(s -> s.chunks(4).owner("w-2", "127.0.0.1:2", 2).chunks(3))));
        assertThat(list.segments()).hasSize(7).noneMatch(PlaylistCheck.Segment::discontinuity);
    }

    @Test
    void growsAsPlayersExpect() {
        for (int chunks = 1; chunks < 6; chunks++) {
            int n = chunks;
            PlaylistCheck before = PlaylistCheck.of(MediaPlaylist.of(index(s -> s.chunks(n))));
            PlaylistCheck after = PlaylistCheck.of(MediaPlaylist.of(index(s -> s.chunks(n + 1))));
            before.checkLater(after);
        }
    }

    @Test
    void slidesWhenTheSessionIsLong() {
        int n = MediaPlaylist.WINDOW;
        ChunkIndex early = index(s -> s.anotherEncoder().chunks(n));
        ChunkIndex late = index(s -> s.anotherEncoder().chunks(n + 7));
        PlaylistCheck before = PlaylistCheck.of(MediaPlaylist.of(early));
        PlaylistCheck after = PlaylistCheck.of(MediaPlaylist.of(late));
        assertThat(after.mediaSequence()).isEqualTo(7);
        assertThat(after.segments()).hasSize(n);
        before.checkLater(after);
    }

    @Test
    void discontinuitiesAreCountedWhereverAPlayerStarts() {
        ChunkIndex index =
                index(s -> s.chunks(4).owner("w-2", "127.0.0.1:2", 2).anotherEncoder().chunks(4));
        for (int from = 0; from < 8; from++) {
            PlaylistCheck list = PlaylistCheck.of(MediaPlaylist.from(index, from));
            assertThat(list.type()).isEqualTo("EVENT");
            assertThat(list.mediaSequence()).isEqualTo(from);
            assertThat(list.segments().getFirst().uri()).isEqualTo(from + ".m4s");
            assertThat(list.lastDiscontinuity()).isEqualTo(1);
        }
    }
}
