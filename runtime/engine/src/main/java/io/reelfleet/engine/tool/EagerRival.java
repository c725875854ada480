package io.reelfleet.engine.tool;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * PyTorch doing the engine's work on the same weights, in a process of its own that waits for its
 * turns.
 */
final class EagerRival implements AutoCloseable {
    private final Process process;
    private final PrintWriter to;
    private final BufferedReader from;
    private final String version;

    private EagerRival(Process process, PrintWriter to, BufferedReader from, String version) {
        this.process = process;
        this.to = to;
        this.from = from;
        this.version = version;
    }

    /**
     * Starts it.
     *
     * @param training the folder of the project's Python package
     * @throws IOException with a sentence where Python or PyTorch is not there
     */
    static EagerRival start(String python, Path training, Path model, List<String> sizes)
            throws IOException {
        List<String> command =
                new ArrayList<>(List.of(python, "-m", "shapes.eager", model.toString()));
        command.addAll(sizes);
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .directory(training.toFile())
                        .redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("OMP_WAIT_POLICY", "passive");
        Process process = builder.start();
        BufferedReader from = process.inputReader(StandardCharsets.UTF_8);
        String first = from.readLine();
        if (first == null || !first.startsWith("ready ")) {
            process.destroy();
            throw new IOException(python + " has no PyTorch and safetensors that run");
        }
        return new EagerRival(
                process,
                new PrintWriter(
                        new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8),
                        true),
                from,
                first.substring("ready ".length()));
    }

    String version() {
        return version;
    }

    /** Seconds of work by the processor's clock, and by the wall's. */
    EngineBench.Seconds run(String work) throws IOException {
        to.println(work);
        String line = from.readLine();
        if (line == null) {
            throw new IOException("PyTorch ended while it was measured");
        }
        String[] parts = line.split(" ");
        return new EngineBench.Seconds(Double.parseDouble(parts[0]), Double.parseDouble(parts[1]));
    }

    @Override
    public void close() {
        to.close();
        process.destroy();
    }
}
