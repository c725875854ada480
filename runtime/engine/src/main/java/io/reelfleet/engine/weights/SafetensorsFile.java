package io.reelfleet.engine.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.util.ByteBufferBackedInputStream;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Tensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * A memory-mapped safetensors file: eight bytes of header length, a JSON header, then the tensors'
 * bytes.
 *
 * <p>The header is checked as a whole before any tensor is read: length, types, shapes against
 * lengths, order and overlap of the byte ranges, and that they end inside the file.
 */
public final class SafetensorsFile implements AutoCloseable {
    /** The format's own limit on its header. */
    static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int MAX_DIMENSIONS = 8;

    private static final ValueLayout.OfLong LITTLE_ENDIAN_LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Limits on what a header may make the reader hold, far above any model's: it is read as a
     * stream, tensor by tensor.
     */
    private static final JsonMapper JSON =
            JsonMapper.builder(
                            new JsonFactoryBuilder()
                                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(8)
                                                    .maxNameLength(256)
                                                    .maxStringLength(1 << 20)
                                                    .maxTokenCount(1_000_000)
                                                    .build())
                                    .build())
                    .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
                    .build();

    private final Path path;
    private final Arena arena;
    private final MemorySegment bytes;
    private final Map<String, TensorEntry> entries;

    private SafetensorsFile(
            Path path, Arena arena, MemorySegment bytes, Map<String, TensorEntry> entries) {
        this.path = path;
        this.arena = arena;
        this.bytes = bytes;
        this.entries = entries;
    }

    /** Maps and checks {@code path}. */
    public static SafetensorsFile open(Path path) throws ModelException {
        if (!Files.isRegularFile(path)) {
            throw new ModelException(path + " is missing");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < 8) {
                throw new ModelException(
                        path + " is truncated: it has " + size + " bytes, fewer than its header");
            }
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            Map<String, TensorEntry> entries = header(path, bytes);
            return new SafetensorsFile(path, arena, bytes, entries);
        } catch (IOException e) {
            arena.close();
            throw new ModelException(path + " cannot be read: " + e.getMessage(), e);
        } catch (ModelException | RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    private static Map<String, TensorEntry> header(Path path, MemorySegment bytes)
            throws ModelException {
        if (isPickle(bytes)) {
            throw new ModelException(
                    path
                            + " is not a safetensors file but a PyTorch checkpoint (a pickle, which may hold programs):"
                            + " turn it into a model folder by ./reelfleet model import");
        }
        long length = bytes.get(LITTLE_ENDIAN_LONG, 0);
        if (length < 2 || length > MAX_HEADER_BYTES) {
            throw new ModelException(
                    path
                            + " is not a safetensors file: its header length is "
                            + Long.toUnsignedString(length)
                            + ", allowed are 2 to "
                            + MAX_HEADER_BYTES);
        }
        if (length > bytes.byteSize() - 8) {
            throw new ModelException(
                    path
                            + " is truncated: its header takes "
                            + length
                            + " bytes, the file has "
                            + (bytes.byteSize() - 8)
                            + " after the length");
        }
        long start = 8 + length;
        Map<String, TensorEntry> entries;
        try (JsonParser parser =
                JSON.createParser(
                        new ByteBufferBackedInputStream(bytes.asSlice(8, length).asByteBuffer()))) {
            entries = entries(path, parser, start, bytes.byteSize() - start);
        } catch (JsonProcessingException e) {
            throw new ModelException(
                    path + " has a header that is not JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new ModelException(path + " has a header that is not JSON", e);
        }
        checkLayout(path, entries, start, bytes.byteSize());
        return entries;
    }

    private static Map<String, TensorEntry> entries(
            Path path, JsonParser parser, long start, long available)
            throws IOException, ModelException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw new ModelException(path + " has a header that is not a JSON object");
        }
        Map<String, TensorEntry> entries = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            if (name.equals("__metadata__")) {
                parser.skipChildren();
            } else {
                TensorEntry entry = entry(path, name, JSON.readTree(parser), start, available);
                if (entries.put(name, entry) != null) {
                    throw new ModelException(path + " names tensor " + name + " twice");
                }
            }
        }
        if (parser.nextToken() != null) {
            throw new ModelException(path + " has a header that goes on after its JSON object");
        }
        return entries;
    }

    /** A zip, as torch.save writes it, or a bare pickle of protocol 2 to 5. */
    private static boolean isPickle(MemorySegment bytes) {
        byte first = bytes.get(ValueLayout.JAVA_BYTE, 0);
        byte second = bytes.get(ValueLayout.JAVA_BYTE, 1);
        byte third = bytes.get(ValueLayout.JAVA_BYTE, 2);
        boolean header = bytes.byteSize() > 8 && bytes.get(ValueLayout.JAVA_BYTE, 8) == '{';
        if (header) {
            return false;
        }
        boolean zip = first == 'P' && second == 'K' && third == 3;
        return zip || (first == (byte) 0x80 && second >= 2 && second <= 5 && third != 0);
    }

    private static TensorEntry entry(
            Path path, String name, JsonNode node, long start, long available)
            throws ModelException {
        String what = path + ": tensor " + name;
        DType type = DType.named(node.path("dtype").asText());
        if (type == null) {
            throw new ModelException(
                    what
                            + " has dtype "
                            + node.path("dtype")
                            + "; known are "
                            + List.of(DType.values()));
        }
        JsonNode shapeNode = node.path("shape");
        JsonNode offsets = node.path("data_offsets");
        if (!shapeNode.isArray() || shapeNode.size() > MAX_DIMENSIONS) {
            throw new ModelException(
                    what + " needs a shape of at most " + MAX_DIMENSIONS + " sizes");
        }
        if (!offsets.isArray()
                || offsets.size() != 2
                || !offsets.get(0).canConvertToLong()
                || !offsets.get(0).isIntegralNumber()
                || !offsets.get(1).isIntegralNumber()
                || !offsets.get(1).canConvertToLong()) {
            throw new ModelException(what + " needs data_offsets of two whole numbers");
        }
        List<Long> shape = new ArrayList<>();
        long length = type.bytes();
        // The sizes but those of zero: LibTorch's strides are products of them.
        long strides = type.bytes();
        for (JsonNode size : shapeNode) {
            if (!size.isIntegralNumber() || !size.canConvertToLong() || size.asLong() < 0) {
                throw new ModelException(what + " has the size " + size + " in its shape");
            }
            shape.add(size.asLong());
            try {
                length = Math.multiplyExact(length, size.asLong());
                strides = Math.multiplyExact(strides, Math.max(1, size.asLong()));
            } catch (ArithmeticException e) {
                throw new ModelException(what + " has a shape that overflows: " + shapeNode, e);
            }
        }
        long first = offsets.get(0).asLong();
        long end = offsets.get(1).asLong();
        if (first < 0 || end < first || end > available) {
            throw new ModelException(
                    what
                            + " lies at bytes "
                            + first
                            + " to "
                            + end
                            + ", outside the file's "
                            + available
                            + " bytes of data");
        }
        if (end - first != length) {
            throw new ModelException(
                    what
                            + " has "
                            + (end - first)
                            + " bytes, but shape "
                            + shape
                            + " of "
                            + type
                            + " takes "
                            + length);
        }
        return new TensorEntry(name, type, shape, start + first, length);
    }

    private static void checkLayout(
            Path path, Map<String, TensorEntry> entries, long start, long size)
            throws ModelException {
        List<TensorEntry> ordered = new ArrayList<>(entries.values());
        ordered.sort(
                Comparator.comparingLong(TensorEntry::offset)
                        .thenComparingLong(TensorEntry::bytes));
        long at = start;
        for (TensorEntry entry : ordered) {
            if (entry.offset() != at) {
                throw new ModelException(
                        path
                                + ": tensor "
                                + entry.name()
                                + (entry.offset() < at
                                        ? " overlaps the one before it"
                                        : " leaves a gap before it")
                                + ": it starts at byte "
                                + (entry.offset() - start)
                                + " of the data, expected "
                                + (at - start));
            }
            at += entry.bytes();
        }
        if (at != size) {
            throw new ModelException(
                    path
                            + " has "
                            + (size - at)
                            + " bytes that belong to no tensor: it is damaged or not a"
                            + " safetensors file");
        }
    }

    /** Bytes of all tensors. */
    long tensorBytes() {
        return entries.values().stream().mapToLong(TensorEntry::bytes).sum();
    }

    /** Where the file lies. */
    public Path path() {
        return path;
    }

    /** The tensors by name, in the header's order. */
    public Map<String, TensorEntry> entries() {
        return entries;
    }

    /** A copy of a tensor, in its own element type; the innermost scope owns it. */
    public Tensor read(TensorEntry entry) {
        long[] shape = entry.shape().stream().mapToLong(Long::longValue).toArray();
        Tensor tensor = Tensors.empty(entry.type().type(), shape);
        if (entry.bytes() > 0) {
            MemorySegment.copy(bytes, entry.offset(), Tensors.memory(tensor), 0, entry.bytes());
        }
        return tensor;
    }

    @Override
    public void close() {
        arena.close();
    }
}
