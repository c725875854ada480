package io.reelfleet.engine.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.ModelException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipFile;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PickleReaderTest {
    private static byte[] pickle(Object... parts) {
        java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
        out.writeBytes(new byte[] {(byte) 0x80, 2});
        for (Object part : parts) {
            switch (part) {
                case Integer code -> out.write(code);
                case String text ->
                        out.writeBytes(text.getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
                default -> throw new IllegalArgumentException();
            }
        }
        return out.toByteArray();
    }

    private static Object read(byte[] pickle) throws ModelException {
        return PickleReader.read("x.pt: data.pkl", pickle);
    }

    @Test
    void readsDictsListsNumbersAndStrings() throws Exception {
        // {'a': 7, 'b': [-1, 2.5, True, None], 3: (70000,)}
        Object value =
                read(
                        pickle(
                                "}(",
                                "X\1\0\0\0a",
                                "K\7",
                                "X\1\0\0\0b",
                                "](",
                                0x8a,
                                1,
                                0xff,
                                "G",
                                0x40,
                                4,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0x88,
                                "Ne",
                                "K\3",
                                "J",
                                0x70,
                                0x11,
                                1,
                                0,
                                0x85,
                                "u."));
        assertThat(value)
                .isEqualTo(
                        Map.of(
                                "a", 7L,
                                "b", List.of(-1L, 2.5, true, PickleReader.NONE),
                                "3", List.of(70000L)));
    }

    @ParameterizedTest
    @CsvSource({
        "i, INST",
        "o, OBJ",
        "2, DUP",
        "F, FLOAT",
        "I, INT",
        "P, PERSID",
        "0, POP",
        "B, BINBYTES",
        "g, GET",
        "\u0081, NEWOBJ",
        "\u0082, EXT1",
        "\u008f, EMPTY_SET",
        "\u0092, NEWOBJ_EX",
        "\u0097, NEXT_BUFFER",
        "\u00f0, 0xf0"
    })
    void refusesEveryOtherInstructionByName(String code, String name) {
        assertThatThrownBy(() -> read(pickle("}", (int) code.charAt(0), ".")))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("x.pt: data.pkl has the instruction " + name + " at byte 3");
    }

    @ParameterizedTest
    @CsvSource({
        "os, system",
        "builtins, eval",
        "torch._utils, _rebuild_sparse_tensor",
        "torch, load"
    })
    void refusesEveryOtherNameOfPythonsWorld(String module, String name) {
        assertThatThrownBy(() -> read(pickle("c" + module + "\n" + name + "\n.")))
                .hasMessageContaining("names " + module + "." + name)
                .hasMessageContaining("it is refused");
    }

    @Test
    void refusesTensorsThatReachBeyondTheirStorage() {
        assertThatThrownBy(() -> read(tensor(4, 0, 5)))
                .hasMessageContaining("reaches element 4 of a storage with 4");
        assertThatThrownBy(() -> read(tensor(4, 2, 3)))
                .hasMessageContaining("reaches element 4 of a storage with 4");
        assertThatThrownBy(() -> read(tensor(4, 0, -1))).hasMessageContaining("shape [-1]");
        assertThat(catching(() -> read(tensor(4, 1, 3)))).isNull();
    }

    private static byte[] tensor(int elements, int offset, int size) {
        return pickle(
                "ctorch._utils\n_rebuild_tensor_v2\n((",
                "X\7\0\0\0storage",
                "ctorch\nFloatStorage\n",
                "X\1\0\0\0000",
                "X\3\0\0\0cpu",
                "K",
                elements,
                "tQ",
                "K",
                offset,
                0x8a,
                1,
                size & 0xff,
                0x85,
                "K\1",
                0x85,
                0x89,
                "ccollections\nOrderedDict\n)RtR.");
    }

    private static Throwable catching(org.assertj.core.api.ThrowableAssert.ThrowingCallable body) {
        return org.assertj.core.api.Assertions.catchThrowable(body);
    }

    @Property(tries = 3000)
    void noBytesDoMoreThanBeRefused(@ForAll @Size(max = 60) byte[] bytes) {
        byte[] pickle = new byte[bytes.length + 2];
        pickle[0] = (byte) 0x80;
        pickle[1] = 2;
        System.arraycopy(bytes, 0, pickle, 2, bytes.length);
        assertRefusedOrRead(pickle);
    }

    @Property(tries = 3000)
    void aRealCheckpointWithOneByteChangedIsReadOrRefused(
            @ForAll @IntRange(max = 1 << 20) int at, @ForAll byte value) throws Exception {
        byte[] pickle = REAL.clone();
        pickle[at % pickle.length] = value;
        assertRefusedOrRead(pickle);
    }

    @Property(tries = 300)
    void aRealCheckpointCutShortIsRefused(@ForAll @IntRange(max = 1 << 20) int at) {
        byte[] cut = java.util.Arrays.copyOf(REAL, at % (REAL.length - 1));
        assertThatThrownBy(() -> read(cut)).isInstanceOf(ModelException.class);
    }

    private static void assertRefusedOrRead(byte[] pickle) {
        Throwable thrown = catching(() -> read(pickle));
        if (thrown != null) {
            assertThat(thrown).isInstanceOf(ModelException.class);
            assertThat(thrown.getMessage()).startsWith("x.pt: data.pkl ").doesNotContain("\n");
        }
    }

    private static final byte[] REAL = real();

    private static byte[] real() {
        try {
            Path file = Path.of(PickleReaderTest.class.getResource("/checkpoints/flat.pt").toURI());
            try (ZipFile zip = new ZipFile(file.toFile())) {
                return zip.getInputStream(zip.getEntry("flat/data.pkl")).readAllBytes();
            }
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
