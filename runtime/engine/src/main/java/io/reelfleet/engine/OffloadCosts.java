package io.reelfleet.engine;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.model.StreamingCache;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What it takes to bring a suspended session back, from each place its state can be; measured on
 * this machine.
 *
 * @param stateBytes bytes of a state with a full window
 * @param copyBytesPerSecond between device and host memory
 * @param fileBytesPerSecond written to and read from a file, the slower of both; 0 where there is
 *     no folder
 * @param replaySecondsPerChunk one pass at t = 0 with a full window
 * @param replayChunks chunks that a rebuild replays
 * @param decodeSecondsPerChunk one decode
 * @param decodeChunks chunks that a rebuild decodes again
 */
public record OffloadCosts(
        long stateBytes,
        double copyBytesPerSecond,
        double fileBytesPerSecond,
        double replaySecondsPerChunk,
        int replayChunks,
        double decodeSecondsPerChunk,
        int decodeChunks) {
    private static final int SAMPLE_BYTES = 16 << 20;
    private static final int ROUNDS = 3;
    private static final Logger LOG = LoggerFactory.getLogger(OffloadCosts.class);

    /** Seconds to bring it back from host memory. */
    public double hostSeconds() {
        return stateBytes / copyBytesPerSecond;
    }

    /** Seconds to bring it back from a file; infinite where there is no folder. */
    public double fileSeconds() {
        return fileBytesPerSecond == 0
                ? Double.POSITIVE_INFINITY
                : stateBytes / fileBytesPerSecond + hostSeconds();
    }

    /** Seconds to make it again from stored latents. */
    public double rebuildSeconds() {
        return replayChunks * replaySecondsPerChunk + decodeChunks * decodeSecondsPerChunk;
    }

    /** What is to happen to states that host memory has no room for: whatever is back sooner. */
    public HostTier.Beyond beyond() {
        return rebuildSeconds() < fileSeconds() ? HostTier.Beyond.DROP : HostTier.Beyond.FILE;
    }

    static OffloadCosts measure(Engine engine, Path folder, int replayChunks, int decodeChunks) {
        OffloadCosts costs =
                new OffloadCosts(
                        engine.model().sessionBytes(),
                        copyRate(engine.device()),
                        folder == null ? 0 : fileRate(folder),
                        engine.batchCap().secondsPerSession().getOrDefault(1, 0.0),
                        replayChunks,
                        decodeSeconds(engine),
                        decodeChunks);
        LOG.info(
                "bringing a suspended session back takes about {} s from host memory, {} s from a file, {} s from latents;"
                        + " beyond host memory: {}",
                round(costs.hostSeconds()),
                round(costs.fileSeconds()),
                round(costs.rebuildSeconds()),
                costs.beyond());
        return costs;
    }

    private static String round(double seconds) {
        return String.format(java.util.Locale.ROOT, "%.3f", seconds);
    }

    private static double copyRate(Device device) {
        try (Tensor from = Tensors.owned(() -> device.zeroFloats(SAMPLE_BYTES / Float.BYTES));
                Tensor bytes = device.hostMemory(SAMPLE_BYTES);
                Tensor to = Tensors.owned(() -> bytes.view(torch.ScalarType.Float))) {
            double best = Double.MAX_VALUE;
            for (int i = 0; i <= ROUNDS; i++) {
                long start = System.nanoTime();
                device.copy(List.of(new Device.Copy(from, to)));
                best = Math.min(best, (System.nanoTime() - start) / 1e9);
            }
            return SAMPLE_BYTES / best;
        }
    }

    /** The page cache flatters reading, so that writing through to the disk usually decides. */
    private static double fileRate(Path folder) {
        Path file = folder.resolve("rate-" + ProcessHandle.current().pid());
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.READ,
                        StandardOpenOption.DELETE_ON_CLOSE)) {
            ByteBuffer bytes = ByteBuffer.allocateDirect(SAMPLE_BYTES);
            MemorySegment.ofBuffer(bytes).fill((byte) 1);
            long start = System.nanoTime();
            while (bytes.hasRemaining()) {
                channel.write(bytes, bytes.position());
            }
            channel.force(false);
            double write = (System.nanoTime() - start) / 1e9;
            bytes.clear();
            start = System.nanoTime();
            while (bytes.hasRemaining() && channel.read(bytes, bytes.position()) > 0) {
                // until all of it is read
            }
            double read = (System.nanoTime() - start) / 1e9;
            return SAMPLE_BYTES / Math.max(write, read);
        } catch (IOException e) {
            LOG.warn("{} cannot be written, so no state goes there: {}", folder, e.getMessage());
            return 0;
        } finally {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                LOG.warn("{} could not be removed: {}", file, e.getMessage());
            }
        }
    }

    private static double decodeSeconds(Engine engine) {
        int[] shape = engine.latentShape();
        try (InferenceMode _ = new InferenceMode(true);
                PointerScope _ = new PointerScope();
                StreamingCache state = engine.decoder().newState()) {
            Tensor latents = engine.device().zeroFloats(shape[0], shape[1], shape[2], shape[3]);
            double best = Double.MAX_VALUE;
            for (int i = 0; i < 2; i++) {
                long start = System.nanoTime();
                engine.decoder().decode(latents, state);
                engine.device().await();
                best = Math.min(best, (System.nanoTime() - start) / 1e9);
            }
            return best;
        }
    }
}
