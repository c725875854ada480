package io.reelfleet.engine.cache;

import io.reelfleet.engine.KvPositions;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.engine.tensor.Tensors;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.BooleanSupplier;
import java.util.function.LongPredicate;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Keys and values of a session's clean frames: a rolling window of pages with the first frames (the
 * sink) pinned.
 *
 * <p>A chunk attends to the sink, the newest frames that fit and itself: {@code window} frames in
 * all. The pages of the chunk being made are set aside before it starts and written once, by its
 * clean pass.
 */
public final class KvCache implements AutoCloseable {
    /** A cached frame: its number in the session and its place among the session's pages. */
    private record Slot(long frame, int index) {}

    private final PagePool pool;
    private final int layers;
    private final int window;
    private final int sink;
    private final int tokens;
    private final KvPositions positions;

    /** Cached frames in order of time. */
    private final List<Slot> frames = new ArrayList<>();

    private final Deque<Integer> free = new ArrayDeque<>();

    /** Per slot: counts what was put there, for readers on other threads. */
    private final AtomicLongArray contents;

    /**
     * Pages of all layers, {@code slot * layers + layer}: those of a frame side by side, so that
     * whole windows are copied in few pieces. Null while the state is on the host.
     */
    private long[] pages;

    /** Places of the window for frames of the bank. */
    private final int retrieve;

    /** Frames that left the window; null where the policy keeps none. */
    private final FrameBank bank;

    /** Keys, values and likeness of frames that come from another cache's bank. */
    private final Map<Long, Tensor[]> arriving = new TreeMap<>();

    private final Set<Long> retrieved = new HashSet<>();

    /** Likeness of cached frames, on its way to the host since their chunk was done. */
    private final Map<Long, Device.Later> likeness = new HashMap<>();

    private final List<Slot> chunk = new ArrayList<>();
    private Tensor pastIndex;
    private Tensor chunkIndex;

    private Tensor hostKeys;
    private Tensor hostValues;

    /**
     * Takes the pages of a whole window at once, so that nothing can fail later.
     *
     * @param window frames a chunk attends to, itself and the sink included
     * @param sink first frames that never leave
     */
    public KvCache(
            PagePool pool, int layers, int window, int sink, int tokens, KvPositions positions) {
        this(pool, layers, window, new KvPolicy.RollingWindow(sink), tokens, positions);
    }

    /**
     * Takes the pages of a whole window at once, so that nothing can fail later.
     *
     * @param window frames a chunk attends to, itself included
     * @param policy which ones those are
     */
    public KvCache(
            PagePool pool,
            int layers,
            int window,
            KvPolicy policy,
            int tokens,
            KvPositions positions) {
        this.pool = pool;
        this.layers = layers;
        this.window = window;
        this.sink = policy.sink();
        this.retrieve = policy.retrieved();
        this.bank =
                switch (policy) {
                    case KvPolicy.RollingWindow _ -> null;
                    case KvPolicy.DynamicSinks dynamic -> new FrameBank(dynamic.bankFrames());
                };
        this.tokens = tokens;
        this.positions = positions;
        this.pages = pool.take(layers * window);
        this.contents = new AtomicLongArray(window);
        for (int i = 0; i < window; i++) {
            free.add(i);
        }
    }

    /** Pages that a session takes. */
    public static int pages(int layers, int window) {
        return layers * window;
    }

    /** Makes room for a chunk: the oldest frames after the sink leave. */
    public void beginChunk(long firstFrame, int count) {
        if (!chunk.isEmpty()) {
            throw new IllegalStateException("the chunk before has not been committed");
        }
        giveRetrieved();
        while (frames.size() + count > window - retrieve) {
            int oldest = Math.min(sink, frames.size() - 1);
            Slot leaving = frames.remove(oldest);
            if (bank != null && !bank.has(leaving.frame())) {
                bank.add(kept(leaving));
            }
            likeness.remove(leaving.frame());
            free.add(leaving.index());
        }
        retrieve();
        for (int i = 0; i < count; i++) {
            chunk.add(new Slot(firstFrame + i, takeSlot()));
        }
        index();
    }

