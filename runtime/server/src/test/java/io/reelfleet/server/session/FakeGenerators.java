package io.reelfleet.server.session;

import io.reelfleet.engine.Advance;
import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.LatentTensor;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.StoredChunk;
import io.reelfleet.engine.VideoFrames;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** An engine whose latents are one number, made from the chunk before, the seed and the prompt. */
final class FakeGenerators implements Generators {
    static final int STEPS = 3;
    static final int SIZE = 32;

    final ModelDescription model =
            new ModelDescription(
                    "fake", "0", SIZE, SIZE, 160, 3, 9, 0, STEPS, 1000, List.of("prompt"), 16);
    final AtomicInteger open = new AtomicInteger();

    /** Sizes of the batches there were. */
    final List<Integer> batches = java.util.Collections.synchronizedList(new ArrayList<>());

    volatile int cap = 1;
    volatile int most = 100;
    volatile boolean hostFull;
    volatile String failsOn = "";
    volatile String givenUp = "";

    /** States that come back are on their way as long as this is so. */
    volatile boolean copying;

    /** Chunks are decoded when this is complete. */
    volatile CompletableFuture<Void> decoding = CompletableFuture.completedFuture(null);

    final Set<String> prefetched = ConcurrentHashMap.newKeySet();

    @Override
    public ModelDescription model() {
        return model;
    }

    @Override
    public String fingerprint() {
        return "fake";
    }

    @Override
    public long deviceBytesUsed() {
        return open.get() * 1000L;
    }

    @Override
    public long deviceBytesLimit() {
        return most * 1000L;
    }

    @Override
    public long hostBytesUsed() {
        return 0;
    }

    @Override
    public Generator open(SessionParameters parameters) throws InvalidPromptException {
        check(parameters.prompt());
        take(parameters.uid());
        return new Fake(parameters);
    }

    @Override
    public int batchCap() {
        return cap;
    }

    @Override
    public List<Advance> step(List<Generator> batch, int runnable) {
        batches.add(batch.size());
        return batch.stream().map(each -> ((Fake) each).advance()).toList();
    }

    @Override
    public boolean settle() {
        return copying;
    }

    @Override
    public void close() {}

    private void take(String uid) {
        if (open.get() >= most) {
            throw new DoesNotFitException("session " + uid + " does not fit");
        }
        open.incrementAndGet();
    }

    private static void check(String prompt) throws InvalidPromptException {
        if (prompt.length() > 100) {
            throw new InvalidPromptException("prompt has more than 16 tokens: shorten it");
        }
    }

    /** What chunk k's latents are after those of the chunk before. */
    static float next(float before, long seed, long k, String prompt) {
        return Objects.hash(before, seed, k, prompt) % 100_000;
    }

    static float value(byte[] latents) {
        return ByteBuffer.wrap(latents).order(ByteOrder.LITTLE_ENDIAN).getFloat();
    }

    private final class Fake implements Generator {
        private final SessionParameters parameters;
        private String prompt;
        private float state;
        private long chunk;
        private int step;
        private boolean suspended;
        private boolean closed;

        Fake(SessionParameters parameters) {
            this.parameters = parameters;
            this.prompt = parameters.prompt();
        }

        Advance advance() {
            if (suspended || closed) {
                return new Advance(
                        false, new IllegalStateException("stepped while suspended or closed"));
            }
            if (parameters.uid().equals(failsOn)) {
                return new Advance(false, new IllegalStateException("out of luck"));
            }
            return new Advance(++step == STEPS, null);
        }

        @Override
        public GeneratedChunk takeChunk() {
            step = 0;
            state = next(state, parameters.seed(), chunk, prompt);
            byte[] latents =
                    ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(state).array();
            int frames = model.videoFrames(chunk);
            return new GeneratedChunk(
                    chunk++,
                    0,
                    new LatentTensor(new int[] {1, 1, 1, 1}, latents),
                    new VideoFrames(SIZE, SIZE, frames, new byte[frames * SIZE * SIZE * 3]),
                    0.001,
                    0.001);
        }

        @Override
        public void setPrompt(String text, PromptSwitch how) throws InvalidPromptException {
            check(text);
            prompt = text;
        }

        @Override
        public void setNegativePrompt(String text) throws InvalidPromptException {
            throw new InvalidPromptException("model fake runs without guidance");
        }

        @Override
        public void setFirstFrame(VideoFrames image) {
            throw new UnsupportedOperationException("pictures are tested with the real engine");
        }

        @Override
        public void suspend() {
            if (hostFull) {
                throw new DoesNotFitException("host memory is full");
            }
            suspended = true;
            open.decrementAndGet();
        }

        @Override
        public boolean lost() {
            return suspended && parameters.uid().equals(givenUp);
        }

        @Override
        public void resume() {
            take(parameters.uid());
            suspended = false;
        }

        @Override
        public boolean tryResume() {
            if (copying) {
                return false;
            }
            resume();
            return true;
        }

        @Override
        public void prefetch() {
            prefetched.add(parameters.uid());
        }

        @Override
        public CompletableFuture<GeneratedChunk> decode() {
            GeneratedChunk chunk = takeChunk();
            return decoding.thenApply(done -> chunk);
        }

        @Override
        public void rebuild(long nextChunk, List<StoredChunk> lastChunks) {
            step = 0;
            if (nextChunk == 0) {
                chunk = 0;
                state = 0;
                return;
            }
            StoredChunk last = lastChunks.getLast();
            if (last.chunk() != nextChunk - 1) {
                throw new IllegalArgumentException("wrong chunks");
            }
            chunk = nextChunk;
            state = value(last.latents().float32LittleEndian());
            prompt = last.prompt();
        }

        @Override
        public List<Long> rebuildSet(long nextChunk) {
            List<Long> set = new ArrayList<>();
            for (long k = Math.max(0, nextChunk - 3); k < nextChunk; k++) {
                set.add(k);
            }
            return set;
        }

        @Override
        public io.reelfleet.engine.SessionState state() {
            throw new UnsupportedOperationException("moves are tested with the real engine");
        }

        @Override
        public io.reelfleet.engine.SessionStateImport importing() {
            throw new UnsupportedOperationException("moves are tested with the real engine");
        }

        @Override
        public long stateBytes() {
            return 1000;
        }

        @Override
        public void close() {
            if (!closed && !suspended) {
                open.decrementAndGet();
            }
            closed = true;
        }
    }
}
