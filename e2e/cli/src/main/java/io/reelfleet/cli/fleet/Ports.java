package io.reelfleet.cli.fleet;

import io.reelfleet.cli.Failure;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/** Ports on the loopback address. */
final class Ports {
    private Ports() {}

    /** A port that was free a moment ago. */
    static int free() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new Failure("no free port on 127.0.0.1: " + e.getMessage(), e);
        }
    }

    /** The wished port, or a sentence that names the option when something listens there. */
    static int claim(int wished, String option) {
        if (wished == 0) {
            return free();
        }
        try (ServerSocket socket = new ServerSocket(wished, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new Failure(
                    "port "
                            + wished
                            + " is in use: write another "
                            + option
                            + ", 0 for any free one, or stop what listens there",
                    e);
        }
    }
}