    /** A free slot, whose bytes are about to become another frame's. */
    private int takeSlot() {
        int slot = free.remove();
        contents.incrementAndGet(slot);
        return slot;
    }

    private void allChange() {
        for (int slot = 0; slot < window; slot++) {
            contents.incrementAndGet(slot);
        }
    }

    private void giveRetrieved() {
        frames.removeIf(
                slot -> {
                    boolean leaves = retrieved.contains(slot.frame());
                    if (leaves) {
                        free.add(slot.index());
                    }
                    return leaves;
                });
        retrieved.clear();
    }

    /** Brings back the frames of the bank that are most like the newest one. */
    private void retrieve() {
        if (bank == null || bank.size() == 0 || frames.isEmpty()) {
            return;
        }
        for (FrameBank.Kept kept : bank.nearest(likeness(frames.getLast()), retrieve)) {
            int at = find(kept.frame());
            if (at >= 0) {
                continue;
            }
            Slot slot = new Slot(kept.frame(), takeSlot());
            try (PointerScope _ = new PointerScope();
                    Tensor index = index(List.of(slot))) {
                Tensor flat = index.reshape(-1);
                pool.keys().index_copy_(0, flat, pool.device().fetched(kept.keys()));
                pool.values().index_copy_(0, flat, pool.device().fetched(kept.values()));
            }
            frames.add(-at - 1, slot);
            retrieved.add(kept.frame());
        }
    }

    private FrameBank.Kept kept(Slot slot) {
        try (PointerScope _ = new PointerScope();
                Tensor index = index(List.of(slot))) {
            Tensor flat = index.reshape(-1);
            return new FrameBank.Kept(
                    slot.frame(),
                    likeness(slot),
                    pool.device().parked(pool.keys().index_select(0, flat)),
                    pool.device().parked(pool.values().index_select(0, flat)));
        }
    }

    /**
     * A frame's likeness: the mean of its tokens' keys (before RoPE) in the last layer. It was
     * asked for when the frame's chunk was done, so nothing waits for the steps here.
     */
    private float[] likeness(Slot slot) {
        return likeness.computeIfAbsent(slot.frame(), frame -> askLikeness(slot)).get();
    }

    private Device.Later askLikeness(Slot slot) {
        try (PointerScope _ = new PointerScope()) {
            Device device = pool.device();
            Tensor keys = device.widened(pool.keys().select(0, page(slot.index(), layers - 1)));
            return device.later(keys.view(tokens, -1).mean(0));
        }
    }

    private long page(int slot, int layer) {
        return pages[slot * layers + layer];
    }

    /** Frames in the window that had left it and were brought back. */
    public Set<Long> retrievedFrames() {
        return Set.copyOf(retrieved);
    }

    private void index() {
        closeIndex();
        if (!chunk.isEmpty()) {
            pastIndex = frames.isEmpty() ? null : index(frames);
            chunkIndex = index(chunk);
        }
    }

    /** Page numbers of {@code slots} for every layer, {@code [layers, slots]}. */
    private Tensor index(List<Slot> slots) {
        long[] numbers = new long[layers * slots.size()];
        for (int layer = 0; layer < layers; layer++) {
            for (int i = 0; i < slots.size(); i++) {
                numbers[layer * slots.size() + i] = page(slots.get(i).index(), layer);
            }
        }
        return Tensors.owned(() -> pool.device().of(numbers, layers, slots.size()));
    }

    private void closeIndex() {
        if (pastIndex != null) {
            pastIndex.close();
            pastIndex = null;
        }
        if (chunkIndex != null) {
            chunkIndex.close();
            chunkIndex = null;
        }
    }

    /** Frames before the chunk that it attends to. */
    public int pastFrames() {
        return frames.size();
    }

    /** Numbers of the cached frames, in the order in which they are read. */
    public long[] cachedFrames() {
        return frames.stream().mapToLong(Slot::frame).toArray();
    }

