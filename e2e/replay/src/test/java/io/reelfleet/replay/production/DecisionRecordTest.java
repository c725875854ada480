package io.reelfleet.replay.production;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.TraceException;
import io.reelfleet.replay.TraceSession;
import io.reelfleet.replay.sim.Outcome;
import io.reelfleet.scheduler.LatencyProfile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DecisionRecordTest {
    /** One worker of capacity 1; a and b share it from 3 to 4; b waits from 4 to 5.5. */
    private static final String PRODUCTION =
            """
            t_s,kind,worker,session
            0.000,gpu_requested,w1,
            1.000,gpu_ready,w1,
            1.000,wanted,,a
            1.000,place,w1,a
            3.000,wanted,,b
            3.000,place,w1,b
            4.000,unplace,w1,b
            5.500,unplace,w1,a
            5.500,idle,,a
            5.500,place,w1,b
            7.000,unplace,w1,b
            7.000,closed,,b
            8.000,closed,,a
            9.000,gpu_released,w1,
            """;

    @TempDir Path folder;

    @Test
    void readsWhatSessionsDid() throws Exception {
        assertThat(read(PRODUCTION).trace().sessions())
                .containsExactly(
                        new TraceSession("a", List.of(new Burst(1, 5.5))),
                        new TraceSession("b", List.of(new Burst(3, 7))));
    }

    @Test
    void worksOutWhatItCostAndWhatWasLate() throws Exception {
        DecisionRecord record = read(PRODUCTION);

        DecisionRecord.Account account =
                record.account(record.trace(), 750, LatencyProfile.proportional(750, 1));

        assertThat(account.gpuSeconds()).isEqualTo(9);
        // a: 1, 1.75, 2.5, 3.25 (shared), 4, 4.75. b: 3, 3.75 (shared), 4.5, 5.25 (wait), 6, 6.75.
        assertThat(account.due()).isEqualTo(12);
        assertThat(account.late()).isEqualTo(5);
        assertThat(account.percentile(1)).isEqualTo(1.0 + 0.75);
        assertThat(account.percentile(0.5)).isEqualTo(0.75);
    }

    @Test
    void whatIsStillThereEndsWithTheRecord() throws Exception {
        DecisionRecord record =
                read("t_s,kind,worker,session\n0,gpu_requested,w,\n1,wanted,,a\n10,gpu_ready,w,\n");

        assertThat(record.trace().sessions())
                .containsExactly(new TraceSession("a", List.of(new Burst(1, 10))));
        assertThat(
                        record.account(record.trace(), 750, LatencyProfile.proportional(750, 1))
                                .gpuSeconds())
                .isEqualTo(10);
    }

    @Test
    void timeBeginsWithTheRecord() throws Exception {
        DecisionRecord record =
                read(
                        "t_s,kind,worker,session\n1790000000.000,gpu_requested,w,\n"
                                + "1790000001.000,gpu_ready,w,\n1790000002.000,wanted,,a\n"
                                + "1790000002.000,place,w,a\n1790000004.500,unplace,w,a\n"
                                + "1790000004.500,closed,,a\n");

        assertThat(record.trace().sessions())
                .containsExactly(new TraceSession("a", List.of(new Burst(2, 4.5))));
        Outcome outcome = record.outcome(record.trace(), 750, LatencyProfile.proportional(750, 1));
        assertThat(outcome.due()).isEqualTo(4);
        assertThat(outcome.late()).isZero();
        assertThat(outcome.gpuSeconds()).isEqualTo(4.5);
    }

    @Test
    void aReplaysRecordSaysThatItHoldsNoSessions() throws Exception {
        assertThatThrownBy(() -> read("t_s,kind,worker,session\n0,gpu_requested,w,\n").trace())
                .isInstanceOf(TraceException.class)
                .hasMessageContaining("give its trace instead");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "5,gpu_ready,w,;4,gpu_ready,w,|line 3: t_s: 4 is before the line above it",
                "x,gpu_ready,w,|line 2: t_s: write seconds",
                "1,jump,w,a|line 2: kind: write gpu_requested",
                "1,place,w|line 2: write four fields",
                "1,place,,a|line 2: worker: write 1 to 256",
                "1,unplace,w,a|line 2: session: a is on no worker",
                "1,gpu_released,w,|line 2: worker: w was not requested",
                "1,gpu_requested,w,;2,gpu_requested,w,|line 3: worker: w has been requested before",
            })
    void saysWhichLineAndFieldIsWrong(String lines, String sentence) {
        assertThatThrownBy(
                        () -> read(DecisionRecord.HEADER + "\n" + lines.replace(';', '\n') + "\n"))
                .isInstanceOf(TraceException.class)
                .hasMessageContaining(sentence);
    }

    private DecisionRecord read(String text) throws Exception {
        Path file = folder.resolve("record.csv");
        Files.writeString(file, text);
        assertThat(DecisionRecord.is(file)).isTrue();
        return DecisionRecord.read(file);
    }
}
