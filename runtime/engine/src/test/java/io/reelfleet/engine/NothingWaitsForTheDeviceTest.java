package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.constantpool.MethodHandleEntry;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A step that asks a GPU for a number stops everything behind it. This reads the engine's compiled
 * classes: whatever {@link Engine#step} can reach, over all implementations and lambdas, must not
 * call what waits for the device.
 */
class NothingWaitsForTheDeviceTest {
    private static final String ENGINE = "io/reelfleet/engine/";
    private static final String DEVICE = ENGINE + "tensor/Device";

    /** What waits for the device, or reads its memory as if it were the host's. */
    private static boolean waits(String owner, String name) {
        if (owner.startsWith("org/bytedeco/pytorch/")) {
            return name.startsWith("item")
                    || name.equals("cpu")
                    || name.equals("data_ptr")
                    || name.startsWith("data_ptr_")
                    || name.equals("equal")
                    || name.equals("allclose")
                    || name.equals("nonzero")
                    || name.equals("is_nonzero")
                    || name.equals("masked_select")
                    || name.startsWith("synchronize");
        }
        if (owner.equals(ENGINE + "tensor/Tensors")) {
            return Set.of("memory", "floats", "toBytes", "copy").contains(name);
        }
        return owner.equals(DEVICE) && Set.of("toHost", "read", "copy", "await").contains(name);
    }

    /**
     * What steps may call of the device: all of it fills host memory or queues a copy, but for
     * {@code Later.get}, which reads numbers that were asked for a whole chunk earlier.
     */
    private static final Set<String> ALLOWED = Set.of("of", "later", "parked", "fetched", "get");

    /** Fills new memory of the host, and knows no device. */
    private static boolean makesHostTensor(Call call) {
        return call.owner().equals(ENGINE + "tensor/Tensors") && call.name().equals("of");
    }

    private record Call(String owner, String name, String type) {
        String short_() {
            return owner.substring(owner.lastIndexOf('/') + 1) + "." + name;
        }
    }

    private static final Map<String, ClassModel> CLASSES = new HashMap<>();
    private static final Map<String, List<String>> SUBTYPES = new HashMap<>();

    @BeforeAll
    static void read() throws Exception {
        Path root =
                Path.of(Engine.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".class")).toList()) {
                ClassModel model = ClassFile.of().parse(file);
                String name = model.thisClass().asInternalName();
                CLASSES.put(name, model);
                model.interfaces()
                        .forEach(
                                each ->
                                        SUBTYPES.computeIfAbsent(
                                                        each.asInternalName(),
                                                        k -> new ArrayList<>())
                                                .add(name));
                model.superclass()
                        .ifPresent(
                                each ->
                                        SUBTYPES.computeIfAbsent(
                                                        each.asInternalName(),
                                                        k -> new ArrayList<>())
                                                .add(name));
            }
        }
    }

    /** Methods that {@code call} may run: its own and those of all subtypes. */
    private static List<Map.Entry<String, MethodModel>> targets(Call call) {
        List<Map.Entry<String, MethodModel>> found = new ArrayList<>();
        Deque<String> owners = new ArrayDeque<>(List.of(call.owner()));
        while (!owners.isEmpty()) {
            String owner = owners.remove();
            ClassModel model = CLASSES.get(owner);
            if (model != null) {
                for (MethodModel method : model.methods()) {
                    if (method.methodName().equalsString(call.name())
                            && method.methodType().equalsString(call.type())) {
                        found.add(Map.entry(owner, method));
                    }
                }
            }
            owners.addAll(SUBTYPES.getOrDefault(owner, List.of()));
        }
        return found;
    }

    private static List<Call> calls(MethodModel method) {
        List<Call> calls = new ArrayList<>();
        CodeModel code = method.code().orElse(null);
        if (code == null) {
            return calls;
        }
        code.forEach(
                element -> {
                    if (element instanceof InvokeInstruction invoke) {
                        calls.add(
                                new Call(
                                        invoke.owner().asInternalName(),
                                        invoke.name().stringValue(),
                                        invoke.type().stringValue()));
                    } else if (element instanceof InvokeDynamicInstruction dynamic) {
                        dynamic.invokedynamic()
                                .bootstrap()
                                .arguments()
                                .forEach(
                                        argument -> {
                                            if (argument instanceof MethodHandleEntry handle) {
                                                var to = handle.reference();
                                                calls.add(
                                                        new Call(
                                                                to.owner().asInternalName(),
                                                                to.name().stringValue(),
                                                                to.type().stringValue()));
                                            }
                                        });
                    }
                });
        return calls;
    }

    /** Every call that waits and that {@code from} can reach, with the way there. */
    private static List<String> waiting(Call from, Set<Call> seen) {
        List<String> found = new ArrayList<>();
        record Way(Call call, String path) {}
        Deque<Way> open = new ArrayDeque<>(List.of(new Way(from, from.short_())));
        while (!open.isEmpty()) {
            Way way = open.remove();
            for (var target : targets(way.call())) {
                boolean device = target.getKey().startsWith(DEVICE);
                for (Call call : calls(target.getValue())) {
                    String path = way.path() + " > " + call.short_();
                    if (makesHostTensor(call)) {
                        continue;
                    }
                    if (!device && waits(call.owner(), call.name())) {
                        found.add(path);
                    } else if (call.owner().startsWith(DEVICE) && ALLOWED.contains(call.name())) {
                        continue;
                    } else if (call.owner().startsWith(ENGINE) && seen.add(call)) {
                        open.add(new Way(call, path));
                    }
                }
            }
        }
        return found;
    }

    @Test
    void noStepAsksTheDeviceForANumber() {
        Set<Call> seen = new HashSet<>();
        Call step = new Call(ENGINE + "Engine", "step", "(Ljava/util/List;I)Ljava/util/List;");
        assertThat(waiting(step, seen)).isEmpty();
        // It really went there.
        assertThat(seen.stream().map(Call::short_))
                .contains(
                        "CausalVideoTransformer.forward",
                        "KvCache.beginChunk",
                        "KvCache.commitChunk",
                        "EngineSession.prepare",
                        "EngineSession.advance",
                        "FrameBank.nearest",
                        "TextEncoder.encode");
    }

    @Test
    void theSearchFindsWhatWaits() {
        Call decode =
                new Call(
                        ENGINE + "EngineSession",
                        "takeChunk",
                        "()Lio/reelfleet/engine/GeneratedChunk;");
        assertThat(waiting(decode, new HashSet<>()))
                .anyMatch(path -> path.endsWith("Device.toHost"));
    }
}
