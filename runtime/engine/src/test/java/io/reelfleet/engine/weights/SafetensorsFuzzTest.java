package io.reelfleet.engine.weights;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Tensors;
import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever bytes a weight file has, it is read or refused in one sentence. */
class SafetensorsFuzzTest {
    private static final int MEBIBYTE = 1 << 20;
    private static final int HEADER = 95 * MEBIBYTE;

    /** Heap of the JVM that reads headers of 95 MiB. */
    private static final String HEAP = "-Xmx64m";

    private static Path folder;

    @TempDir Path scratch;

    @BeforeContainer
    static void make() throws Exception {
        folder = Files.createTempDirectory("reelfleet-fuzz-");
    }

    @AfterContainer
    static void delete() throws Exception {
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** True if the file was read; else its refusal is a sentence. */
    private static boolean reads(byte[] bytes) throws Exception {
        Path file = Files.write(folder.resolve("a.safetensors"), bytes);
        try (PointerScope _ = new PointerScope();
                SafetensorsFile open = SafetensorsFile.open(file)) {
            for (TensorEntry entry : open.entries().values()) {
                assertThat(Tensors.bytes(open.read(entry))).isEqualTo(entry.bytes());
            }
            assertThat(open.tensorBytes()).isLessThan(bytes.length);
            return true;
        } catch (ModelException e) {
            assertThat(e.getMessage()).startsWith(file.toString()).hasSizeLessThan(1500);
            assertThat(e.getMessage().chars()).noneMatch(Character::isISOControl);
            return false;
        }
    }

    private static byte[] file(long length, byte[] header, int dataBytes) {
        return ByteBuffer.allocate(8 + header.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(header)
                .array();
    }

    @Property(tries = 2000)
    void anyBytesAreReadOrRefused(@ForAll @Size(max = 200) byte[] bytes) throws Exception {
        reads(bytes);
    }

    @Property(tries = 2000)
    void anyHeaderIsReadOrRefused(
            @ForAll("headers") String header,
            @ForAll @IntRange(max = 40) int dataBytes,
            @ForAll @IntRange(min = -2, max = 2) int off)
            throws Exception {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        reads(file(text.length + (off == 2 ? 1 : off == -2 ? -1 : 0), text, dataBytes));
    }

    @Provide
    Arbitrary<String> headers() {
        Arbitrary<String> names = Arbitraries.of("a", "b", "c", "__metadata__", "", "a\\nb", "é");
        Arbitrary<String> types =
                Arbitraries.of(
                        "\"F32\"", "\"F32\"", "\"BF16\"", "\"I64\"", "\"F8_E5M2\"", "7", "null");
        Arbitrary<String> numbers =
                Arbitraries.of(
                        "0",
                        "0",
                        "1",
                        "2",
                        "3",
                        "4",
                        "8",
                        "12",
                        "16",
                        "-1",
                        "1.5",
                        "\"1\"",
                        "null",
                        "2147483648",
                        "4611686018427387904",
                        "9223372036854775808",
                        "1e3");
        Arbitrary<String> lists =
                numbers.list().ofMaxSize(4).map(list -> "[" + String.join(",", list) + "]");
        Arbitrary<String> values =
                Arbitraries.frequencyOf(
                        net.jqwik.api.Tuple.of(12, lists),
                        net.jqwik.api.Tuple.of(1, Arbitraries.of("{}", "7", "\"x\"", "null")));
        Arbitrary<String> tensors =
                Combinators.combine(names, types, values, values)
                        .as(
                                (name, type, shape, offsets) ->
                                        "\"%s\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}"
                                                .formatted(name, type, shape, offsets));
        return tensors.list().ofMaxSize(4).map(list -> "{" + String.join(",", list) + "}");
    }

    /** Most of these fit: what is read is exactly what the header says. */
    @Property(tries = 500)
    void aWholeFileIsReadUnlessOneByteMakesItWrong(
            @ForAll @Size(min = 1, max = 4) List<@IntRange(max = 5) Integer> sizes,
            @ForAll @IntRange(max = 400) int at,
            @ForAll byte value)
            throws Exception {
        int end = 0;
        StringBuilder header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        for (int i = 0; i < sizes.size(); i++) {
            int bytes = 2 * 3 * sizes.get(i);
            header.append(
                    ",\"t%d\":{\"dtype\":\"F16\",\"shape\":[%d,3],\"data_offsets\":[%d,%d]}"
                            .formatted(i, sizes.get(i), end, end + bytes));
            end += bytes;
        }
        byte[] text = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        byte[] bytes = file(text.length, text, end);
        assertThat(reads(bytes)).isTrue();
        bytes[at % bytes.length] = value;
        reads(bytes);
        assertThat(reads(java.util.Arrays.copyOf(bytes, at % bytes.length))).isFalse();
    }

    /** In a JVM whose heap is smaller than the headers. */
    @Test
    void noHeaderTakesMoreMemoryThanABound() throws Exception {
        huge("numbers", i -> i == 0 ? "{\"a\":{\"shape\":[" : "1234567,");
        huge("names", i -> (i == 0 ? "{" : "") + "\"%0250d\":{},".formatted(i));
        huge("long-name", i -> i == 0 ? "{\"" : "abcdefghijklmnop");
        huge("type", i -> i == 0 ? "{\"a\":{\"dtype\":\"" : "abcdefghijklmnop");
        huge("metadata", i -> i == 0 ? "{\"__metadata__\":{\"a\":\"" : "abcdefghijklmnop");
        huge(
                "metadata-names",
                i -> (i == 0 ? "{\"__metadata__\":{" : "") + "\"%0250d\":1,".formatted(i));
        huge("nested", i -> i == 0 ? "{\"a\":" : "[[[[[[[[[[[[[[[[");
        huge("spaces", i -> i == 0 ? "{" : "                ");
        huge(
                "tensors",
                i ->
                        (i == 0 ? "{" : "")
                                + "\"%0240d\":{\"dtype\":\"U8\",\"shape\":[0,1,2,3,4,5,6,7],\"data_offsets\":[0,0]},"
                                        .formatted(i));
        Path out = scratch.resolve("out");
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                HEAP,
                                "-XX:+UseSerialGC",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                SafetensorsFuzzTest.class.getName(),
                                scratch.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(out.toFile())
                        .start();
        assertThat(process.waitFor()).as(() -> read(out)).isZero();
        assertThat(read(out).lines().filter(line -> line.startsWith(scratch.toString())))
                .as(() -> read(out))
                .hasSize(9);
    }

    private static String read(Path out) {
        try {
            return Files.readString(out);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** A file whose header goes on until it is as long as it says. */
    private void huge(String name, IntFunction<String> parts) throws Exception {
        Path file = scratch.resolve(name + ".safetensors");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), MEBIBYTE)) {
            out.write(
                    ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(HEADER).array());
            long left = HEADER;
            for (int i = 0; left > 0; i++) {
                byte[] part = parts.apply(i).getBytes(StandardCharsets.US_ASCII);
                out.write(part, 0, (int) Math.min(left, part.length));
                left -= part.length;
            }
        }
    }

    /** Opens every weight file of a folder and prints why it is refused. */
    public static void main(String[] args) throws Exception {
        try (Stream<Path> list = Files.list(Path.of(args[0]))) {
            for (Path file :
                    list.filter(path -> path.toString().endsWith(".safetensors"))
                            .collect(Collectors.toCollection(java.util.TreeSet::new))) {
                try {
                    SafetensorsFile.open(file).close();
                } catch (ModelException e) {
                    System.out.println(e.getMessage());
                }
            }
        }
    }
}
