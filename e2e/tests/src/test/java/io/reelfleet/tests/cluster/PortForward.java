package io.reelfleet.tests.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A port of this machine that leads to a Service. */
final class PortForward implements AutoCloseable {
    private static final Pattern PORT = Pattern.compile("Forwarding from 127\\.0\\.0\\.1:([0-9]+)");

    private final Process process;
    private final Path said;
    private final int port;

    PortForward(Program kubectl, String namespace, String service, int servicePort)
            throws IOException, InterruptedException {
        said = Files.createTempFile("reelfleet-forward", ".out");
        process =
                kubectl.start(
                        said,
                        "-n",
                        namespace,
                        "port-forward",
                        "service/" + service,
                        ":" + servicePort);
        int found = 0;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (found == 0 && process.isAlive() && System.nanoTime() < end) {
            Matcher m = PORT.matcher(Files.readString(said));
            if (m.find()) {
                found = Integer.parseInt(m.group(1));
            } else {
                process.waitFor(100, TimeUnit.MILLISECONDS);
            }
        }
        if (found == 0) {
            process.destroy();
            throw new IOException("no way to " + service + ": " + Files.readString(said));
        }
        port = found;
    }

    int port() {
        return port;
    }

    @Override
    public void close() throws IOException {
        process.destroy();
        process.onExit().join();
        Files.delete(said);
    }
}
