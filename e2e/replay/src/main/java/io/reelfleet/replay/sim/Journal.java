package io.reelfleet.replay.sim;

import java.io.BufferedWriter;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes what happened as {@code t_s,kind,worker,session}, in the order of time: enough to
 * recompute cost and lateness without the simulator. A session is served from its {@code place}
 * until its {@code unplace}; {@code move} names the worker that serves it from then on.
 */
public final class Journal implements Closeable {
    /** The first line. */
    public static final String HEADER = "t_s,kind,worker,session";

    /** Writes nothing. */
    public static final Journal NONE = new Journal(null);

    private final BufferedWriter out;

    private Journal(BufferedWriter out) {
        this.out = out;
    }

    /** A journal in a file. */
    public static Journal in(Path file) throws IOException {
        BufferedWriter out = Files.newBufferedWriter(file, StandardCharsets.UTF_8);
        out.write(HEADER + "\n");
        return new Journal(out);
    }

    void write(long millis, String kind, String worker, String session) {
        if (out == null) {
            return;
        }
        try {
            long rest = millis % 1000;
            out.write(Long.toString(millis / 1000));
            out.write('.');
            out.write('0' + (int) (rest / 100));
            out.write('0' + (int) (rest / 10 % 10));
            out.write('0' + (int) (rest % 10));
            out.write(',');
            out.write(kind);
            out.write(',');
            out.write(worker);
            out.write(',');
            out.write(session);
            out.write('\n');
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean writes() {
        return out != null;
    }

    @Override
    public void close() throws IOException {
        if (out != null) {
            out.close();
        }
    }
}
