package io.reelfleet.engine.tensor;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DeviceGuardImplInterface;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Where an engine's tensors live and in which {@link Precision}. All that differs between a CPU and
 * a GPU is in here: where memory is taken, pinned host memory, streams, events, and the copies
 * between both.
 *
 * <p>On a GPU the steps run on one stream, copies of suspended state on a second one and decodes on
 * a third; events order them. On a CPU a thread of its own stands for each of the other two.
 * Nothing here but {@link #toHost}, {@link Transfer#await} and {@link Later#get} waits for the
 * device.
 *
 * <p>Safe for use by several threads, as far as {@link #decode} goes; the rest belongs to the
 * engine's thread.
 */
public final class Device implements AutoCloseable {
    /** What computes. */
    public enum Kind {
        CPU,
        CUDA;

        /** As it is written in settings. */
        public String setting() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The kind that a setting names. */
        public static Kind of(String setting, String text) {
            for (Kind each : values()) {
                if (each.setting().equals(text)) {
                    return each;
                }
            }
            throw new IllegalArgumentException(
                    "%s is '%s': write cpu or cuda".formatted(setting, text));
        }
    }

    /**
     * One copy: {@code to} gets the numbers of {@code from}; both contiguous and of equal bytes.
     */
    public record Copy(Tensor from, Tensor to) {}

    /** Copies that run beside the steps. */
    public interface Transfer {
        /** Whether they are done. Never waits. */
        boolean done();

        /** Waits until they are done. */
        void await();
    }

    /** Numbers on their way to the host. */
    public interface Later {
        /** Waits for them where they are still on their way. */
        float[] get();
    }

    private static final Transfer NOTHING =
            new Transfer() {
                @Override
                public boolean done() {
                    return true;
                }

                @Override
                public void await() {}
            };

    private static final byte FIRST = 0;

    private final Kind kind;
    private final Precision precision;
    private final TensorOwner owner = new TensorOwner();
    private final org.bytedeco.pytorch.Device place;
    private final TensorOptions numbers;
    private final TensorOptions floats;
    private final TensorOptions longs;
    private final TensorOptions hostBytes;
    private final TensorOptions hostFloats;
    private final TensorOptions hostLongs;
    private final MemoryFormatOptional anyFormat;

    /** Streams and events of a GPU; null on a CPU. */
    private final DeviceGuardImplInterface gpu;

    private final Stream steps;
    private final Stream copies;
    private final Stream decodes;

    private final ExecutorService copier;
    private final ExecutorService decoder;

    /** A CPU in float32. */
    public static Device cpu() {
        return open(Kind.CPU, Precision.FP32);
    }

    /**
     * @throws IllegalArgumentException in one sentence where this machine or this build has no such
     *     device
     */
    public static Device open(Kind kind, Precision precision) {
        Tensors.load();
        if (kind == Kind.CUDA) {
            requireCuda();
        }
        return new Device(kind, precision);
    }

    private static void requireCuda() {
        String why = null;
        try {
            // Registers CUDA's kernels; only builds with the profile "gpu" have the library.
            Loader.load(Class.forName("org.bytedeco.pytorch.global.torch_cuda"));
        } catch (ReflectiveOperationException | LinkageError e) {
            why =
                    built()
                            ? "this machine lacks CUDA's own libraries (libcudart, cuDNN)"
                            : "this build has no CUDA (build it with -Pgpu)";
        }
        if (why == null && !torch.cuda_is_available()) {
            why = "this machine has no GPU that LibTorch can use";
        }
        if (why != null) {
            throw new IllegalArgumentException("device is cuda, but " + why + ": write cpu");
        }
    }

    /** Whether LibTorch's CUDA build is on the class path. */
    private static boolean built() {
        String place = "/org/bytedeco/pytorch/" + Loader.getPlatform() + "-gpu/";
        return Device.class.getResource(place + System.mapLibraryName("torch_cuda")) != null;
    }

    private Device(Kind kind, Precision precision) {
        this.kind = kind;
        this.precision = precision;
        boolean cuda = kind == Kind.CUDA;
        try (PointerScope _ = new PointerScope()) {
            place =
                    owner.own(
                            new org.bytedeco.pytorch.Device(
                                    cuda ? DeviceType.CUDA : DeviceType.CPU, cuda ? FIRST : -1));
            numbers = owner.own(options(precision.type(), true));
            floats = owner.own(options(ScalarType.Float, true));
            longs = owner.own(options(ScalarType.Long, true));
            hostBytes = owner.own(options(ScalarType.Byte, false));
            hostFloats = owner.own(options(ScalarType.Float, false));
            hostLongs = owner.own(options(ScalarType.Long, false));
            anyFormat = owner.own(new MemoryFormatOptional());
            gpu = cuda ? owner.own(torch.getDeviceGuardImpl(DeviceType.CUDA)) : null;
            steps = cuda ? owner.own(gpu.getStream(place)) : null;
            copies = cuda ? owner.own(gpu.getStreamFromGlobalPool(place)) : null;
            decodes = cuda ? owner.own(gpu.getStreamFromGlobalPool(place)) : null;
        }
        copier = cuda ? null : thread("device-copies");
        decoder = thread("device-decodes");
    }

    private static ExecutorService thread(String name) {
        return Executors.newSingleThreadExecutor(
                task -> Thread.ofPlatform().name(name).daemon().unstarted(task));
    }

    private TensorOptions options(ScalarType type, boolean onDevice) {
        TensorOptions options = new TensorOptions(type);
        if (kind == Kind.CPU) {
            return options;
        }
        return onDevice
                ? options.device(new DeviceOptional(place))
                : options.pinned_memory(new BoolOptional(true));
    }

    public Kind kind() {
        return kind;
    }

    public Precision precision() {
        return precision;
    }

    /** What the bits of a computation depend on: instruction set or GPU, and precision. */
    public String fingerprint() {
        if (kind == Kind.CUDA) {
            return "cuda " + precision.setting();
        }
        try (BytePointer capability = torch.get_cpu_capability()) {
            return "cpu/" + capability.getString() + " " + precision.setting();
        }
    }

    // Memory.

    /** Uninitialised tensor in this precision. */
    public Tensor empty(long... shape) {
        return torch.empty(shape, numbers, anyFormat);
    }

    /** Zeros in this precision. */
    public Tensor zeros(long... shape) {
        return torch.zeros(shape, numbers);
    }

    /** Zeros in float32, for latents. */
    public Tensor zeroFloats(long... shape) {
        return torch.zeros(shape, floats);
    }

    /** Float32 numbers of the host on the device, without waiting for their copy. */
    public Tensor of(float[] values, long... shape) {
        Tensor host = torch.empty(shape, hostFloats, anyFormat);
        MemorySegment.copy(
                MemorySegment.ofArray(values), 0, Tensors.memory(host), 0, 4L * values.length);
        return gpu == null ? host : host.to(floats, true, false, anyFormat);
    }

    /** Whole numbers of the host on the device, without waiting for their copy. */
    public Tensor of(long[] values, long... shape) {
        Tensor host = torch.empty(shape, hostLongs, anyFormat);
        MemorySegment.copy(
                MemorySegment.ofArray(values), 0, Tensors.memory(host), 0, 8L * values.length);
        return gpu == null ? host : host.to(longs, true, false, anyFormat);
    }

    /** A tensor of the host on this device, in this precision. */
    public Tensor place(Tensor host) {
        return host.to(numbers, false, false, anyFormat);
    }

    /** A tensor of the host on this device, in float32. */
    public Tensor placeFloats(Tensor host) {
        return host.to(floats, false, false, anyFormat);
    }

    /** The same numbers in float32; itself where it is in float32. */
    public Tensor widened(Tensor x) {
        return precision == Precision.FP32 ? x : x.to(ScalarType.Float);
    }

    /** The same numbers in this precision; itself where that is float32. */
    public Tensor narrowed(Tensor x) {
        return precision == Precision.FP32 ? x : x.to(precision.type());
    }

    // Between device and host.

    /** Bytes of host memory, pinned where there is a GPU; the caller owns it. */
    public Tensor hostMemory(long bytes) {
        return Tensors.owned(() -> torch.empty(new long[] {bytes}, hostBytes, anyFormat));
    }

    /** The numbers in host memory; waits for the device. */
    public Tensor toHost(Tensor x) {
        return x.is_cuda() ? x.cpu().contiguous() : x.contiguous();
    }

    /**
     * A copy in host memory, without waiting for it: the device brings it back by {@link #fetched},
     * in the order of the steps. The caller owns it.
     */
    public Tensor parked(Tensor x) {
        if (gpu == null) {
            return Tensors.owned(() -> x.clone());
        }
        return Tensors.owned(
                () -> {
                    Tensor host =
                            torch.empty(new long[] {Tensors.bytes(x)}, hostBytes, anyFormat)
                                    .view(precision.type())
                                    .view(Tensors.shape(x));
                    host.copy_(x, true);
                    return host;
                });
    }

    /** What {@link #parked} took away. */
    public Tensor fetched(Tensor host) {
        return gpu == null ? host : host.to(numbers, true, false, anyFormat);
    }

    /** Numbers that the host wants to know some time after; nothing waits for them now. */
    public Later later(Tensor x) {
        if (gpu == null) {
            float[] values = Tensors.floats(widened(x).contiguous());
            return () -> values;
        }
        Tensor host =
                Tensors.owned(
                        () -> {
                            Tensor to = torch.empty(Tensors.shape(x), hostFloats, anyFormat);
                            to.copy_(widened(x).contiguous(), true);
                            return to;
                        });
        GpuEvent event = new GpuEvent(steps);
        return new Later() {
            private float[] values;

            @Override
            public float[] get() {
                if (values == null) {
                    event.await();
                    values = Tensors.floats(host);
                    host.close();
                }
                return values;
            }
        };
    }

    /** Copies a tensor's bytes out, wherever it is; waits for the device. */
    public void read(Tensor from, MemorySegment into) {
        MemorySegment.copy(Tensors.memory(toHost(from)), 0, into, 0, Tensors.bytes(from));
    }

    /** Fills a contiguous tensor, wherever it is, with bytes. */
    public void write(MemorySegment from, Tensor to) {
        if (!to.is_cuda()) {
            MemorySegment.copy(from, 0, Tensors.memory(to), 0, Tensors.bytes(to));
            return;
        }
        Tensor host = Tensors.empty(to.scalar_type().intern(), Tensors.shape(to));
        MemorySegment.copy(from, 0, Tensors.memory(host), 0, Tensors.bytes(to));
        to.copy_(host);
    }

    /** Copies now, before anything that follows. */
    public void copy(List<Copy> all) {
        if (gpu == null) {
            segments(all).forEach(Segments::copy);
            return;
        }
        all.forEach(each -> each.to().copy_(each.from(), true));
        try (GpuEvent event = new GpuEvent(steps)) {
            event.await();
        }
    }

    /**
     * Copies beside the steps that follow, after those that were begun. Neither side may be changed
     * or freed before the transfer is done.
     */
    public Transfer copyBeside(List<Copy> all) {
        if (all.isEmpty()) {
            return NOTHING;
        }
        if (gpu == null) {
            List<Segments> segments = segments(all);
            CompletableFuture<Void> done =
                    CompletableFuture.runAsync(() -> segments.forEach(Segments::copy), copier);
            return new Transfer() {
                @Override
                public boolean done() {
                    return done.isDone();
                }

                @Override
                public void await() {
                    done.join();
                }
            };
        }
        try (GpuEvent begun = new GpuEvent(steps)) {
            begun.before(copies);
        }
        return on(
                copies,
                () -> {
                    all.forEach(each -> each.to().copy_(each.from(), true));
                    return new GpuEvent(copies);
                });
    }

    private record Segments(MemorySegment from, MemorySegment to) {
        void copy() {
            MemorySegment.copy(from, 0, to, 0, from.byteSize());
        }
    }

    private static List<Segments> segments(List<Copy> all) {
        List<Segments> segments = new ArrayList<>(all.size());
        for (Copy each : all) {
            segments.add(new Segments(Tensors.memory(each.from()), Tensors.memory(each.to())));
        }
        return segments;
    }

    /** Waits for the steps that were begun, for measurements. */
    public void await() {
        if (gpu != null) {
            gpu.synchronizeStream(steps);
        }
    }

    /** Makes the steps that follow wait, on the device, for a transfer that is not done. */
    public void stepsAfter(Transfer transfer) {
        if (transfer instanceof GpuEvent event) {
            event.before(steps);
        }
    }

    // Beside the steps.

    /**
     * Runs {@code work} beside the steps that follow, after those that were begun: on a stream and
     * a thread of its own, one after the other.
     */
    public <T> CompletableFuture<T> decode(Callable<T> work) {
        GpuEvent begun = gpu == null ? null : new GpuEvent(steps);
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        if (begun == null) {
                            return work.call();
                        }
                        try (begun) {
                            begun.before(decodes);
                            return on(decodes, work);
                        }
                    } catch (RuntimeException e) {
                        throw e;
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                },
                decoder);
    }

    private <T> T on(Stream stream, Callable<T> work) {
        Stream before = gpu.exchangeStream(stream);
        try {
            return work.call();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        } finally {
            gpu.exchangeStream(before);
            before.close();
        }
    }

    /** A point in a stream of the GPU. */
    private final class GpuEvent implements Transfer, AutoCloseable {
        private final PointerPointer<BytePointer> handle = new PointerPointer<>(1);

        GpuEvent(Stream stream) {
            handle.retainReference();
            handle.put(0, (BytePointer) null);
            gpu.record(handle, stream, FIRST, torch.EventFlag.PYTORCH_DEFAULT);
        }

        private BytePointer event() {
            return handle.get(BytePointer.class, 0);
        }

        @Override
        public boolean done() {
            return handle.isNull() || gpu.queryEvent(event());
        }

        @Override
        public void await() {
            if (!handle.isNull()) {
                gpu.synchronizeEvent(event());
                close();
            }
        }

        /** What {@code stream} does from now on waits for this point, on the device. */
        void before(Stream stream) {
            if (!handle.isNull()) {
                gpu.block(event(), stream);
            }
        }

        @Override
        public void close() {
            if (!handle.isNull()) {
                gpu.destroyEvent(event(), FIRST);
                handle.close();
            }
        }
    }

    @Override
    public void close() {
        if (copier != null) {
            copier.close();
        }
        decoder.close();
        owner.close();
    }
}
