package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same promises over S3, against a server in a process of its own. */
class S3StoreIT extends ChunkStoreContract {
    private static final Pattern PORT =
            Pattern.compile("Tomcat started on ports .*?(\\d+) \\(http\\)");
    private static final String[] SETTINGS = {
        "aws.endpointUrlS3", "aws.accessKeyId", "aws.secretAccessKey", "aws.region"
    };

    @TempDir static Path folder;
    private static Process server;
    private static int bucketPrefix;
    private ChunkStore store;

    @BeforeAll
    static void startServer() throws Exception {
        Path output = folder.resolve("s3mock.log");
        server =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElse("java"),
                                "-Xmx256m",
                                "-jar",
                                Path.of("target", "s3mock", "s3mock.jar").toString(),
                                "--server.port=0",
                                "--com.adobe.testing.s3mock.httpPort=0",
                                "--com.adobe.testing.s3mock.store.initialBuckets=reels")
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        Runtime.getRuntime().addShutdownHook(new Thread(server::destroyForcibly));
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
        Matcher port;
        do {
            assertThat(server.isAlive()).as(Files.readString(output)).isTrue();
            assertThat(System.nanoTime()).as(Files.readString(output)).isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(100);
            port = PORT.matcher(Files.readString(output));
        } while (!port.find());
        System.setProperty("aws.endpointUrlS3", "http://127.0.0.1:" + port.group(1));
        System.setProperty("aws.accessKeyId", "key");
        System.setProperty("aws.secretAccessKey", "secret");
        System.setProperty("aws.region", "us-east-1");
    }

    @AfterAll
    static void stopServer() throws Exception {
        for (String setting : SETTINGS) {
            System.clearProperty(setting);
        }
        server.destroy();
        if (!server.waitFor(10, TimeUnit.SECONDS)) {
            server.destroyForcibly().waitFor();
        }
    }

    @BeforeEach
    void open() throws Exception {
        store = ChunkStores.open("s3://reels/test-" + bucketPrefix++);
    }

    @Override
    ChunkStore store() {
        return store;
    }

    @Override
    @Test
    @Disabled(
            "S3Mock looks and then stores, in two steps: of concurrent creates several succeed. S3StoreTest tries it on one that does not")
    void ofManyConcurrentCreatesExactlyOneWinsAndItsBytesStay() {}

    @Test
    void aMissingBucketIsNamed() throws Exception {
        try (ChunkStore elsewhere = ChunkStores.open("s3://nowhere/x")) {
            assertThatThrownBy(() -> StoreProbe.check(elsewhere))
                    .isInstanceOf(StoreException.class)
                    .hasMessageContaining("s3://nowhere/x/ does not exist");
        }
    }

    @Test
    void aSessionsLogIsWrittenAndFenced() throws Exception {
        SessionLog old = SessionLog.open(store, "s", Clock.systemUTC());
        old.takeOver(1, SessionLogTest.owner("w1"));
        old.append(SessionLogTest.chunk(0));
        SessionLog next = SessionLog.open(store, "s", Clock.systemUTC());
        next.takeOver(2, SessionLogTest.owner("w2"));

        assertThatThrownBy(() -> old.append(SessionLogTest.chunk(1)))
                .isInstanceOf(FencedException.class);
        next.append(SessionLogTest.chunk(1));
        assertThat(SessionLogReader.fromStart(store, "s").pollAll()).hasSize(4);
    }
}
