package io.reelfleet.engine.checkpoint;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.weights.DType;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the pickle of a PyTorch checkpoint: tensors, dicts, lists, numbers and strings, and nothing
 * else. A pickle is a program; this one runs only the instructions that build those, refuses every
 * other by name, and calls nothing that the file names.
 *
 * <p>What comes out: {@link Map} with string keys (a number key becomes its digits), {@link List},
 * {@link String}, {@link Long}, {@link Double}, {@link Boolean}, {@link TensorRef}, and {@link
 * #NONE}.
 */
final class PickleReader {
    /** Python's None. */
    static final Object NONE =
            new Object() {
                @Override
                public String toString() {
                    return "None";
                }
            };

    private static final int MAX_OBJECTS = 4_000_000;
    private static final int MAX_NAME = 256;
    private static final int MAX_DIMENSIONS = 8;
    private static final Object MARK = new Object();

    /** Names of all instructions, for saying what is refused (CPython's pickletools). */
    private static final Map<Integer, String> NAMES = names();

    private static final Map<String, DType> STORAGES =
            Map.of(
                    "DoubleStorage", DType.F64,
                    "FloatStorage", DType.F32,
                    "HalfStorage", DType.F16,
                    "BFloat16Storage", DType.BF16,
                    "LongStorage", DType.I64,
                    "IntStorage", DType.I32,
                    "ShortStorage", DType.I16,
                    "CharStorage", DType.I8,
                    "ByteStorage", DType.U8,
                    "BoolStorage", DType.BOOL);

    /** The few names from Python's world that may stand in the file; what they mean is here. */
    private sealed interface Global {
        record OrderedDict() implements Global {}

        record RebuildTensor() implements Global {}

        record RebuildParameter() implements Global {}

        record StorageOf(DType type) implements Global {}
    }

    private record Storage(String key, DType type, long elements) {}

    private final String where;
    private final ByteBuffer in;
    private final ArrayList<Object> stack = new ArrayList<>();
    private final Deque<Integer> marks = new ArrayDeque<>();
    private final Map<Integer, Object> memo = new HashMap<>();
    private int objects;

    private PickleReader(String where, byte[] bytes) {
        this.where = where;
        this.in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Reads one pickle.
     *
     * @param where how errors call it
     */
    static Object read(String where, byte[] pickle) throws ModelException {
        PickleReader reader = new PickleReader(where, pickle);
        try {
            return reader.run();
        } catch (BufferUnderflowException e) {
            throw reader.bad("ends in the middle of an instruction", e);
        }
    }

    private Object run() throws ModelException {
        while (true) {
            int at = in.position();
            int code = in.get() & 0xff;
            switch (code) {
                case 0x80 -> protocol();
                case 0x95 -> in.getLong(); // FRAME: the length of what follows, of no use here
                case '(' -> {
                    marks.push(stack.size());
                    push(MARK);
                }
                case '.' -> {
                    return result();
                }
                case '}' -> push(new LinkedHashMap<String, Object>());
                case ']', ')' -> push(new ArrayList<>());
                case 't' -> {
                    List<Object> items = untilMark();
                    push(items);
                }
                case 0x85 -> push(last(1));
                case 0x86 -> push(last(2));
                case 0x87 -> push(last(3));
                case 'N' -> push(NONE);
                case 0x88 -> push(Boolean.TRUE);
                case 0x89 -> push(Boolean.FALSE);
                case 'J' -> push((long) in.getInt());
                case 'K' -> push((long) (in.get() & 0xff));
                case 'M' -> push((long) (in.getShort() & 0xffff));
                case 0x8a -> push(longOf(in.get() & 0xff));
                case 'G' -> push(bigEndianDouble());
                case 'X' -> push(text(in.getInt() & 0xffffffffL));
                case 0x8c -> push(text(in.get() & 0xff));
                case 'q' -> memo.put(in.get() & 0xff, top());
                case 'r' -> memo.put(in.getInt(), top());
                case 0x94 -> memo.put(memo.size(), top());
                case 'h' -> push(remembered(in.get() & 0xff));
                case 'j' -> push(remembered(in.getInt()));
                case 's' -> {
                    List<Object> pair = last(2);
                    put(dict(top()), pair);
                }
                case 'u' -> {
                    List<Object> pairs = untilMark();
                    put(dict(top()), pairs);
                }
                case 'a' -> {
                    List<Object> item = last(1);
                    list(top()).addAll(item);
                }
                case 'e' -> {
                    List<Object> items = untilMark();
                    list(top()).addAll(items);
                }
                case 'c' -> push(global(line(), line()));
                case 0x93 -> {
                    List<Object> names = last(2);
                    push(global(string(names.get(0)), string(names.get(1))));
                }
                case 'R' -> {
                    List<Object> call = last(2);
                    push(call(call.get(0), list(call.get(1))));
                }
                case 'b' -> {
                    // State set on an object: a state dict carries its modules' versions so. Left
                    // aside.
                    List<Object> state = last(1);
                    if (!(top() instanceof Map) || !(state.getFirst() instanceof Map)) {
                        throw bad("sets the state of something that is not a dict");
                    }
                }
                case 'Q' -> push(storage(list(last(1).getFirst())));
                default ->
                        throw bad(
                                "has the instruction "
                                        + NAMES.getOrDefault(code, String.format("0x%02x", code))
                                        + " at byte "
                                        + at
                                        + ", which a checkpoint of tensors does not need: it is refused");
            }
        }
    }

    private void protocol() throws ModelException {
        int version = in.get() & 0xff;
        if (version < 2 || version > 5) {
            throw bad("has pickle protocol " + version + "; known are 2 to 5");
        }
    }

    private Object result() throws ModelException {
        if (stack.size() != 1 || !marks.isEmpty()) {
            throw bad("ends with " + stack.size() + " values, expected one");
        }
        return plain(stack.getFirst());
    }

    private void push(Object value) throws ModelException {
        if (++objects > MAX_OBJECTS) {
            throw bad("holds more than " + MAX_OBJECTS + " values");
        }
        stack.add(value);
    }

    private Object top() throws ModelException {
        if (stack.isEmpty() || stack.getLast() == MARK) {
            throw bad("takes a value where there is none");
        }
        return stack.getLast();
    }

    /** Takes the newest values off the stack, oldest first. */
    private List<Object> last(int count) throws ModelException {
        int from = stack.size() - count;
        if (from < (marks.isEmpty() ? 0 : marks.peek() + 1)) {
            throw bad("takes a value where there is none");
        }
        List<Object> tail = stack.subList(from, stack.size());
        List<Object> taken = new ArrayList<>(tail);
        tail.clear();
        return taken;
    }

    private List<Object> untilMark() throws ModelException {
        if (marks.isEmpty()) {
            throw bad("ends a list that has not begun");
        }
        int mark = marks.pop();
        List<Object> tail = stack.subList(mark + 1, stack.size());
        List<Object> taken = new ArrayList<>(tail);
        tail.clear();
        stack.removeLast();
        return taken;
    }

    private Object remembered(int key) throws ModelException {
        Object value = memo.get(key);
        if (value == null) {
            throw bad("recalls value " + key + ", which it has not stored");
        }
        return value;
    }

    private void put(Map<String, Object> dict, List<Object> pairs) throws ModelException {
        if (pairs.size() % 2 != 0) {
            throw bad("has a key without a value");
        }
        for (int i = 0; i < pairs.size(); i += 2) {
            String key =
                    switch (pairs.get(i)) {
                        case String text -> text;
                        case Long number -> number.toString();
                        default ->
                                throw bad("has a dict key that is neither a string nor a number");
                    };
            dict.put(key, plain(pairs.get(i + 1)));
        }
    }

    /** A value that may stay: no half-built parts of tensors. */
    private Object plain(Object value) throws ModelException {
        if (value instanceof Global || value instanceof Storage || value == MARK) {
            throw bad("holds a value that is neither tensor, dict, list, number nor string");
        }
        return value;
    }

    @SuppressWarnings("unchecked")
    private Map<String, Object> dict(Object value) throws ModelException {
        if (value instanceof Map) {
            return (Map<String, Object>) value;
        }
        throw bad("sets an item of something that is not a dict");
    }

    @SuppressWarnings("unchecked")
    private List<Object> list(Object value) throws ModelException {
        if (value instanceof List) {
            return (List<Object>) value;
        }
        throw bad("has something that is not a list where one is expected");
    }

    private String string(Object value) throws ModelException {
        if (value instanceof String text) {
            return text;
        }
        throw bad("has something that is not a string where one is expected");
    }

    private long number(Object value) throws ModelException {
        if (value instanceof Long number) {
            return number;
        }
        throw bad("has something that is not a whole number where one is expected");
    }

    private Global global(String module, String name) throws ModelException {
        String full = module + "." + name;
        switch (full) {
            case "collections.OrderedDict":
                return new Global.OrderedDict();
            case "torch._utils._rebuild_tensor_v2":
                return new Global.RebuildTensor();
            case "torch._utils._rebuild_parameter":
                return new Global.RebuildParameter();
            default:
                if (module.equals("torch") && STORAGES.containsKey(name)) {
                    return new Global.StorageOf(STORAGES.get(name));
                }
                throw bad(
                        "names "
                                + printable(full)
                                + ", which a checkpoint of tensors, dicts, numbers and strings does not need: it is"
                                + " refused");
        }
    }

    private Object call(Object callee, List<Object> arguments) throws ModelException {
        return switch (callee) {
            case Global.OrderedDict _ when arguments.isEmpty() ->
                    new LinkedHashMap<String, Object>();
            case Global.RebuildTensor _ when arguments.size() >= 6 -> tensor(arguments);
            case Global.RebuildParameter _ when arguments.size() == 3 -> {
                if (arguments.getFirst() instanceof TensorRef tensor) {
                    yield tensor;
                }
                throw bad("has a parameter that is not a tensor");
            }
            default -> throw bad("calls something in a way that builds no tensor and no dict");
        };
    }

    private Storage storage(List<Object> id) throws ModelException {
        if (id.size() != 5
                || !"storage".equals(id.get(0))
                || !(id.get(1) instanceof Global.StorageOf storage)) {
            throw bad("refers to something outside that is not a tensor's storage");
        }
        String key = string(id.get(2));
        long elements = number(id.get(4));
        if (!key.matches("[0-9]{1,9}") || elements < 0) {
            throw bad("has a storage of " + elements + " elements named " + printable(key));
        }
        return new Storage(key, storage.type(), elements);
    }

    private TensorRef tensor(List<Object> arguments) throws ModelException {
        if (!(arguments.getFirst() instanceof Storage storage)) {
            throw bad("has a tensor without a storage");
        }
        long offset = number(arguments.get(1));
        List<Long> shape = new ArrayList<>();
        for (Object size : list(arguments.get(2))) {
            shape.add(number(size));
        }
        List<Long> strides = new ArrayList<>();
        for (Object stride : list(arguments.get(3))) {
            strides.add(number(stride));
        }
        if (shape.size() > MAX_DIMENSIONS || shape.size() != strides.size() || offset < 0) {
            throw bad("has a tensor of shape " + shape + " with strides " + strides);
        }
        try {
            long last = offset;
            boolean empty = false;
            for (int i = 0; i < shape.size(); i++) {
                if (shape.get(i) < 0 || strides.get(i) < 0) {
                    throw bad("has a tensor of shape " + shape + " with strides " + strides);
                }
                empty |= shape.get(i) == 0;
                last =
                        Math.addExact(
                                last,
                                Math.multiplyExact(Math.max(0, shape.get(i) - 1), strides.get(i)));
            }
            if (!empty && last >= storage.elements()) {
                throw bad(
                        "has a tensor of shape "
                                + shape
                                + " that reaches element "
                                + last
                                + " of a storage with "
                                + storage.elements());
            }
            TensorRef tensor =
                    new TensorRef(
                            storage.key(),
                            storage.type(),
                            storage.elements(),
                            offset,
                            shape,
                            strides);
            if (tensor.elements() > storage.elements()) {
                throw bad("has a tensor of shape " + shape + " that repeats its storage");
            }
            return tensor;
        } catch (ArithmeticException e) {
            throw bad("has a tensor whose shape overflows: " + shape, e);
        }
    }

    private long longOf(int bytes) throws ModelException {
        if (bytes > 8) {
            throw bad("has a whole number of " + bytes + " bytes; at most 8 are read");
        }
        long value = 0;
        for (int i = 0; i < bytes; i++) {
            value |= (in.get() & 0xffL) << (8 * i);
        }
        int unused = 64 - 8 * bytes;
        return bytes == 0 ? 0 : value << unused >> unused;
    }

    private double bigEndianDouble() {
        return Double.longBitsToDouble(Long.reverseBytes(in.getLong()));
    }

    private String text(long length) throws ModelException {
        if (length > in.remaining()) {
            throw bad("has a string of " + length + " bytes, longer than what is left of it");
        }
        byte[] bytes = new byte[(int) length];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private String line() throws ModelException {
        StringBuilder line = new StringBuilder();
        for (int c = in.get(); c != '\n'; c = in.get()) {
            line.append((char) (c & 0xff));
            if (line.length() > MAX_NAME) {
                throw bad("names something of more than " + MAX_NAME + " characters");
            }
        }
        return line.toString();
    }

    private static String printable(String text) {
        String shown = text.length() > MAX_NAME ? text.substring(0, MAX_NAME) : text;
        return shown.replaceAll("[^\\x20-\\x7e]", "?");
    }

    private ModelException bad(String what) {
        return new ModelException(where + " " + what);
    }

    private ModelException bad(String what, Exception cause) {
        return new ModelException(where + " " + what, cause);
    }

    private static Map<Integer, String> names() {
        Map<Integer, String> names = new HashMap<>();
        String ascii =
                "0POP 1POP_MARK 2DUP FFLOAT IINT LLONG PPERSID SSTRING TBINSTRING USHORT_BINSTRING VUNICODE BBINBYTES"
                        + " CSHORT_BINBYTES dDICT gGET iINST lLIST oOBJ pPUT";
        for (String each : ascii.split(" ")) {
            names.put((int) each.charAt(0), each.substring(1));
        }
        String[] high = {
            "81NEWOBJ",
            "82EXT1",
            "83EXT2",
            "84EXT4",
            "8bLONG4",
            "8dBINUNICODE8",
            "8eBINBYTES8",
            "8fEMPTY_SET",
            "90ADDITEMS",
            "91FROZENSET",
            "92NEWOBJ_EX",
            "96BYTEARRAY8",
            "97NEXT_BUFFER",
            "98READONLY_BUFFER"
        };
        for (String each : high) {
            names.put(Integer.parseInt(each.substring(0, 2), 16), each.substring(2));
        }
        return Map.copyOf(names);
    }
}