    /** Where RoPE places the cached frames. */
    public long[] pastPositions() {
        long[] at = new long[frames.size()];
        for (int i = 0; i < at.length; i++) {
            at[i] = positions == KvPositions.ABSOLUTE ? frames.get(i).frame() : i;
        }
        return at;
    }

    /** Where RoPE places the chunk's own frames. */
    public long[] chunkPositions() {
        long[] at = new long[chunk.size()];
        for (int i = 0; i < at.length; i++) {
            at[i] = positions == KvPositions.ABSOLUTE ? chunk.get(i).frame() : frames.size() + i;
        }
        return at;
    }

    /** Keys before RoPE of the frames before the chunk, {@code [frames, tokens x dim]}. */
    public Tensor pastKeys(int layer) {
        return pool.keys().index_select(0, pastIndex.select(0, layer));
    }

    /** Values of the frames before the chunk, {@code [frames, tokens x dim]}. */
    public Tensor pastValues(int layer) {
        return pool.values().index_select(0, pastIndex.select(0, layer));
    }

    /**
     * Writes the chunk's clean keys (before RoPE) and values, {@code [frames x tokens, dim]} each.
     */
    public void write(int layer, Tensor keys, Tensor values) {
        Tensor index = chunkIndex.select(0, layer);
        long count = chunk.size();
        pool.keys().index_copy_(0, index, keys.reshape(count, -1));
        pool.values().index_copy_(0, index, values.reshape(count, -1));
    }

    /** Fills the chunk's pages with zeros, for measurements. */
    public void clearChunk() {
        try (PointerScope _ = new PointerScope()) {
            Tensor index = chunkIndex.reshape(-1);
            Scalar zero = new Scalar(0.0);
            pool.keys().index_fill_(0, index, zero);
            pool.values().index_fill_(0, index, zero);
        }
    }

    /** The chunk's pages are written: it is part of the window from now on. */
    public void commitChunk() {
        frames.addAll(chunk);
        if (bank != null) {
            chunk.forEach(slot -> likeness.put(slot.frame(), askLikeness(slot)));
        }
        chunk.clear();
        closeIndex();
    }

    /** Gives the chunk's pages back to the window, as if it had not begun. */
    public void abandonChunk() {
        for (Slot slot : chunk.reversed()) {
            free.addFirst(slot.index());
        }
        chunk.clear();
        closeIndex();
    }

    /** All cached frames of a layer: keys before RoPE or values, {@code [frames, tokens x dim]}. */
    public Tensor cached(int layer, boolean keys) {
        try (Tensor index = index(frames)) {
            return (keys ? pool.keys() : pool.values()).index_select(0, index.select(0, layer));
        }
    }

    /** Bytes that {@link #suspend} will take on the host. */
    public long hostBytes() {
        return 2 * HostTier.room((long) frames.size() * layers * (pool.pageBytes() / 2));
    }

    /**
     * Begins to leave the device: what must be copied comes to {@code copies}. The pages are kept
     * until {@link #left}.
     */
    public void suspend(HostTier.Parked to, List<Device.Copy> copies) {
        bind(to);
        copyPages(copies, true);
    }

    /** The copies of {@link #suspend} are done: gives every page back. */
    public void left() {
        closeIndex();
        allChange();
        pool.give(pages);
        pages = null;
    }

    /** Takes its part of a state in host memory: views of the cached frames. */
    public void bind(HostTier.Parked from) {
        if (!frames.isEmpty()) {
            Precision precision = pool.device().precision();
            long rows = (long) frames.size() * layers;
            long numbers = pool.pageBytes() / 2 / precision.bytes();
            hostKeys = from.next(precision.type(), rows, numbers);
            hostValues = from.next(precision.type(), rows, numbers);
        }
    }

