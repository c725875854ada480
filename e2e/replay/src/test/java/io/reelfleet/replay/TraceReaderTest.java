package io.reelfleet.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceReaderTest {
    private static final String HEADER = TraceReader.HEADER + "\n";

    @TempDir Path folder;

    @Test
    void readsSessionsWithTheirBurstsAlsoWithWindowsLineEnds() throws Exception {
        Path file = folder.resolve("t.csv");
        Files.writeString(
                file, (HEADER + "a,0,0.00,2.50\na,1,4,5\nb,0,1,3\n").replace("\n", "\r\n"));

        assertThat(TraceReader.read(file).sessions())
                .containsExactly(
                        new TraceSession("a", List.of(new Burst(0, 2.5), new Burst(4, 5))),
                        new TraceSession("b", List.of(new Burst(1, 3))));
    }

    @Property(tries = 200)
    void whatIsWrittenIsRead(@ForAll("traces") Trace trace) throws Exception {
        assertThat(parse(write(trace))).isEqualTo(trace.sessions());
    }

    @Property(tries = 300)
    void aFileCutAnywhereIsReadInPartOrRefusedInASentence(
            @ForAll("traces") Trace trace, @ForAll("share") double share) throws IOException {
        String text = write(trace);
        String cut = text.substring(0, (int) (text.length() * share));
        try {
            assertThat(parse(cut).size()).isLessThanOrEqualTo(trace.sessions().size());
        } catch (TraceException e) {
            assertThat(e).hasMessageStartingWith("test.csv");
        }
    }

    @Property(tries = 500)
    void rubbishIsRefusedInASentenceAndNeverOtherwise(@ForAll("rubbish") String rubbish)
            throws IOException {
        try {
            parse(HEADER + rubbish);
        } catch (TraceException e) {
            assertThat(e).hasMessageStartingWith("test.csv");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a,0,5,3|line 2: end_s: 3 is not after start_s 5",
                "a,0,5,5|line 2: end_s: 5 is not after",
                "a,0,NaN,3|line 2: start_s: write seconds as a decimal number, not \"NaN\"",
                "a,0,1,Infinity|line 2: end_s: write seconds",
                "a,0,-1,3|line 2: start_s: write seconds",
                "a,0,1e3,3|line 2: start_s: write seconds",
                "a,0,1,999999999999|line 2: end_s: 999999999999 s is more than ten years",
                "a,1,1,3|line 2: burst: write 0",
                "a,0,1,3;a,1,2,4|line 3: start_s: 2 overlaps the burst before it, which ends at 3.0",
                "a,0,1,3;a,0,4,5|line 3: burst: write 1",
                "a,0,1,3;b,0,0,4|line 3: start_s: session b opens before the one above it",
                "a,0,1,3;b,0,2,4;a,1,5,6|line 4: session: the lines of a are not together",
                "a,0,1|line 2: write four fields",
                "a,0,1,3,9|line 2: write four fields",
                "a b,0,1,3|line 2: session: write 1 to 128 letters",
            })
    void saysWhichLineAndFieldIsWrong(String lines, String sentence) {
        assertThatThrownBy(() -> parse(HEADER + lines.replace(';', '\n') + "\n"))
                .isInstanceOf(TraceException.class)
                .hasMessageContaining("test.csv " + sentence);
    }

    @Test
    void saysThatAFileIsTruncated() {
        assertThatThrownBy(() -> parse(HEADER + "a,0,1,3\nb,0,2"))
                .hasMessage(
                        "test.csv line 3: the last line has no line end: the file is truncated (or add one)");
        assertThatThrownBy(() -> parse(HEADER + "a,0,1,3\nb,0,2,34"))
                .hasMessageContaining("the file is truncated");
    }

    @Test
    void saysWhatAnEmptyFileOrAWrongHeaderNeeds() {
        assertThatThrownBy(() -> parse("")).hasMessageContaining("test.csv is empty");
        assertThatThrownBy(() -> parse(HEADER)).hasMessageContaining("test.csv holds no session");
        assertThatThrownBy(() -> parse("a,b\n"))
                .hasMessageContaining("line 1: write \"session,burst,start_s,end_s\"");
        assertThatThrownBy(() -> TraceReader.read(folder.resolve("none.csv")))
                .hasMessageContaining("does not exist");
        assertThatThrownBy(() -> TraceReader.read(folder)).hasMessageContaining("is a folder");
    }

    @Test
    void aLineWithoutEndDoesNotFillTheMemory() {
        assertThatThrownBy(() -> parse(HEADER + "x".repeat(10_000_000)))
                .hasMessageContaining("line 2: the line is longer");
    }

    @Provide
    Arbitrary<Trace> traces() {
        Arbitrary<List<Integer>> cuts =
                Arbitraries.integers().between(1, 500).list().ofMinSize(2).ofMaxSize(12);
        return cuts.list()
                .ofMinSize(1)
                .ofMaxSize(20)
                .map(
                        all -> {
                            List<TraceSession> sessions = new ArrayList<>();
                            for (int s = 0; s < all.size(); s++) {
                                List<Burst> bursts = new ArrayList<>();
                                double at = s;
                                List<Integer> steps = all.get(s);
                                for (int i = 0; i + 1 < steps.size(); i += 2) {
                                    double end = at + steps.get(i) / 4.0;
                                    bursts.add(new Burst(at, end));
                                    at = end + steps.get(i + 1) / 4.0;
                                }
                                sessions.add(new TraceSession("s" + s, bursts));
                            }
                            return new Trace(sessions);
                        });
    }

    @Provide
    Arbitrary<Double> share() {
        return Arbitraries.doubles().between(0, 1);
    }

    @Provide
    Arbitrary<String> rubbish() {
        return Arbitraries.strings().withChars("ab,,,0123.-\n\r\"NaI ").ofMaxLength(80);
    }

    private static String write(Trace trace) {
        StringWriter out = new StringWriter();
        out.write(HEADER);
        for (TraceSession session : trace.sessions()) {
            for (int i = 0; i < session.bursts().size(); i++) {
                Burst burst = session.bursts().get(i);
                out.write(
                        String.format(
                                Locale.ROOT,
                                "%s,%d,%.2f,%.2f%n",
                                session.id(),
                                i,
                                burst.start(),
                                burst.end()));
            }
        }
        return out.toString();
    }

    private static List<TraceSession> parse(String text) throws IOException, TraceException {
        List<TraceSession> sessions = new ArrayList<>();
        TraceReader.read(new StringReader(text), "test.csv", sessions::add);
        return sessions;
    }
}
