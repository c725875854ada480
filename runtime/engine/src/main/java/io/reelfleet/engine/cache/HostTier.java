package io.reelfleet.engine.cache;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where suspended sessions' states lie: in host memory up to a limit; beyond it the one that was
 * parked or used longest ago goes to a file, or is given up where rebuilding it is cheaper.
 *
 * <p>Files are written and read by a thread of their own; the rest belongs to the engine's thread.
 * Host memory is taken once and used again by the next state: fresh pages would cost more than the
 * copy into them.
 */
public final class HostTier implements AutoCloseable {
    /** What a parked state's session has to know. */
    public interface Owner {
        /** The state is about to leave host memory: views of it must be dropped. */
        void leaves();

        /** The state is in host memory again. */
        void isBack();

        /** The state was given up; only a rebuild brings it back. */
        void isLost();
    }

    /** Bytes that a tensor of so many takes here: each begins at a cache line. */
    public static long room(long bytes) {
        return Math.ceilDiv(bytes, LINE) * LINE;
    }

    /** What happens to a state that host memory has no room for. */
    public enum Beyond {
        /** It goes to a file. */
        FILE,
        /** It is dropped: rebuilding it from latents takes less time than reading it. */
        DROP
    }

    /** A state that is parked here. */
    public final class Parked {
        private final String uid;
        private final long bytes;
        private final Owner owner;

        /** Null while the state is in a file, or lost. */
        private Tensor buffer;

        private Path file;
        private CompletableFuture<Void> writing;
        private CompletableFuture<Tensor> reading;
        private long at;

        private Parked(String uid, long bytes, Owner owner) {
            this.uid = uid;
            this.bytes = bytes;
            this.owner = owner;
        }

        /** The next tensor of the state, as a view of host memory; the caller owns it. */
        public Tensor next(ScalarType type, long... shape) {
            long bytes = type == ScalarType.BFloat16 ? 2 : Float.BYTES;
            for (long size : shape) {
                bytes *= size;
            }
            long count = bytes;
            long from = at;
            at += room(bytes);
            return Tensors.owned(() -> buffer.narrow(0, from, count).view(type).view(shape));
        }

        /** Views begin with the first tensor again. */
        public void rewind() {
            at = 0;
        }

        public long bytes() {
            return bytes;
        }
    }

    private static final Logger LOG = LoggerFactory.getLogger(HostTier.class);
    private static final int PIECE = 16 << 20;
    private static final int LINE = 64;

    private final Device device;
    private final long limit;
    private final Path folder;
    private final long slotBytes;
    private Beyond beyond = Beyond.FILE;
    private final ExecutorService files;

    /** States in host memory, the one used longest ago first. */
    private final Set<Parked> inMemory = new LinkedHashSet<>();

    /** States whose files are being written: they take host memory until that is done. */
    private final Set<Parked> leaving = new LinkedHashSet<>();

    private final Deque<Tensor> spare = new ArrayDeque<>();
    private long used;
    private long inFiles;
    private long fileNumber;

    /**
     * @param device whose states these are
     * @param limit bytes of host memory
     * @param slotBytes the most bytes that one state has
     * @param folder where files go; null for none: what does not fit is refused then
     */
    public HostTier(Device device, long limit, long slotBytes, Path folder) {
        this.device = device;
        this.limit = limit;
        this.slotBytes = slotBytes;
        this.folder = folder;
        this.files =
                Executors.newSingleThreadExecutor(
                        task -> Thread.ofPlatform().name("host-tier").daemon().unstarted(task));
    }

    /** Says what happens to states beyond the limit, where there is a folder. */
    public void beyond(Beyond other) {
        beyond = other;
    }

    /**
     * Room for a state; others leave for files where it needs theirs, the one used longest ago
     * first.
     *
     * @throws DoesNotFitException if there is no room and no folder; nothing has changed then
     */
    public Parked park(String uid, long bytes, Owner owner) {
        makeRoom(bytes, "suspended session " + uid);
        Parked parked = new Parked(uid, bytes, owner);
        parked.buffer = buffer();
        used += bytes;
        inMemory.add(parked);
        keepRoom();
        return parked;
    }