    /** Adds the copies of all cached frames to host memory or back. */
    private void copyPages(List<Device.Copy> copies, boolean toHost) {
        if (frames.isEmpty()) {
            return;
        }
        int[] used = usedSlots();
        long[] order = new long[layers * used.length];
        for (int row = 0; row < order.length; row++) {
            order[row] = page(used[row / layers], row % layers);
        }
        // Pages that lie side by side go in one copy: large ones need not read what they overwrite.
        for (int from = 0; from < order.length; ) {
            int to = from + 1;
            while (to < order.length && order[to] == order[to - 1] + 1) {
                to++;
            }
            for (boolean keys : new boolean[] {true, false}) {
                Tensor device =
                        (keys ? pool.keys() : pool.values()).narrow(0, order[from], to - from);
                Tensor host = (keys ? hostKeys : hostValues).narrow(0, from, to - from);
                copies.add(toHost ? new Device.Copy(device, host) : new Device.Copy(host, device));
            }
            from = to;
        }
    }

    /** Slots of the cached frames, rising: in host memory their pages lie in this order. */
    private int[] usedSlots() {
        return frames.stream().mapToInt(Slot::index).sorted().toArray();
    }

    /** Begins to come back: takes pages again; what must be copied comes to {@code copies}. */
    public void resume(List<Device.Copy> copies) {
        pages = pool.take(layers * window);
        copyPages(copies, false);
    }

    /** The copies of {@link #resume} are done; the bits are those before {@link #suspend}. */
    public void arrived() {
        closeHost();
        index();
    }

    /** Lets go of the views of host memory. */
    public void closeHost() {
        if (hostKeys != null) {
            hostKeys.close();
            hostValues.close();
            hostKeys = null;
            hostValues = null;
        }
    }

    /** Forgets all frames. */
    public void clear() {
        abandonChunk();
        frames.forEach(slot -> free.add(slot.index()));
        frames.clear();
        retrieved.clear();
        likeness.clear();
        if (bank != null) {
            bank.clear();
        }
    }

    /** Layers that every cached frame has a page of. */
    public int layers() {
        return layers;
    }

    /** Numbers of a page, {@code [2, tokens x dim]}: keys before RoPE, then values. */
    public long pageBytes() {
        return pool.pageBytes();
    }

    /** Copies a cached frame's page of a layer out, wherever it is. */
    public void readPage(long frame, int layer, MemorySegment into) {
        int at = find(frame);
        if (at < 0) {
            throw new IllegalStateException("latent frame " + frame + " is not cached");
        }
        int slot = frames.get(at).index();
        long row =
                pages == null
                        ? (long) Arrays.binarySearch(usedSlots(), slot) * layers + layer
                        : page(slot, layer);
        long half = pool.pageBytes() / 2;
        try (PointerScope _ = new PointerScope()) {
            Device device = pool.device();
            Tensor keys = pages == null ? hostKeys : pool.keys();
            Tensor values = pages == null ? hostValues : pool.values();
            device.read(keys.select(0, row), into.asSlice(0, half));
            device.read(values.select(0, row), into.asSlice(half, half));
        }
    }

    /** The memory of a cached frame's page on a CPU: keys, values. */
    public List<MemorySegment> page(long frame, int layer) {
        return pool.memory(page(slotOf(frame), layer));
    }

    /** Says later, on any thread, whether the frame's pages still have the bytes of now. */
    public BooleanSupplier unchanged(long frame) {
        int slot = slotOf(frame);
        long now = contents.get(slot);
        return () -> contents.get(slot) == now;
    }

    private int slotOf(long frame) {
        int at = find(frame);
        if (at < 0) {
            throw new IllegalStateException("latent frame " + frame + " is not cached");
        }
        return frames.get(at).index();
    }

    /**
     * Makes room for a frame that another cache holds; it is cached from now on, and the pages of
     * all its layers must follow.
     */
    public void room(long frame) {
        int at = find(frame);
        if (at < 0) {
            if (free.isEmpty()) {
                throw new IllegalStateException(
                        "the window of " + window + " latent frames has no room for " + frame);
            }
            frames.add(-at - 1, new Slot(frame, takeSlot()));
        }
    }

