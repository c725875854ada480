package io.reelfleet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What people type and what they are told. */
class CommandsTest {
    @TempDir Path folder;
    private Path checkout;

    private record Answer(int code, String out, String err) {}

    @BeforeEach
    void aCheckoutThatWasBuilt() throws IOException {
        checkout = folder.resolve("checkout");
        System.setProperty("reelfleet.home", folder.resolve("home").toString());
        System.setProperty("reelfleet.checkout", checkout.toString());
        for (String part : List.of("operator/controller", "runtime/server", "runtime/gateway")) {
            Path jar = checkout.resolve(part).resolve("target/quarkus-app/quarkus-run.jar");
            Files.createDirectories(jar.getParent());
            Files.writeString(jar, "no program");
        }
    }

    @AfterEach
    void forgetTheFolders() {
        System.clearProperty("reelfleet.home");
        System.clearProperty("reelfleet.checkout");
    }

    @Test
    void helpNamesEveryCommandThatIsThere() throws Exception {
        Answer answer = run("--help");

        assertThat(answer.code()).isZero();
        assertThat(answer.out())
                .contains(
                        "demo",
                        "up",
                        "down",
                        "open",
                        "get",
                        "move",
                        "close",
                        "token",
                        "model",
                        "replay",
                        "bench",
                        "chaos",
                        "images",
                        "./reelfleet test");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "demo", "up", "down", "open", "get", "move", "close", "token", "model", "replay",
                "bench", "chaos", "images"
            })
    void everyCommandHasHelp(String command) throws Exception {
        Answer answer = run(command, "--help");

        assertThat(answer.code()).isZero();
        assertThat(answer.out()).startsWith("Usage: reelfleet " + command);
    }

    @Test
    void anUnknownOptionIsASentenceAndExitCode2() throws Exception {
        Answer answer = run("demo", "--wrokers", "3");

        assertThat(answer.code()).isEqualTo(2);
        assertThat(answer.err())
                .contains("reelfleet demo: Unknown option", "--wrokers")
                .contains("--help")
                .doesNotContain("\tat ");
    }

    @Test
    void noCommandOrAnUnknownOneIsASentenceAndExitCode2() throws Exception {
        assertThat(run().code()).isEqualTo(2);
        Answer answer = run("benhc");
        assertThat(answer.code()).isEqualTo(2);
        assertThat(answer.err()).contains("benhc").doesNotContain("\tat ");
    }

    @Test
    void withoutAFleetItSaysHowToStartOne() throws Exception {
        for (String[] command : new String[][] {{"get"}, {"close", "a"}, {"token", "a"}}) {
            Answer answer = run(command);
            assertThat(answer.code()).isEqualTo(1);
            assertThat(answer.err().strip())
                    .isEqualTo(
                            "reelfleet "
                                    + command[0]
                                    + ": no fleet is up: run ./reelfleet up first");
        }
    }

    @Test
    void downWithNothingUpSaysSo() throws Exception {
        Answer answer = run("down");

        assertThat(answer.code()).isZero();
        assertThat(answer.out().strip()).isEqualTo("No fleet is up.");
    }

    @Test
    void aFileThatIsNoSessionIsRefusedBeforeAnybodyIsAsked() throws Exception {
        Path file = folder.resolve("session.yaml");
        assertThat(open(file)).isEqualTo("reelfleet open: " + file + " does not exist");
        Files.writeString(file, "");
        assertThat(open(file)).contains(file + " holds no document: write a VideoSession");
        Files.writeString(file, "a: [1\n");
        assertThat(open(file)).contains(file + " line ").contains("is not YAML");
        Files.writeString(file, "kind: GPUPool\n");
        assertThat(open(file)).contains("kind is GPUPool: write kind: VideoSession");
        Files.writeString(file, "metadata: {name: x}\n");
        assertThat(open(file)).contains("kind is missing: write kind: VideoSession");
    }

    @Test
    void aTruncatedTraceIsRefusedBeforeAnythingStarts() throws Exception {
        Path trace = folder.resolve("trace.csv");
        Files.writeString(trace, "session,burst,start_s,end_s\na,0,0.0,5.0\nb,0,1.0");

        Answer answer =
                run("demo", "--trace", trace.toString(), "--out", folder.resolve("out").toString());

        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.err().strip())
                .isEqualTo(
                        "reelfleet demo: --trace: "
                                + trace
                                + " line 3: the last line has no line end: the file is truncated (or add one)");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void numbersThatMakeNoSenseAreNamed() throws Exception {
        assertThat(run("demo", "--seconds", "3").err())
                .contains("--seconds is 3: write a number from 10 to 86400");
        assertThat(run("demo", "--workers", "0").err())
                .contains("--workers is 0: write a number from 1 to 64");
        assertThat(run("demo", "--seed", "-1").err())
                .contains("--seed is -1: write a number from 0");
        assertThat(run("demo", "--seconds", "many").code()).isEqualTo(2);
        assertThat(run("demo", "--model", "shapes").err())
                .contains("--model is shapes: write builtin:shapes or file:/dir");
        assertThat(run("up", "--model", "file:/no/such/folder").err())
                .contains("--model: /no/such/folder is not a folder");
    }

    @Test
    void aPortInUseIsASentenceAndNothingIsLeft() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Answer answer =
                    run("up", "--port", Integer.toString(taken.getLocalPort()), "--api-port", "0");

            assertThat(answer.code()).isEqualTo(1);
            assertThat(answer.err().strip())
                    .isEqualTo(
                            "reelfleet up: port "
                                    + taken.getLocalPort()
                                    + " is in use: write another --port, 0 for any free one, or stop what listens there");
            assertThat(run("down").out()).contains("No fleet is up.");
        }
    }

    @Test
    void aPartThatDoesNotStartIsReportedWithItsLastWords() throws Exception {
        Answer answer = run("up", "--port", "0", "--api-port", "0");

        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.err())
                .contains("ended with code 1", "logs/")
                .contains("quarkus-run.jar")
                .doesNotContain("\tat ");
        assertThat(run("down").out()).contains("No fleet is up.");
    }

    private String open(Path file) throws Exception {
        Answer answer = run("open", "-f", file.toString());
        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.err()).doesNotContain("\tat ");
        return answer.err().strip();
    }

    private Answer run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code =
                Reelfleet.commandLine()
                        .setOut(new PrintWriter(out, true))
                        .setErr(new PrintWriter(err, true))
                        .execute(arguments);
        return new Answer(code, out.toString(), err.toString());
    }
}