    /** Forgets a state. */
    public void release(Parked parked) {
        try {
            if (parked.writing != null) {
                parked.writing.join();
            }
            if (parked.reading != null) {
                parked.buffer = parked.reading.join();
                parked.reading = null;
            }
        } catch (CompletionException e) {
            if (parked.reading != null) {
                used -= parked.bytes;
            }
            LOG.warn("session {}: {}", parked.uid, e.getCause().getMessage());
        }
        if (parked.buffer != null) {
            used -= parked.bytes;
            inMemory.remove(parked);
            give(parked);
        }
        forgetFile(parked);
    }

    /**
     * Begins to bring a state back from its file, so that {@link #load} need not wait; does nothing
     * where it is in memory or there is no room.
     */
    public void prefetch(Parked parked) {
        if (parked.file == null || parked.reading != null || parked.buffer != null) {
            return;
        }
        try {
            makeRoom(parked.bytes, "session " + parked.uid);
        } catch (DoesNotFitException e) {
            return;
        }
        Tensor to = buffer();
        used += parked.bytes;
        MemorySegment memory = Tensors.memory(to).asSlice(0, parked.bytes);
        Path from = parked.file;
        parked.reading =
                CompletableFuture.supplyAsync(
                        () -> {
                            transfer(from, memory, false);
                            return to;
                        },
                        files);
    }

    /** Brings a state back into host memory, if it is not there; waits for its file. */
    public void load(Parked parked) {
        settle(parked);
        if (parked.buffer == null) {
            if (parked.file == null) {
                throw new IllegalStateException(
                        "the state of session " + parked.uid + " was given up");
            }
            makeRoom(parked.bytes, "session " + parked.uid);
            prefetch(parked);
            settle(parked);
        }
        inMemory.remove(parked);
        inMemory.add(parked);
    }

    /** True while a state is on its way from its file. */
    public boolean reading(Parked parked) {
        return parked.reading != null;
    }

    /** A state that is being copied to the device stays in host memory until it is released. */
    public void pin(Parked parked) {
        inMemory.remove(parked);
    }

    /** True where {@link #load} would not wait. */
    public boolean near(Parked parked) {
        return parked.buffer != null || (parked.reading != null && parked.reading.isDone());
    }

    /** Waits until nothing of the state is being written or read. */
    private void settle(Parked parked) {
        try {
            if (parked.writing != null) {
                parked.writing.join();
                parked.writing = null;
            }
            if (parked.reading != null) {
                parked.buffer = parked.reading.join();
                parked.reading = null;
                inMemory.add(parked);
                forgetFile(parked);
                parked.rewind();
                parked.owner.isBack();
            }
        } catch (CompletionException e) {
            parked.writing = null;
            if (parked.reading != null) {
                parked.reading = null;
                used -= parked.bytes;
            }
            forgetFile(parked);
            parked.owner.isLost();
            LOG.warn(
                    "session {}: its suspended state cannot be read back and is given up: {}",
                    parked.uid,
                    e.getCause().getMessage());
            throw new IllegalStateException(
                    "the state of session " + parked.uid + " was given up", e);
        }
    }

    private void makeRoom(long bytes, String purpose) {
        if (bytes > limit || (folder == null && bytes > limit - used)) {
            throw new DoesNotFitException(
                    purpose
                            + " needs "
                            + bytes
                            + " bytes of host memory, but "
                            + used
                            + " of the limit of "
                            + limit
                            + " bytes are taken: raise the limit or free sessions");
        }
        while (bytes > limit - used) {
            if (inMemory.isEmpty()) {
                throw new DoesNotFitException(
                        purpose
                                + " needs "
                                + bytes
                                + " bytes of host memory, which states on their way back take");
            }
            evict(inMemory.iterator().next());
        }
        leaving.removeIf(state -> state.writing == null || state.writing.isDone());
        while (bytes > limit - used - leaving.stream().mapToLong(state -> state.bytes).sum()) {
            awaitFirst();
        }
        if (used + bytes + slotBytes > limit) {
            trim();
        }
    }

