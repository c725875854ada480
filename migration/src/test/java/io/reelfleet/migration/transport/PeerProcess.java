package io.reelfleet.migration.transport;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The other end of a link, in a process of its own: it echoes what it is sent, with every byte
 * raised by one, until it is told to stop.
 */
final class PeerProcess implements AutoCloseable {
    static final Duration LONG = Duration.ofSeconds(60);

    private final Process process;

    PeerProcess(int port, int bytes, int rounds) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElse("java"));
        command.addAll(List.of("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        command.add("--enable-native-access=ALL-UNNAMED");
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.add(PeerProcess.class.getName());
        command.add(Integer.toString(port));
        command.add(Integer.toString(bytes));
        command.add(Integer.toString(rounds));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("OMP_NUM_THREADS", "1");
        builder.redirectError(ProcessBuilder.Redirect.DISCARD);
        process = builder.start();
    }

    /** Waits until it says that all rounds are done. */
    void awaitDone() throws IOException {
        BufferedReader lines =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = lines.readLine();
        // Gloo talks on standard output too.
        while (line != null && !line.equals("done")) {
            line = lines.readLine();
        }
        if (line == null) {
            throw new IOException("the peer ended early");
        }
    }

    void kill() {
        process.destroyForcibly();
    }

    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }

    public static void main(String[] args) throws Exception {
        int bytes = Integer.parseInt(args[1]);
        int rounds = Integer.parseInt(args[2]);
        try (Link link =
                        C10dLink.connect(
                                C10dBackend.GLOO,
                                "127.0.0.1",
                                "127.0.0.1",
                                Integer.parseInt(args[0]),
                                LONG);
                TransferBuffer buffer = new TransferBuffer(bytes)) {
            for (int i = 0; i < rounds; i++) {
                link.receive(buffer, bytes, LONG);
                for (int at = 0; at < bytes; at++) {
                    byte value = buffer.memory().get(ValueLayout.JAVA_BYTE, at);
                    buffer.memory().set(ValueLayout.JAVA_BYTE, at, (byte) (value + 1));
                }
                link.send(buffer, bytes, LONG);
            }
            System.out.println("done");
            System.out.flush();
            System.in.read();
        }
    }
}
