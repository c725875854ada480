package io.reelfleet.engine;

import io.reelfleet.engine.cache.KvCache;
import io.reelfleet.engine.model.CausalVideoTransformer;
import io.reelfleet.engine.model.CrossContext;
import io.reelfleet.engine.model.StepItem;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How many sessions one pass takes: measured on this machine with full windows, doubling the batch
 * as long as a session's share of a pass gets shorter by {@link #WORTHWHILE}.
 *
 * <p>A larger batch that gains nothing only makes every session in it wait for the others.
 *
 * @param sessions the cap: 1 where no batch gains
 * @param secondsPerSession a session's share of a pass, by batch size, as far as it was measured
 */
public record BatchCap(int sessions, Map<Integer, Double> secondsPerSession) {
    /** Smallest gain in time per session that a doubled batch must show. */
    static final double WORTHWHILE = 0.05;

    private static final int LARGEST = 64;
    private static final int ROUNDS = 8;
    private static final int WARM_UP = 60;
    private static final long MOST_NANOS = 3_000_000_000L;
    private static final Logger LOG = LoggerFactory.getLogger(BatchCap.class);

    public BatchCap {
        secondsPerSession = Collections.unmodifiableMap(new LinkedHashMap<>(secondsPerSession));
    }

    /** Measures. Takes at most a few seconds, and as many pages as are free. */
    static BatchCap measure(Engine engine) {
        Probe probe = new Probe(engine, new ArrayList<>());
        long start = System.nanoTime();
        try (InferenceMode _ = new InferenceMode(true);
                PointerScope _ = new PointerScope();
                CrossContext prompt =
                        engine.transformer().emptyCross(engine.settings().textLen())) {
            Map<Integer, Double> seconds = new LinkedHashMap<>();
            int cap = 1;
            if (!probe.grow(1)) {
                return new BatchCap(1, seconds);
            }
            // A fresh JVM runs the calls slowly at first, whatever their size.
            for (int i = 0; i < WARM_UP && System.nanoTime() - start < MOST_NANOS / 3; i++) {
                double one = probe.pass(1, prompt);
                if (one > MOST_NANOS / 8e9) {
                    // A single session keeps this machine busy for so long that sharing gains
                    // nothing.
                    return new BatchCap(1, Map.of(1, one));
                }
            }
            for (int size = 2; size <= LARGEST && probe.grow(size); size *= 2) {
                double[] both = probe.compare(size / 2, size, prompt, start + MOST_NANOS);
                seconds.merge(size / 2, both[0], Math::min);
                seconds.put(size, both[1]);
                if (both[1] > both[0] * (1 - WORTHWHILE)) {
                    break;
                }
                cap = size;
                if (System.nanoTime() - start > MOST_NANOS) {
                    break;
                }
            }
            LOG.info(
                    "one pass takes up to {} sessions; ms per session by batch: {}",
                    cap,
                    shown(seconds));
            return new BatchCap(cap, seconds);
        } finally {
            probe.caches.forEach(KvCache::close);
        }
    }

    private static String shown(Map<Integer, Double> seconds) {
        StringBuilder text = new StringBuilder();
        seconds.forEach(
                (size, time) ->
                        text.append(text.isEmpty() ? "" : ", ")
                                .append(size)
                                .append(String.format(Locale.ROOT, ": %.2f", 1e3 * time)));
        return text.toString();
    }

    /** Passes over sessions that exist only as caches. */
    private record Probe(Engine engine, List<KvCache> caches) {
        /** Session's caches with a full window behind the chunk, as far as there are pages. */
        boolean grow(int size) {
            GenerationSettings settings = engine.settings();
            CausalVideoTransformer transformer = engine.transformer();
            int layers = transformer.config().layers();
            while (caches.size() < size) {
                int free = engine.pool().capacity() - engine.pool().used();
                if (free < KvCache.pages(layers, settings.windowFrames())) {
                    return false;
                }
                KvCache cache =
                        new KvCache(
                                engine.pool(),
                                layers,
                                settings.windowFrames(),
                                settings.sinkFrames(),
                                transformer.tokensPerFrame(),
                                settings.positions());
                caches.add(cache);
                int past = settings.windowFrames() - settings.framesPerChunk();
                if (past > 0) {
                    cache.beginChunk(0, past);
                    cache.clearChunk();
                    cache.commitChunk();
                }
                cache.beginChunk(past, settings.framesPerChunk());
            }
            return true;
        }

        /** Best seconds per session of two sizes, measured in turns. */
        double[] compare(int small, int large, CrossContext prompt, long deadline) {
            double[] best = {Double.MAX_VALUE, Double.MAX_VALUE};
            for (int round = 0; round <= ROUNDS; round++) {
                double one = pass(small, prompt);
                double other = pass(large, prompt);
                if (round > 0 || System.nanoTime() > deadline) {
                    best[0] = Math.min(best[0], one);
                    best[1] = Math.min(best[1], other);
                }
                if (System.nanoTime() > deadline) {
                    break;
                }
            }
            return best;
        }

        private double pass(int size, CrossContext prompt) {
            int[] shape = engine.latentShape();
            double[] timesteps = engine.settings().schedule().timesteps();
            try (PointerScope _ = new PointerScope()) {
                List<StepItem> items = new ArrayList<>();
                for (int i = 0; i < size; i++) {
                    float[] noise = new float[engine.latentCount()];
                    NoiseSource.fill(i, 0, 0, noise);
                    items.add(
                            new StepItem(
                                    engine.device()
                                            .of(noise, shape[0], shape[1], shape[2], shape[3]),
                                    timesteps[i % timesteps.length],
                                    caches.get(i),
                                    prompt,
                                    false));
                }
                long start = System.nanoTime();
                engine.transformer().forward(items);
                engine.device().await();
                return (System.nanoTime() - start) / 1e9 / size;
            }
        }

        /**
         * Nanoseconds; of this thread's processor time where it computes alone, so that others on
         * the machine do not count.
         */
        private long now() {
            return engine.threads() == 1
                    ? ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime()
                    : System.nanoTime();
        }
    }
}