    private void awaitFirst() {
        Parked first = leaving.iterator().next();
        leaving.remove(first);
        try {
            first.writing.join();
        } catch (CompletionException e) {
            // Its session hears of it when it wants the state back.
            LOG.warn("session {}: {}", first.uid, e.getCause().getMessage());
        }
    }

    /**
     * Lets the oldest state leave early, so that the next one to be parked need not wait for its
     * file.
     */
    private void keepRoom() {
        boolean roomy = limit >= 3 * slotBytes;
        if (folder != null
                && beyond == Beyond.FILE
                && roomy
                && inMemory.size() > 1
                && slotBytes > limit - used) {
            evict(inMemory.iterator().next());
        }
    }

    private void evict(Parked parked) {
        inMemory.remove(parked);
        parked.owner.leaves();
        if (beyond == Beyond.DROP) {
            used -= parked.bytes;
            give(parked);
            parked.owner.isLost();
            LOG.info(
                    "session {}: its suspended state is dropped for a later one's; it is rebuilt when needed",
                    parked.uid);
            return;
        }
        Path file = folder.resolve("state-" + ProcessHandle.current().pid() + "-" + fileNumber++);
        MemorySegment memory = Tensors.memory(parked.buffer).asSlice(0, parked.bytes);
        Tensor buffer = parked.buffer;
        parked.buffer = null;
        parked.file = file;
        used -= parked.bytes;
        inFiles += parked.bytes;
        parked.writing =
                CompletableFuture.runAsync(
                        () -> {
                            transfer(file, memory, true);
                            // Used again by the engine's thread, or freed when nothing refers to
                            // it.
                            buffer.close();
                        },
                        files);
        leaving.add(parked);
        LOG.info(
                "session {}: {} bytes of its suspended state go to {}",
                parked.uid,
                parked.bytes,
                file);
    }

    private static void transfer(Path file, MemorySegment memory, boolean write) {
        try (FileChannel channel =
                write
                        ? FileChannel.open(
                                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)
                        : FileChannel.open(file, StandardOpenOption.READ)) {
            for (long at = 0; at < memory.byteSize(); ) {
                ByteBuffer piece =
                        memory.asSlice(at, Math.min(PIECE, memory.byteSize() - at)).asByteBuffer();
                int moved = write ? channel.write(piece, at) : channel.read(piece, at);
                if (moved < 0) {
                    throw new IOException(file + " is truncated");
                }
                at += moved;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void forgetFile(Parked parked) {
        if (parked.file == null) {
            return;
        }
        Path file = parked.file;
        parked.file = null;
        inFiles -= parked.bytes;
        files.execute(
                () -> {
                    try {
                        Files.deleteIfExists(file);
                    } catch (IOException e) {
                        LOG.warn("{} could not be removed: {}", file, e.getMessage());
                    }
                });
    }

    private Tensor buffer() {
        return spare.isEmpty() ? device.hostMemory(slotBytes) : spare.removeFirst();
    }

    private void give(Parked parked) {
        spare.addFirst(parked.buffer);
        parked.buffer = null;
        if (spare.size() > 1) {
            spare.removeLast().close();
        }
    }

    /** Frees what is kept for the next state. */
    public void trim() {
        spare.forEach(Tensor::close);
        spare.clear();
    }

    /** Bytes of states in host memory. */
    public long used() {
        return used;
    }

    /** Bytes of states in files. */
    public long inFiles() {
        return inFiles;
    }

    public long limit() {
        return limit;
    }

    @Override
    public void close() {
        files.close();
        trim();
    }
}
