package io.reelfleet.gateway.follow;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.gateway.testing.Logs;
import io.reelfleet.gateway.testing.MemoryStore;
import io.reelfleet.gateway.testing.SampleVideo;
import io.reelfleet.gateway.testing.SyntheticSession;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class ChunkIndexTest {

    private static ChunkIndex byHalving(MemoryStore store) throws StoreException {
        return ChunkIndex.read(SessionLogReader.atEnd(store, "s"));
    }

    private static ChunkIndex oneByOne(MemoryStore store) throws StoreException {
        ChunkIndex index = ChunkIndex.empty();
        for (var entry : SessionLogReader.fromStart(store, "s").pollAll()) {
            index = index.with(entry);
        }
        return index;
    }

    private static void bothAgree(Consumer<SyntheticSession> writing) throws StoreException {
        MemoryStore store = Logs.store(writing);
        ChunkIndex halved = byHalving(store);
        ChunkIndex whole = oneByOne(store);
        assertThat(halved.runs()).isEqualTo(whole.runs());
        assertThat(halved.owner()).isEqualTo(whole.owner());
        assertThat(halved.end()).isEqualTo(whole.end());
        assertThat(halved.controls()).isEqualTo(whole.controls());
        for (ChunkRun run : whole.runs()) {
            assertThat(halved.init(run.init())).isPresent().isEqualTo(whole.init(run.init()));
        }
    }

    @Test
    void halvingFindsWhatReadingEachEntryFinds() throws StoreException {
        bothAgree(s -> {});
        bothAgree(s -> s.chunks(1));
        bothAgree(s -> s.chunks(2).end());
        bothAgree(s -> s.chunks(40).owner("w-2", "127.0.0.1:2", 2).chunks(33).end());
        bothAgree(s -> s.owner("w-2", "127.0.0.1:2", 2).owner("w-3", "127.0.0.1:3", 3).chunks(7));
        bothAgree(
                s -> {
                    for (int epoch = 2; epoch < 12; epoch++) {
                        s.chunks(epoch % 4).owner("w-" + epoch, "127.0.0.1:2", epoch);
                    }
                    s.anotherEncoder().chunks(9).prompt("a blue square").chunks(1);
                });
        bothAgree(s -> s.chunks(30).rewind(4).chunks(17).rewind(30).rewind(2).chunks(9).end());
    }

    @Test
    void aForksIndexBeginsWithItsSourcesChunksAndGoesOnWithItsOwn() throws StoreException {
        MemoryStore store = Logs.store(s -> s.chunks(40).rewind(3).chunks(20));
        new SyntheticSession(store, "f", "a red ball").forkOf("s", 44, "w-2").chunks(5);
        new SyntheticSession(store, "g", "a red ball").forkOf("f", 46, "w-3").chunks(3).end();

        SessionLogReader log = SessionLogReader.atEnd(store, "g");
        ChunkIndex index = ChunkIndex.read(log);

        assertThat(index.nextChunk()).isEqualTo(50);
        assertThat(index.owner()).hasValueSatisfying(o -> assertThat(o.epoch()).isEqualTo(1));
        assertThat(index.end()).isPresent();
        for (long k = 0; k < 50; k++) {
            ChunkRun run = index.run(k).orElseThrow();
            assertThat(run.log()).isEqualTo(k <= 44 ? "s" : k <= 46 ? "f" : "g");
            assertThat(
                            SessionLogReader.atEnd(store, run.log())
                                    .entry(run.entryOf(k))
                                    .getChunk()
                                    .getChunk())
                    .isEqualTo(k);
        }
    }

    @Test
    void aTrimmedLogsIndexBeginsWithWhatIsKeptAndSoDoesOneThatFollowed() throws StoreException {
        MemoryStore store = Logs.store(s -> s.chunks(60).rewind(50).chunks(10));
        ChunkIndex followed = byHalving(store);
        SessionLogReader follower = SessionLogReader.atEnd(store, "s");
        SyntheticSession next =
                new SyntheticSession(store, "s", "a red ball").owner("w-2", "127.0.0.1:2", 2);
        next.chunks(1).trim(45).chunks(4);
        for (var entry : follower.pollAll()) {
            followed = followed.with(entry);
        }

        ChunkIndex opened = byHalving(store);

        assertThat(opened.firstChunk()).isEqualTo(45);
        assertThat(opened.nextChunk()).isEqualTo(75);
        assertThat(opened.runs()).isEqualTo(followed.runs());
        assertThat(opened.owner()).isEqualTo(followed.owner()).isPresent();
        assertThat(opened.run(44)).isEmpty();
        next.trim(72).chunks(1);
        assertThat(byHalving(store).owner()).as("of an entry that is gone").isPresent();
    }

    @Test
    void aLongLogIsOpenedWithFewReads() throws StoreException {
        MemoryStore store =
                Logs.store(s -> s.chunks(2000).owner("w-2", "127.0.0.1:2", 2).chunks(500));
        long before = store.reads();
        ChunkIndex index = byHalving(store);
        assertThat(index.nextChunk()).isEqualTo(2500);
        assertThat(index.seconds()).isEqualTo(SampleVideo.firstFrame(2500) / SampleVideo.FPS);
        assertThat(store.reads() - before).isLessThan(60);
    }

    @Test
    void eachChunkIsInTheEntryThatHoldsIt() throws StoreException {
        MemoryStore store =
                Logs.store(
                        s -> s.chunks(5).owner("w-2", "127.0.0.1:2", 2).anotherEncoder().chunks(5));
        ChunkIndex index = byHalving(store);
        SessionLogReader reader = SessionLogReader.atEnd(store, "s");
        for (long k = 0; k < 10; k++) {
            ChunkRun run = index.run(k).orElseThrow();
            assertThat(reader.entry(run.entryOf(k)).getChunk().getChunk()).isEqualTo(k);
            assertThat(run.secondsBefore(k)).isEqualTo(SampleVideo.firstFrame(k) / SampleVideo.FPS);
        }
        assertThat(index.run(10)).isEmpty();
        assertThat(index.run(-1)).isEmpty();
    }
}
