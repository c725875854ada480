package io.reelfleet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class ReplayCommandTest {
    private static final String HEADER = "session,burst,start_s,end_s\n";

    @TempDir Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void comparesPoliciesAndWritesWhatItSays() throws Exception {
        Path trace = trace(HEADER + "a,0,0,100\na,1,200,300\nb,0,50,120\n");

        int code =
                run(
                        trace,
                        "--policy",
                        "migration-aware+predictive,least-loaded+static-peak",
                        "--late-budget",
                        "0.01",
                        "--record");

        assertThat(err.toString()).isEmpty();
        assertThat(code).isZero();
        assertThat(out.toString())
                .contains("2 sessions, 3 bursts", "migration-aware+predictive@0.01")
                .contains("least-loaded+static-peak");
        assertThat(folder.resolve("out").toFile().list())
                .contains(
                        "results.json",
                        "report.html",
                        "cost.png",
                        "gpus.png",
                        "latency.png",
                        "decisions-migration-aware+predictive@0.01.csv",
                        "decisions-least-loaded+static-peak.csv");
        assertThat(Files.readString(folder.resolve("out/decisions-least-loaded+static-peak.csv")))
                .startsWith("t_s,kind,worker,session\n0.000,gpu_requested,gpu-1,\n");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a,0,1,3;a,1,2,4|line 3: start_s: 2 overlaps the burst before it",
                "a,0,5,3|line 2: end_s: 3 is not after start_s 5",
                "a,0,1,3;b,0,0,4|line 3: start_s: session b opens before the one above it",
                "a,0,NaN,3|line 2: start_s: write seconds as a decimal number",
            })
    void aBadTraceIsRefusedWithLineAndFieldAndLeavesNoReport(String rows, String sentence)
            throws Exception {
        refused(sentence, trace(HEADER + rows.replace(';', '\n') + "\n"));
    }

    @Test
    void anEmptyTraceIsRefused() throws Exception {
        refused("is empty", trace(""));
        refused("holds no session", trace(HEADER));
        refused("does not exist", folder.resolve("none.csv"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--capacity 0|--capacity is 0: write a number from 1",
                "--policy least-loadd+hpa|there is no policy \"least-loadd+hpa\"",
                "--startup -1|--startup is -1: write seconds",
                "--startup none.txt|none.txt does not exist",
                "--latency none.csv|none.csv does not exist",
                "--late-budget 1.5|--late-budget is 1.5: write a share",
                "--late-budget NaN|--late-budget is NaN: write a share",
                "--scale 0|--scale is 0: write a number from 1",
                "--worker-life -3|--worker-life is -3.0: write seconds",
                "--capacity x|Invalid value for option '--capacity'",
            })
    void aBadOptionIsRefusedWithWhatToWriteInstead(String option, String sentence)
            throws Exception {
        refused(sentence, trace(HEADER + "a,0,0,100\n"), option.split(" "));
    }

    @Test
    void whatProductionDidStandsBesideThePolicies() throws Exception {
        Path record =
                trace(
                        """
                        t_s,kind,worker,session
                        0.000,gpu_requested,w1,
                        30.000,gpu_ready,w1,
                        30.000,wanted,,a
                        30.000,place,w1,a
                        300.000,unplace,w1,a
                        300.000,closed,,a
                        600.000,gpu_released,w1,
                        """);

        int code = run(record, "--policy", "least-loaded+hpa");

        assertThat(err.toString()).isEmpty();
        assertThat(code).isZero();
        assertThat(out.toString())
                .containsPattern("production\\+recorded +0.000 .* 0.2 ")
                .contains("least-loaded+hpa");
    }

    @Test
    void theChunkModelCanBeMeasured() throws Exception {
        Path measured = folder.resolve("latency.csv");
        Files.writeString(measured, "n,seconds\n1,0.3\n2,0.5\n3,0.7\n4,1.0\n");

        int code =
                run(
                        trace(HEADER + "a,0,0,100\n"),
                        "--policy",
                        "least-loaded+static-peak",
                        "--latency",
                        measured.toString());

        assertThat(err.toString()).isEmpty();
        assertThat(code).isZero();
        assertThat(out.toString()).contains("C = 3").containsPattern("static-peak +0.000 +0.300");
    }

    private void refused(String sentence, Path trace, String... options) {
        int code = run(trace, options);

        assertThat(err.toString()).contains(sentence).doesNotContain("\tat ");
        assertThat(code).isEqualTo(2);
        assertThat(folder.resolve("out")).doesNotExist();
    }

    private int run(Path trace, String... options) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "replay",
                                "--trace",
                                trace.toString(),
                                "--out",
                                folder.resolve("out").toString()));
        arguments.addAll(List.of(options));
        CommandLine line = Reelfleet.commandLine();
        line.setOut(new PrintWriter(out, true));
        line.setErr(new PrintWriter(err, true));
        return line.execute(arguments.toArray(String[]::new));
    }

    private Path trace(String text) throws Exception {
        Path file = folder.resolve("trace.csv");
        Files.writeString(file, text);
        return file;
    }
}
