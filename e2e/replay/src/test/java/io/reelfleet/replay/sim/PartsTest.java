package io.reelfleet.replay.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceException;
import io.reelfleet.replay.TraceReader;
import io.reelfleet.replay.TraceSession;
import io.reelfleet.scheduler.LatencyProfile;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PartsTest {
    @TempDir Path folder;

    @Property(tries = 200)
    void theAgendaGivesEntriesByTimeAndThenInTheOrderTheyWereMade(
            @ForAll @Size(max = 200) List<@IntRange(min = 0, max = 20) Integer> times) {
        Agenda agenda = new Agenda();
        PriorityQueue<int[]> expected =
                new PriorityQueue<>(
                        Comparator.<int[]>comparingInt(e -> e[0]).thenComparingInt(e -> e[1]));
        for (int i = 0; i < times.size(); i++) {
            agenda.add(times.get(i), Agenda.ARRIVED, i, 7);
            expected.add(new int[] {times.get(i), i});
            if (i % 3 == 2) {
                assertThat(Agenda.id(agenda.take())).isEqualTo(expected.poll()[1]);
            }
        }
        while (!expected.isEmpty()) {
            assertThat(agenda.next()).isEqualTo(expected.peek()[0]);
            long entry = agenda.take();
            assertThat(Agenda.id(entry)).isEqualTo(expected.poll()[1]);
            assertThat(Agenda.kind(entry)).isEqualTo(Agenda.ARRIVED);
            assertThat(Agenda.current(entry, 7)).isTrue();
            assertThat(Agenda.current(entry, 8)).isFalse();
        }
        assertThat(agenda.next()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void percentilesAreTrueToHalfAPercentAndTheWorstIsExact() {
        Histogram h = new Histogram();
        for (int i = 1; i <= 1000; i++) {
            h.add(i, 1);
        }

        assertThat(h.percentile(0.5)).isCloseTo(500, within(2.6));
        assertThat(h.percentile(0.99)).isCloseTo(990, within(5.0));
        assertThat(h.worst()).isEqualTo(1000);
        assertThat(new Histogram().percentile(0.5)).isZero();
    }

    @Test
    void aStepCurveKnowsItsMeansAndBands() {
        StepCurve c = new StepCurve();
        c.step(0, 2);
        c.step(50, 4);
        c.step(75, 0);

        assertThat(c.means(0, 100, 2)).containsExactly(2.0, 2.0);
        assertThat(c.bands(0, 100, 2)).isDeepEqualTo(new int[][] {{2, 2}, {0, 4}});
        assertThat(c.peak()).isEqualTo(4);
    }

    @Test
    void copiesOfAScaledTraceAreShiftedAlongARingAndTheFirstIsNot() {
        Trace trace =
                new Trace(
                        List.of(
                                new TraceSession("a", List.of(new Burst(0, 10), new Burst(20, 30))),
                                new TraceSession("b", List.of(new Burst(50, 100)))));

        Workload one = Workload.of(trace, 3, 5);

        assertThat(one.sessions()).isEqualTo(6);
        assertThat(one.bursts()).isEqualTo(9);
        assertThat(one.id(1)).isEqualTo("b");
        assertThat(one.id(5)).isEqualTo("b#2");
        assertThat(one.start(0)).isZero();
        assertThat(one.end(1) - one.start(1)).isEqualTo(10_000);
        for (int b = 0; b < one.bursts(); b++) {
            assertThat(one.end(b) - one.start(b)).isEqualTo(one.end(b % 3) - one.start(b % 3));
        }
        Workload same = Workload.of(trace, 3, 5);
        Workload other = Workload.of(trace, 3, 6);
        assertThat(same.start(3)).isEqualTo(one.start(3));
        assertThat(other.start(3)).isNotEqualTo(one.start(3));
    }

    @Test
    void eventsComeInOrderAndEndsBeforeStarts() {
        Workload w =
                Workload.of(
                        new Trace(
                                List.of(
                                        new TraceSession("a", List.of(new Burst(0, 10))),
                                        new TraceSession("b", List.of(new Burst(10, 20))))),
                        1,
                        1);

        List<String> events = new ArrayList<>();
        for (int i = 0; i < w.events(); i++) {
            events.add(w.at(i) + (w.starts(i) ? "+" : "-") + w.id(w.session(w.burst(i))));
        }
        assertThat(events).containsExactly("0+a", "10000-a", "10000+b", "20000-b");
        assertThat(w.dueChunks(750)).isEqualTo(14 + 14);
    }

    @Test
    void aFileWithoutEndIsReadAsAStreamAndRefusedWhenItIsTooLarge() {
        // 10 GB of one session's bursts, made as it is read; nothing but the bursts is kept.
        Reader endless =
                new Reader() {
                    private String line = TraceReader.HEADER + "\n";
                    private int at;
                    private long burst;

                    @Override
                    public int read(char[] to, int from, int length) {
                        int n = 0;
                        while (n < length) {
                            if (at == line.length()) {
                                line =
                                        "s,%d,%d.0,%d.5%n"
                                                .formatted(burst, burst, burst)
                                                .replace("\r", "");
                                burst++;
                                at = 0;
                            }
                            int k = Math.min(length - n, line.length() - at);
                            line.getChars(at, at + k, to, from + n);
                            at += k;
                            n += k;
                        }
                        return n;
                    }

                    @Override
                    public void close() {}
                };

        assertThatThrownBy(() -> Workload.read(endless, "big.csv", 1, 1))
                .isInstanceOf(TraceException.class)
                .hasMessageMatching("big.csv line \\d+: burst: more than 100000 bursts.*");
    }

    @Test
    void aScaleThatWouldNotFitIsRefused() throws Exception {
        Path file = folder.resolve("t.csv");
        Files.writeString(file, TraceReader.HEADER + "\na,0,0,1\na,1,2,3\n");

        assertThatThrownBy(() -> Workload.read(file, 10_000_000, 1))
                .isInstanceOf(TraceException.class)
                .hasMessageContaining("write a smaller --scale");
    }

    @Test
    void aTraceOfTooManyYearsIsRefused() throws Exception {
        Path file = folder.resolve("t.csv");
        Files.writeString(file, TraceReader.HEADER + "\na,0,0,300000000\n");

        assertThatThrownBy(() -> Workload.read(file, 1, 1))
                .isInstanceOf(TraceException.class)
                .hasMessageContaining("longer than eight years");
    }

    @Test
    void startUpTimesAreReadFromAFile() throws Exception {
        Path file = folder.resolve("startup.txt");
        Files.writeString(file, "10\n\n20.5\n");

        assertThat(StartUp.sampledFrom(file).meanMillis()).isEqualTo(15_250);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x\n", "10\nNaN\n", "-1\n", "1e9\n"})
    void startUpTimesThatAreNoneAreRefusedInASentence(String text) throws Exception {
        Path file = folder.resolve("startup.txt");
        Files.writeString(file, text);

        assertThatThrownBy(() -> StartUp.sampledFrom(file))
                .isInstanceOf(TraceException.class)
                .hasMessageContaining("write ")
                .hasMessageContaining("startup.txt");
    }

    @Test
    void aMeasuredLatencyIsInterpolatedAndNeverFalls() throws Exception {
        Path file = folder.resolve("latency.csv");
        Files.writeString(file, "n,seconds\n2,0.2\n4,0.6\n5,0.55\n");

        LatencyProfile profile = MeasuredLatency.read(file);

        assertThat(profile.at(1)).isCloseTo(100, within(1e-9));
        assertThat(profile.at(3)).isCloseTo(400, within(1e-9));
        assertThat(profile.at(5)).isCloseTo(600, within(1e-9));
        assertThat(profile.capacity(750)).isGreaterThanOrEqualTo(5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1\n", "0,1\n", "1,NaN\n", "1,-2\n", "1,1\n1,2\n", "x,1\n"})
    void aMeasuredLatencyThatIsNoneIsRefusedInASentence(String text) throws Exception {
        Path file = folder.resolve("latency.csv");
        Files.writeString(file, text);

        assertThatThrownBy(() -> MeasuredLatency.read(file))
                .isInstanceOf(TraceException.class)
                .hasMessageContaining("latency.csv");
    }
}
