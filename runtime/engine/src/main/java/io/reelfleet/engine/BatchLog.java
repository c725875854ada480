package io.reelfleet.engine;

import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's own record of its passes through the transformer: how many sessions ran together,
 * beside how many could have: the runnable ones, up to the cap. Fragmented batches show here.
 */
public final class BatchLog {
    private static final Logger LOG = LoggerFactory.getLogger(BatchLog.class);
    private static final int PASSES_PER_LINE = 5_000;

    private long passes;
    private long sessions;
    private long possible;
    private Summary logged = new Summary(0, 0, 0);

    /**
     * Passes counted together.
     *
     * @param passes how many there were
     * @param sessions sessions in all of them
     * @param possible sessions that could have been in them: min(runnable, cap) of each
     */
    public record Summary(long passes, long sessions, long possible) {
        /** Sessions in a pass. */
        public double meanBatch() {
            return passes == 0 ? 0 : (double) sessions / passes;
        }

        /** Share of the possible sessions that were in their pass. */
        public double share() {
            return possible == 0 ? 1 : (double) sessions / possible;
        }

        private Summary since(Summary before) {
            return new Summary(
                    passes - before.passes, sessions - before.sessions, possible - before.possible);
        }
    }

    void pass(int batch, int runnable, int cap) {
        passes++;
        sessions += batch;
        possible += Math.max(batch, Math.min(runnable, cap));
        if (passes - logged.passes() == PASSES_PER_LINE) {
            Summary now = total();
            Summary last = now.since(logged);
            logged = now;
            LOG.info(
                    "{} passes: {} sessions a pass on average, {} % of min(runnable, cap), cap {}",
                    last.passes(),
                    String.format(Locale.ROOT, "%.2f", last.meanBatch()),
                    Math.round(100 * last.share()),
                    cap);
        }
    }

    /** All passes so far. */
    public Summary total() {
        return new Summary(passes, sessions, possible);
    }
}
