package io.reelfleet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The launcher with a JDK and a Maven that only say that they were called. */
class LauncherTest {
    private static final String APPS = "operator/controller runtime/server runtime/gateway";

    @TempDir Path folder;
    private Path checkout;
    private Path tools;
    private Path jdks;

    private record Answer(int code, String output) {}

    @BeforeEach
    void aCheckoutWithSpacesInItsPath() throws IOException {
        assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "there is no /bin/sh");
        checkout = Files.createDirectories(folder.resolve("a checkout"));
        Path launcher = Path.of("../../reelfleet").toAbsolutePath().normalize();
        Files.copy(launcher, checkout.resolve("reelfleet"));
        executable(checkout.resolve("reelfleet"));
        Path source = checkout.resolve("e2e/cli/src/main/java/A.java");
        Files.createDirectories(source.getParent());
        Files.writeString(source, "class A {}");
        Files.writeString(checkout.resolve("pom.xml"), "<project/>");

        tools = Files.createDirectories(folder.resolve("tools"));
        mvn(
                """
                echo "[INFO] Building Reelfleet :: Part 0.1.0-SNAPSHOT     [1/1]"
                for app in %s; do mkdir -p $app/target/quarkus-app && : >$app/target/quarkus-app/quarkus-run.jar; done
                mkdir -p e2e/cli/target/lib
                """
                        .formatted(APPS));
        jdks = Files.createDirectories(folder.resolve("jdks"));
        jdk("jdk-17", "17.0.2");
        jdk("temurin-25", "25.0.1");
    }

    @Test
    void buildsOnFirstUseThenStartsTheProgramWithItsArguments() throws Exception {
        Answer first = run(Map.of(), "get", "a b");

        assertThat(first.code()).isZero();
        assertThat(first.output())
                .contains("first use, building", "Reelfleet :: Part  [1/1]")
                .contains("temurin-25 runs io.reelfleet.cli.Reelfleet get a b");
    }

    @Test
    void aSecondCallBuildsNothingUntilASourceChangesOrGoesAway() throws Exception {
        run(Map.of(), "get");
        assertThat(run(Map.of(), "get").output()).doesNotContain("building");

        Path source = checkout.resolve("e2e/cli/src/main/java/A.java");
        Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(2)));
        assertThat(run(Map.of(), "get").output()).contains("sources have changed, building");

        Files.delete(source);
        Files.setLastModifiedTime(source.getParent(), FileTime.from(Instant.now().plusSeconds(4)));
        assertThat(run(Map.of(), "get").output()).contains("sources have changed, building");
    }

    @Test
    void worksThroughALink() throws Exception {
        Path link = folder.resolve("link");
        Files.createSymbolicLink(link, Path.of("a checkout/reelfleet"));

        assertThat(run(link, Map.of(), List.of("get")).output())
                .contains("runs io.reelfleet.cli.Reelfleet get");
    }

    @Test
    void twoFirstCallsDoNotBuildAtTheSameTime() throws Exception {
        Path turns = folder.resolve("turns");
        mvn(
                """
                mkdir "%1$s" || exit 3
                for app in %2$s; do mkdir -p $app/target/quarkus-app && : >$app/target/quarkus-app/quarkus-run.jar; done
                sleep 0.3; mkdir -p e2e/cli/target/lib
                rmdir "%1$s"
                """
                        .formatted(turns, APPS));

        Process other =
                start(
                        checkout.resolve("reelfleet"),
                        Map.of(),
                        List.of("get"),
                        folder.resolve("other"));
        Answer mine = run(Map.of(), "get");

        assertThat(other.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(mine.code()).as(mine.output()).isZero();
        assertThat(other.exitValue()).as(Files.readString(folder.resolve("other"))).isZero();
    }

    @Test
    void aLockWhoseBuilderIsGoneHoldsNobodyUp() throws Exception {
        Path lock = Files.createDirectories(checkout.resolve("e2e/cli/target/launcher/lock"));
        Process gone = new ProcessBuilder("true").start();
        assertThat(gone.waitFor(10, TimeUnit.SECONDS)).isTrue();
        Files.writeString(lock.resolve("pid"), gone.pid() + "\n");

        assertThat(run(Map.of(), "get").code()).isZero();
        assertThat(lock).doesNotExist();
    }

    @Test
    void aFailedBuildShowsItsErrorsAndStartsNothing() throws Exception {
        mvn("echo '[ERROR] A.java:[1,2] cannot find symbol'; exit 1\n");

        Answer answer = run(Map.of(), "get");

        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.output())
                .contains("the build failed", "cannot find symbol")
                .doesNotContain("runs io.reelfleet");
    }

    @Test
    void withoutAJdk25ItSaysInASentenceHowToGetOne() throws Exception {
        Path empty = Files.createDirectories(folder.resolve("none"));

        Answer answer = run(Map.of("REELFLEET_JAVA_PLACES", empty.toString()), "get");

        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.output().strip())
                .startsWith("reelfleet: no JDK 25 was found")
                .hasLineCount(1);
    }

    @Test
    void javaHomeGoesFirstButOnlyWhenItIsNewEnough() throws Exception {
        jdk("mine", "26");

        assertThat(run(Map.of("JAVA_HOME", jdks.resolve("mine").toString()), "get").output())
                .contains("mine runs");
        assertThat(run(Map.of("JAVA_HOME", jdks.resolve("jdk-17").toString()), "get").output())
                .contains("temurin-25 runs");
    }

    @Test
    void anOldMavenIsNamed() throws Exception {
        Files.writeString(tools.resolve("mvn"), "#!/bin/sh\necho 'Apache Maven 3.6.3'\n");

        Answer answer = run(Map.of(), "get");

        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.output().strip())
                .startsWith("reelfleet: Maven 3.6.3 is too old: install Maven 3.8 or newer")
                .hasLineCount(1);
    }

    @Test
    void testSumsTheReportsAndSaysWhyTestsWereSkipped() throws Exception {
        mvn(
                """
                mkdir -p m/target/surefire-reports
                echo 'skipped: there is no API server; put it there'
                echo 'skipped: there is no API server; put it there'
                cat >m/target/surefire-reports/TEST-a.xml <<'XML'
                <testsuite xmlns:xsi="x"
                    name="a" time="1" tests="5" errors="0" skipped="2" failures="1">
                  <testcase name="good" classname="a.B" time="0"/>
                  <testcase name="away" classname="a.B" time="0"><skipped message="no &quot;cluster&quot; here"/></testcase>
                  <testcase name="none" classname="a.B" time="0">
                    <skipped type="x.Aborted"><![CDATA[x.Aborted: Assumption failed: skipped: no fixtures
                \tat x.Y]]></skipped>
                  </testcase>
                  <testcase name="bad" classname="a.B" time="0"><failure message="expected 1" type="x">trace</failure></testcase>
                  <testcase name="good2" classname="a.B" time="0"/>
                </testsuite>
                XML
                exit 1
                """);

        Answer answer = run(Map.of("PATH", System.getenv("PATH")), "test");

        assertThat(answer.code()).isEqualTo(1);
        assertThat(answer.output())
                .contains(
                        "skipped: a.B.away: no \"cluster\" here",
                        "skipped: a.B.none: no fixtures\n",
                        "FAILED: a.B.bad: expected 1")
                .containsOnlyOnce("skipped: there is no API server; put it there\n")
                .endsWith("2 passed, 1 failed, 2 skipped\n");
    }

    private void jdk(String name, String version) throws IOException {
        Path home = Files.createDirectories(jdks.resolve(name));
        Files.createDirectories(home.resolve("bin"));
        Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
        String script =
                """
                #!/bin/sh
                while [ "$1" != io.reelfleet.cli.Reelfleet ]; do shift; done
                echo "%s runs $*"
                """
                        .formatted(name);
        Files.writeString(home.resolve("bin/java"), script);
        Files.writeString(home.resolve("bin/javac"), script);
        executable(home.resolve("bin/java"));
        executable(home.resolve("bin/javac"));
    }

    private void mvn(String build) throws IOException {
        String script =
                """
                #!/bin/sh
                if [ "$1" = -v ]; then echo 'Apache Maven 3.8.7'; exit 0; fi
                """
                        + build;
        Files.writeString(tools.resolve("mvn"), script);
        executable(tools.resolve("mvn"));
    }

    private static void executable(Path file) throws IOException {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Answer run(Map<String, String> environment, String... arguments) throws Exception {
        return run(checkout.resolve("reelfleet"), environment, List.of(arguments));
    }

    private Answer run(Path launcher, Map<String, String> environment, List<String> arguments)
            throws Exception {
        Path output = folder.resolve("output");
        Process process = start(launcher, environment, arguments, output);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Answer(process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
    }

    private Process start(
            Path launcher, Map<String, String> environment, List<String> arguments, Path output)
            throws IOException {
        List<String> command = new ArrayList<>(List.of("/bin/sh", launcher.toString()));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().remove("JAVA_HOME");
        builder.environment().put("REELFLEET_JAVA_PLACES", jdks.toString());
        builder.environment().put("REELFLEET_TEST_INSTALL", "no");
        builder.environment().putAll(environment);
        builder.environment().put("PATH", tools + ":" + System.getenv("PATH"));
        return builder.redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .redirectInput(Path.of("/dev/null").toFile())
                .start();
    }
}
