package io.reelfleet.migration.transport;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Backend;
import org.bytedeco.pytorch.ByteVector;
import org.bytedeco.pytorch.IntOptional;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;
import org.bytedeco.pytorch.global.torch;

/**
 * A group of two ranks of c10d: rank 0 listens (the target of a migration), rank 1 connects.
 *
 * <p>c10d neither authenticates nor encrypts: the listener is bound to one address, which belongs
 * to the network of the workers alone.
 */
public final class C10dLink implements Link {
    private static final int LISTENER = 0;
    private static final int CALLER = 1;

    /** What the caller leaves in the listener's store when it is there. */
    private static final String HERE = "here";

    private final Backend group;
    private final TCPStore store;
    private final int peer;
    private final String name;

    /** What may still touch the store: this link and each piece on its way. */
    private final AtomicInteger holders = new AtomicInteger(1);

    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile boolean broken;

    private C10dLink(Backend group, TCPStore store, int peer, String name) {
        this.group = group;
        this.store = store;
        this.peer = peer;
        this.name = name;
    }

    /** A place where one peer can connect, once. */
    public static final class Listener implements AutoCloseable {
        private final C10dBackend backend;
        private final String host;
        private final int port;
        private TCPStore store;

        private Listener(C10dBackend backend, String host, int port, TCPStore store) {
            this.backend = backend;
            this.host = host;
            this.port = port;
            this.store = store;
        }

        /** The port on {@code host} that the peer connects to. */
        public int port() {
            return port;
        }

        /** Waits for the peer. Whatever comes of it, this listener is used up. */
        public Link accept(Duration within) throws TransportException {
            TCPStore mine = store;
            store = null;
            if (mine == null) {
                throw new IllegalStateException("the listener on port " + port + " is used up");
            }
            // Not left to the group: one that fails half-way keeps its store, and with it the
            // port, for ever.
            try (PointerScope _ = new PointerScope()) {
                mine._wait(new StringVector(HERE), new Milliseconds(within.toMillis()));
            } catch (RuntimeException e) {
                mine.close();
                throw failure("no connection from a peer on port " + port, e);
            }
            return group(backend, mine, LISTENER, host, "a peer on port " + port, within);
        }

        @Override
        public void close() {
            if (store != null) {
                store.close();
                store = null;
            }
        }
    }

    /**
     * Listens on a free port of {@code host}, an IPv4 address of this machine.
     *
     * @param within how long {@link Listener#accept} will wait at most
     */
    public static Listener listen(C10dBackend backend, String host, Duration within)
            throws TransportException {
        ListeningSocket socket = ListeningSocket.on(host);
        TCPStore store = store(host, socket.port(), socket.descriptor(), within);
        return new Listener(backend, host, socket.port(), store);
    }

    /**
     * Connects to a listener.
     *
     * @param localHost the address of this machine that the other side will send to
     */
    public static Link connect(
            C10dBackend backend, String localHost, String host, int port, Duration within)
            throws TransportException {
        String name = host + ":" + port;
        TCPStore store = store(host, port, -1, within);
        try (PointerScope _ = new PointerScope()) {
            store.set(HERE, new ByteVector((byte) 1));
        } catch (RuntimeException e) {
            store.close();
            throw failure("no connection to " + name, e);
        }
        return group(backend, store, CALLER, localHost, name, within);
    }

    private static TCPStore store(String host, int port, int descriptor, Duration within)
            throws TransportException {
        Loader.load(torch.class);
        try (PointerScope _ = new PointerScope()) {
            TCPStoreOptions options = new TCPStoreOptions();
            options.port((short) port)
                    .isServer(descriptor >= 0)
                    .waitWorkers(false)
                    .timeout(new Milliseconds(within.toMillis()));
            if (descriptor >= 0) {
                options.masterListenFd(new IntOptional(descriptor));
            }
            TCPStore store = new TCPStore(host, options);
            store.retainReference();
            return store;
        } catch (RuntimeException e) {
            throw failure("no connection to %s:%d".formatted(host, port), e);
        }
    }

    private static Link group(
            C10dBackend backend,
            TCPStore store,
            int rank,
            String localHost,
            String name,
            Duration within)
            throws TransportException {
        try {
            Backend group = backend.group(store, rank, localHost, within);
            return new C10dLink(group, store, 1 - rank, name);
        } catch (RuntimeException e) {
            // What failed half-way may still hold the store. It stays, with a thread of its own:
            // rather that than memory that two free.
            store.deallocate(false);
            throw failure("no connection with " + name, e);
        }
    }

    @Override
    public Pending beginSend(MemorySegment bytes) throws TransportException {
        return begin(bytes, true);
    }

    @Override
    public Pending beginReceive(MemorySegment into) throws TransportException {
        return begin(into, false);
    }

    private Pending begin(MemorySegment bytes, boolean send) throws TransportException {
        if (broken) {
            throw new TransportException("the connection with %s is broken".formatted(name));
        }
        try (PointerScope _ = new PointerScope()) {
            Tensor piece = TransferBuffer.over(bytes);
            TensorVector tensors = new TensorVector(piece);
            // Both directions have a tag of their own where tags count (Gloo).
            Work work =
                    send ? group.send(tensors, peer, 1 - peer) : group.recv(tensors, peer, peer);
            holders.incrementAndGet();
            return new OnItsWay(
                    bytes.byteSize(), send, piece.retainReference(), work.retainReference());
        } catch (RuntimeException e) {
            throw broke(bytes.byteSize(), send, e);
        }
    }

    private final class OnItsWay implements Pending {
        private final long bytes;
        private final boolean send;
        private final Tensor piece;
        private final Work work;
        private final AtomicBoolean over = new AtomicBoolean();

        OnItsWay(long bytes, boolean send, Tensor piece, Work work) {
            this.bytes = bytes;
            this.send = send;
            this.piece = piece;
            this.work = work;
        }

        @Override
        public void await(Duration within) throws TransportException {
            try (PointerScope _ = new PointerScope()) {
                work._wait(new Milliseconds(Math.max(1, within.toMillis())));
            } catch (RuntimeException e) {
                throw broke(bytes, send, e);
            }
        }

        @Override
        public void close() {
            if (over.compareAndSet(false, true)) {
                work.close();
                piece.close();
                letGo();
            }
        }
    }

    /**
     * The store is freed by hand, last: a group counts who holds it but forgets one of them (made
     * for JavaCPP from the bare pointer), so that nobody else ever would, and its thread, its
     * listening socket and a dozen of files stayed for each link.
     */
    private void letGo() {
        if (holders.decrementAndGet() == 0) {
            store.close();
        }
    }

    private TransportException broke(long bytes, boolean send, RuntimeException e) {
        broken = true;
        return failure(
                "%s %d bytes %s %s failed"
                        .formatted(
                                send ? "sending" : "receiving", bytes, send ? "to" : "from", name),
                e);
    }

    /** c10d's first line; the rest are addresses in its libraries. */
    private static TransportException failure(String what, RuntimeException e) {
        String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("no reason given");
        int end = why.startsWith("[") ? why.indexOf("] ") : -1;
        return new TransportException(what + ": " + (end > 0 ? why.substring(end + 2) : why), e);
    }

    @Override
    public boolean broken() {
        return broken;
    }

    @Override
    public void close() {
        broken = true;
        if (closed.compareAndSet(false, true)) {
            group.close();
            letGo();
        }
    }
}
