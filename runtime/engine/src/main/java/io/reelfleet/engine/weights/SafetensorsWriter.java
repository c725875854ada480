package io.reelfleet.engine.weights;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.ModelException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes safetensors files. */
public final class SafetensorsWriter {
    /**
     * A tensor to write.
     *
     * @param name its name
     * @param shape its sizes
     * @param values its elements in row-major order
     */
    public record Named(String name, long[] shape, float[] values) {}

    /** Gives a tensor's elements in row-major order, little-endian. */
    public interface Content {
        byte[] bytes() throws IOException, ModelException;
    }

    /**
     * A tensor to write, read when its turn comes.
     *
     * @param name its name
     * @param type its element type
     * @param shape its sizes
     * @param content its elements
     */
    public record Source(String name, DType type, List<Long> shape, Content content) {
        /** Bytes of its elements. */
        public long length() {
            return type.bytes() * shape.stream().reduce(1L, Math::multiplyExact);
        }
    }

    private static final JsonMapper JSON = JsonMapper.builder().build();

    private SafetensorsWriter() {}

    /** Writes {@code tensors} as {@code type}, one of F32, F16 and BF16, to {@code path}. */
    public static void write(Path path, List<Named> tensors, DType type) throws IOException {
        if (!type.isFloat()) {
            throw new IllegalArgumentException("cannot write weights as " + type);
        }
        List<Source> sources = new ArrayList<>();
        for (Named tensor : tensors) {
            List<Long> shape = java.util.Arrays.stream(tensor.shape()).boxed().toList();
            sources.add(new Source(tensor.name(), type, shape, () -> bytes(tensor.values(), type)));
        }
        try {
            write(path, sources);
        } catch (ModelException e) {
            throw new IOException(e);
        }
    }

    /** Writes {@code tensors} to {@code path}, one after the other. */
    public static void write(Path path, List<Source> tensors) throws IOException, ModelException {
        ObjectNode header = JSON.createObjectNode();
        header.putObject("__metadata__").put("format", "pt");
        long at = 0;
        for (Source tensor : tensors) {
            ObjectNode node = header.putObject(tensor.name());
            node.put("dtype", tensor.type().name());
            var shape = node.putArray("shape");
            tensor.shape().forEach(shape::add);
            long end = at + tensor.length();
            node.putArray("data_offsets").add(at).add(end);
            at = end;
        }
        byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
        // The data starts at a multiple of eight bytes; the header is padded with spaces.
        int padded = Math.ceilDiv(text.length, 8) * 8;
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(path), 1 << 16)) {
            out.write(little(8).putLong(padded).array());
            out.write(text);
            out.write(" ".repeat(padded - text.length).getBytes(StandardCharsets.US_ASCII));
            for (Source tensor : tensors) {
                byte[] bytes = tensor.content().bytes();
                if (bytes.length != tensor.length()) {
                    throw new IllegalStateException(
                            tensor.name()
                                    + " has "
                                    + bytes.length
                                    + " bytes, not "
                                    + tensor.length());
                }
                out.write(bytes);
            }
        }
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** {@code values} as {@code type}, one of F32, F16 and BF16, rounded to the nearest. */
    public static byte[] bytes(float[] values, DType type) {
        ByteBuffer buffer = little(values.length * type.bytes());
        for (float value : values) {
            if (type == DType.F32) {
                buffer.putFloat(value);
            } else if (type == DType.F16) {
                buffer.putShort(Float.floatToFloat16(value));
            } else {
                int bits = Float.floatToRawIntBits(value);
                buffer.putShort((short) ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
            }
        }
        return buffer.array();
    }
}