    /** Fills a page of a cached frame. */
    public void placePage(long frame, int layer, MemorySegment from) {
        long half = pool.pageBytes() / 2;
        long row = page(slotOf(frame), layer);
        try (PointerScope _ = new PointerScope()) {
            Device device = pool.device();
            device.write(from.asSlice(0, half), pool.keys().select(0, row));
            device.write(from.asSlice(half, half), pool.values().select(0, row));
        }
    }

    /**
     * Stands where another cache stood, whose frames are here.
     *
     * @param retrievedFrames those of them that had left and were brought back
     * @param firstFrame of the chunk in the making
     * @param count its frames; 0 where none is in the making
     */
    public void standAt(Collection<Long> retrievedFrames, long firstFrame, int count) {
        retrievedFrames.forEach(this::slotOf);
        retrieved.addAll(retrievedFrames);
        arriving.forEach(
                (frame, each) ->
                        bank.add(
                                new FrameBank.Kept(
                                        frame,
                                        Tensors.floats(each[2]),
                                        each[2],
                                        each[0],
                                        each[1])));
        arriving.clear();
        if (count > free.size()) {
            throw new IllegalStateException("window has no room for the chunk in the making");
        }
        for (int i = 0; i < count; i++) {
            chunk.add(new Slot(firstFrame + i, takeSlot()));
        }
        index();
    }

    /** Numbers of the frames that left the window and are kept, rising. */
    public long[] bankFrames() {
        return bank == null ? new long[0] : bank.frames();
    }

    /** A kept frame's keys (0), values (1) or likeness (2); null where it is not kept. */
    public Tensor banked(long frame, int part) {
        Tensor[] coming = arriving.get(frame);
        if (coming != null) {
            return coming[part];
        }
        return bank == null ? null : bank.part(frame, part);
    }

    /** Makes room for a frame that another cache's bank holds. */
    public void bankRoom(long frame) {
        if (bank == null) {
            throw new IllegalStateException("this model keeps no frames that left the window");
        }
        if (!arriving.containsKey(frame) && arriving.size() > 2 * bank.capacity()) {
            throw new IllegalStateException("more frames come than are kept");
        }
        long numbers = pool.keys().size(1);
        arriving.computeIfAbsent(
                frame,
                _ ->
                        new Tensor[] {
                            emptyBank(layers, numbers),
                            emptyBank(layers, numbers),
                            Tensors.owned(() -> Tensors.empty(numbers / tokens))
                        });
    }

    private Tensor emptyBank(long... shape) {
        try (PointerScope _ = new PointerScope()) {
            return pool.device().parked(pool.device().empty(shape));
        }
    }

    /** Forgets frames that came for the bank and are not wanted. */
    public void keepBanked(LongPredicate wanted) {
        arriving.entrySet()
                .removeIf(
                        each -> {
                            boolean gone = !wanted.test(each.getKey());
                            if (gone) {
                                Arrays.stream(each.getValue()).forEach(Tensor::close);
                            }
                            return gone;
                        });
    }

    /** Forgets the cached frames that are not among {@code numbers}. */
    public void keepFrames(Collection<Long> numbers) {
        frames.removeIf(
                slot -> {
                    boolean leaves = !numbers.contains(slot.frame());
                    if (leaves) {
                        free.add(slot.index());
                    }
                    return leaves;
                });
    }

    /** Place of a cached frame; negative (minus its place, minus 1) when it is not cached. */
    private int find(long frame) {
        return Collections.binarySearch(
                frames, new Slot(frame, 0), Comparator.comparingLong(Slot::frame));
    }

    /** Tokens per latent frame. */
    public int tokens() {
        return tokens;
    }

    @Override
    public void close() {
        closeIndex();
        closeHost();
        if (bank != null) {
            bank.close();
        }
        arriving.values().forEach(each -> Arrays.stream(each).forEach(Tensor::close));
        arriving.clear();
        if (pages != null) {
            allChange();
            pool.give(pages);
            pages = null;
        }
    }
}
