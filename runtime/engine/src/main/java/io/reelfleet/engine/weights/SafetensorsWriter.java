package io.reelfleet.engine.weights;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
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

    private static final JsonMapper JSON = JsonMapper.builder().build();

    private SafetensorsWriter() {}

    /** Writes {@code tensors} as {@code type}, one of F32, F16 and BF16, to {@code path}. */
    public static void write(Path path, List<Named> tensors, DType type) throws IOException {
        if (!type.isFloat()) {
            throw new IllegalArgumentException("cannot write weights as " + type);
        }
        ObjectNode header = JSON.createObjectNode();
        header.putObject("__metadata__").put("format", "pt");
        long at = 0;
        for (Named tensor : tensors) {
            ObjectNode node = header.putObject(tensor.name());
            node.put("dtype", type.name());
            var shape = node.putArray("shape");
            for (long size : tensor.shape()) {
                shape.add(size);
            }
            long end = at + (long) tensor.values().length * type.bytes();
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
            for (Named tensor : tensors) {
                out.write(bytes(tensor.values(), type));
            }
        }
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] bytes(float[] values, DType type) {
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
