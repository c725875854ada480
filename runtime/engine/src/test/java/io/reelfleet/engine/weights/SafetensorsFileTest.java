package io.reelfleet.engine.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Tensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SafetensorsFileTest {
    @TempDir Path folder;

    private Path write(String header, int dataBytes) throws IOException {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        return write(text.length, text, dataBytes);
    }

    private Path write(long length, byte[] text, int dataBytes) throws IOException {
        ByteBuffer buffer =
                ByteBuffer.allocate(8 + text.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(length).put(text);
        return Files.write(folder.resolve("bad.safetensors"), buffer.array());
    }

    private static void assertRefused(Path file, String reason) {
        assertThatThrownBy(() -> SafetensorsFile.open(file).close())
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith(file.toString())
                .hasMessageContaining(reason);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void readsBackWhatWasWritten(DType type) throws Exception {
        Path file = folder.resolve("good.safetensors");
        float[] values = {1, -2, 0.5f, 1024, -0.25f, 3};
        SafetensorsWriter.write(
                file,
                List.of(
                        new SafetensorsWriter.Named("a", new long[] {2, 3}, values),
                        new SafetensorsWriter.Named("b", new long[] {1}, new float[] {7})),
                type);
        try (PointerScope _ = new PointerScope();
                Weights weights = Weights.open(folder, "good", name -> name)) {
            assertThat(Tensors.floats(weights.take("a", 2, 3))).containsExactly(values);
            assertThatThrownBy(weights::finish).hasMessageContaining("holds tensor b");
            assertThat(Tensors.floats(weights.take("b", 1))).containsExactly(7);
            weights.finish();
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | 4 | outside the file's 4 bytes",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | 12 | 4 bytes that belong to no tensor",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}} | 8 | but shape [3] of F32 takes 12",
                "{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}} | 8 | has dtype \"C64\"",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}} | 8 | has the size -2",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}} | 8 | has the size 1.5",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}} | 8 | overflows",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}} | 8 | lies at bytes 8 to 0",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}} | 8 | needs data_offsets",
                "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}} | 8 | needs a shape",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}} | 12 | tensor b overlaps",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | 8 | leaves a gap",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | 4 | names tensor a twice",
                "[1,2] | 0 | not a JSON object",
                "{\"a\": | 0 | not JSON"
            })
    void refusesADamagedHeader(String header, int dataBytes, String reason) throws Exception {
        assertRefused(write(header, dataBytes), reason);
    }

    @Test
    void refusesHeadersLongerThanTheFileOrTheFormatAllows() throws Exception {
        assertRefused(write(1000, new byte[10], 0), "truncated: its header takes 1000 bytes");
        assertRefused(write(Long.MAX_VALUE, new byte[10], 0), "not a safetensors file");
        assertRefused(write(-1, new byte[10], 0), "not a safetensors file");
        assertRefused(Files.write(folder.resolve("short"), new byte[3]), "truncated");
        assertRefused(folder.resolve("none.safetensors"), "is missing");
    }
}
