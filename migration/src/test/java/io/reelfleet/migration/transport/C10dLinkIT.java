package io.reelfleet.migration.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.lang.foreign.ValueLayout;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** Two real processes over Gloo. */
class C10dLinkIT {
    private static final String HERE = "127.0.0.1";
    private static final Duration LONG = PeerProcess.LONG;

    @Test
    void carriesBytesBothWaysAndNoticesThatThePeerDied() throws Exception {
        int bytes = 3 << 20;
        try (C10dLink.Listener listener = C10dLink.listen(C10dBackend.GLOO, HERE, LONG);
                PeerProcess peer = new PeerProcess(listener.port(), bytes, 2);
                Link link = listener.accept(LONG);
                TransferBuffer buffer = new TransferBuffer(bytes)) {
            byte[] sent = new byte[bytes];
            new Random(1).nextBytes(sent);
            for (int round = 0; round < 2; round++) {
                buffer.memory().asByteBuffer().put(0, sent);
                link.send(buffer, bytes, LONG);
                buffer.memory().fill((byte) 0);
                link.receive(buffer, bytes, LONG);
                for (int at = 0; at < bytes; at += 997) {
                    assertThat(buffer.memory().get(ValueLayout.JAVA_BYTE, at))
                            .isEqualTo((byte) (sent[at] + 1));
                }
            }
            peer.awaitDone();
            assertThat(link.broken()).isFalse();
            peer.kill();
            assertThatThrownBy(() -> link.receive(buffer, bytes, LONG))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("failed");
            assertThat(link.broken()).isTrue();
            assertThatThrownBy(() -> link.send(buffer, bytes, LONG)).hasMessageContaining("broken");
        }
    }

    @Test
    void aPeerThatStallsEndsTheWaitAndAnotherLinkCanBeMade() throws Exception {
        Duration shortly = Duration.ofMillis(300);
        try (C10dLink.Listener listener = C10dLink.listen(C10dBackend.GLOO, HERE, LONG);
                PeerProcess peer = new PeerProcess(listener.port(), 64, 0);
                Link link = listener.accept(LONG);
                TransferBuffer buffer = new TransferBuffer(64)) {
            peer.awaitDone();
            long started = System.nanoTime();
            assertThatThrownBy(() -> link.receive(buffer, 64, shortly))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("Timed out");
            assertThat(Duration.ofNanos(System.nanoTime() - started))
                    .isBetween(shortly, Duration.ofSeconds(20));
        }
        try (C10dLink.Listener again = C10dLink.listen(C10dBackend.GLOO, HERE, LONG);
                PeerProcess _ = new PeerProcess(again.port(), 64, 1);
                Link link = again.accept(LONG);
                TransferBuffer buffer = new TransferBuffer(64)) {
            link.send(buffer, 64, LONG);
            link.receive(buffer, 64, LONG);
        }
    }

    @Test
    void nobodyComesAndNobodyIsThere() throws Exception {
        Duration shortly = Duration.ofMillis(300);
        int port;
        try (C10dLink.Listener listener = C10dLink.listen(C10dBackend.GLOO, HERE, shortly)) {
            port = listener.port();
            new Socket(HERE, port).close();
            assertThatThrownBy(() -> listener.accept(shortly))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("no connection");
        }
        // The listener is gone with its socket.
        assertThatThrownBy(() -> new Socket(HERE, port).close())
                .isInstanceOf(ConnectException.class);
        assertThatThrownBy(() -> C10dLink.connect(C10dBackend.GLOO, HERE, HERE, port, shortly))
                .isInstanceOf(TransportException.class)
                .hasMessageContaining("no connection");
        // Nobody was ever waited for.
        C10dLink.Listener unused = C10dLink.listen(C10dBackend.GLOO, HERE, shortly);
        unused.close();
        assertThatThrownBy(() -> new Socket(HERE, unused.port()).close())
                .isInstanceOf(ConnectException.class);
    }

    @Test
    void listensOnItsOwnAddressOnly() throws Exception {
        List<InetAddress> others =
                Collections.list(NetworkInterface.getNetworkInterfaces()).stream()
                        .flatMap(each -> Collections.list(each.getInetAddresses()).stream())
                        .filter(address -> address instanceof java.net.Inet4Address)
                        .filter(address -> !address.isLoopbackAddress())
                        .toList();
        try (C10dLink.Listener listener = C10dLink.listen(C10dBackend.GLOO, HERE, LONG)) {
            for (InetAddress other : others) {
                assertThatThrownBy(() -> new Socket(other, listener.port()).close())
                        .isInstanceOf(ConnectException.class);
            }
        }
    }

    @Test
    void aLinkLeavesNeitherThreadsNorFilesBehind() throws Exception {
        once();
        int threads = count("task");
        int files = count("fd");
        for (int i = 0; i < 20; i++) {
            once();
        }
        assertThat(count("task") - threads).as("threads of twenty links").isLessThan(10);
        assertThat(count("fd") - files).as("open files of twenty links").isLessThan(20);
    }

    private static void once() throws Exception {
        try (C10dLink.Listener listener = C10dLink.listen(C10dBackend.GLOO, HERE, LONG)) {
            CompletableFuture<Void> peer =
                    CompletableFuture.runAsync(
                            () -> {
                                try (Link link =
                                                C10dLink.connect(
                                                        C10dBackend.GLOO,
                                                        HERE,
                                                        HERE,
                                                        listener.port(),
                                                        LONG);
                                        TransferBuffer buffer = new TransferBuffer(64)) {
                                    link.send(buffer, 64, LONG);
                                } catch (TransportException e) {
                                    throw new IllegalStateException(e);
                                }
                            });
            try (Link link = listener.accept(LONG);
                    TransferBuffer buffer = new TransferBuffer(64)) {
                link.receive(buffer, 64, LONG);
                peer.get();
            }
        }
    }

    private static int count(String of) {
        return Objects.requireNonNull(new File("/proc/self", of).list()).length;
    }
}
