package io.reelfleet.tests.browser;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.microsoft.playwright.BrowserContext;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Response;
import com.microsoft.playwright.assertions.PlaywrightAssertions;
import io.reelfleet.gateway.testing.GatewayProcess;
import io.reelfleet.gateway.testing.OperatorStandIn;
import io.reelfleet.gateway.testing.SyntheticSession;
import io.reelfleet.gateway.testing.TokenAuthority;
import io.reelfleet.gateway.testing.WorkerStandIn;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The gateway's pages in Chromium, over sessions that the test writes live as a worker would: no
 * model is needed.
 */
@Timeout(180)
class PageE2E {
    private static final String API_TOKEN = "the-api-token";
    private static final String ADVANCES =
            "v => { const video = document.querySelector(v); return video && video.readyState >= 2 && video.currentTime > (window.seen ??= video.currentTime) + 1.5; }";

    @TempDir private static Path folder;

    private static final TokenAuthority AUTHORITY = new TokenAuthority();
    private static final List<String> PROBLEMS = new ArrayList<>();
    private static ScheduledExecutorService worker;
    private static ChunkStore store;
    private static WorkerStandIn controls;
    private static SyntheticSession first;
    private static OperatorStandIn operator;
    private static Map<String, String> settings;
    private static GatewayProcess gateway;
    private static URI address;
    private static Chromium chromium;

    @BeforeAll
    static void start() throws Exception {
        Path program = Chromium.program().orElse(null);
        if (program == null) {
            System.out.println(
                    "The browser test was skipped: install chromium (Debian: apt-get install chromium) or set REELFLEET_CHROMIUM.");
        }
        assumeTrue(program != null, "no chromium on this machine");
        chromium = Chromium.start(program);
        // Machines that run tests are busy.
        PlaywrightAssertions.setDefaultAssertionTimeout(30_000);
        store = ChunkStores.open("file:" + folder.resolve("store"));
        controls = new WorkerStandIn(true);
        first =
                new SyntheticSession(store, "first", "a red circle moving right on blue")
                        .owner("shapes-aaaaa", controls.endpoint(), 1)
                        .chunks(6);
        SyntheticSession second =
                new SyntheticSession(store, "second", "a red circle on blue, again")
                        .owner("shapes-bbbbb", controls.endpoint(), 1)
                        .chunks(6);
        worker = Executors.newSingleThreadScheduledExecutor();
        worker.scheduleAtFixedRate(
                () -> {
                    synchronized (PageE2E.class) {
                        first.chunks(1);
                        second.chunks(1);
                    }
                },
                750,
                750,
                TimeUnit.MILLISECONDS);
        operator = new OperatorStandIn(API_TOKEN, AUTHORITY, PageE2E::fleet, PageE2E::sessions);
        settings = new HashMap<>();
        settings.put("reelfleet.store", "file:" + folder.resolve("store"));
        settings.put(
                "reelfleet.tokens.public-key-file",
                AUTHORITY.writePublicKey(folder.resolve("public.pem")).toString());
        settings.put(
                "reelfleet.api.token-file",
                Files.writeString(folder.resolve("api-token"), API_TOKEN).toString());
        settings.put("reelfleet.operator.endpoint", operator.endpoint());
        startGateway();
    }

    private static void startGateway() throws IOException, InterruptedException {
        gateway = new GatewayProcess(jar(), folder, settings);
        address = gateway.awaitAddress();
        settings.put("quarkus.http.port", Integer.toString(address.getPort()));
    }

    private static Path jar() {
        Path root = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(root.resolve("runtime/gateway"))) {
            root = root.getParent();
        }
        return root.resolve("runtime/gateway/target/quarkus-app/quarkus-run.jar");
    }

    @AfterAll
    static void stop() {
        if (worker != null) {
            worker.shutdownNow();
        }
        if (chromium != null) {
            chromium.close();
        }
        if (gateway != null) {
            gateway.close();
        }
        if (operator != null) {
            operator.close();
        }
        if (controls != null) {
            controls.close();
        }
        if (store != null) {
            store.close();
        }
    }

    private static String fleet() {
        return """
        {"pools":[{"name":"default/shapes","workersWanted":2,"workersReady":2,"sessionsActive":2,"sessionsQueued":1,
          "latencyTargetS":0.75,"chunksGenerated":"1200","chunksLate":"3","chunkLatencyP50S":0.31,"chunkLatencyP99S":0.52,
          "chunkLatencyWorstS":0.61,"reason":"2 active sessions need 2 workers",
          "workers":[{"name":"shapes-aaaaa","phase":"Ready","sessionsActive":1,"chunkLatencyP99S":0.5},
                     {"name":"shapes-bbbbb","phase":"Ready","sessionsActive":1,"chunkLatencyP99S":0.4}]}]}
        """;
    }

    private static String sessions() {
        return """
        {"sessions":[%s,%s,{"spec":{"uid":"third","name":"third"},"phase":"Queued","message":"waits for a worker"}]}
        """
                .formatted(session("first", "shapes-aaaaa"), session("second", "shapes-bbbbb"));
    }

    private static String session(String name, String on) {
        return """
        {"spec":{"uid":"%s","name":"%s","controls":[{"kind":"prompt","text":"a red circle"}]},"phase":"Running","worker":"%s","nextChunk":"6"}
        """
                .formatted(name, name, on);
    }

    private static BrowserContext browser() {
        BrowserContext context = chromium.browser().newContext();
        context.onConsoleMessage(
                message -> {
                    // Chromium itself reports each 401, which is how a stranger is sent to sign in.
                    if (message.type().equals("error") && !message.text().contains("401")) {
                        PROBLEMS.add(message.text());
                    }
                });
        context.onWebError(error -> PROBLEMS.add(error.error()));
        context.setDefaultTimeout(30_000);
        return context;
    }

    @Test
    void theFleetsPageSignsInShowsTheFleetAndPlaysItsSessions() {
        try (BrowserContext context = browser()) {
            Page page = context.newPage();
            page.navigate(address + "/");
            page.waitForURL("**/login");
            page.fill("#token", "not-the-token");
            page.click("#door button");
            assertThat(page.locator("#answer")).containsText("not valid");
            page.fill("#token", API_TOKEN);
            page.click("#door button");
            assertThat(page.locator(".card")).hasCount(3);
            assertThat(page.locator(".worker")).hasCount(3);
            assertThat(page.locator(".worker .chip.running")).hasCount(2);
            assertThat(page.locator(".tile.running .value")).hasText("2");
            assertThat(page.locator(".tile.good .value")).hasText("520 ms");
            for (String name : List.of("first", "second")) {
                page.evaluate("delete window.seen");
                page.waitForFunction(ADVANCES, ".card[data-key='" + name + "'] video");
            }
            assertThat(PROBLEMS).isEmpty();
        }
    }

    @Test
    void aOneTimeLinkOpensThePageOnce() throws Exception {
        try (HttpClient client = HttpClient.newHttpClient();
                BrowserContext context = browser();
                BrowserContext other = browser()) {
            String answer =
                    client.send(
                                    HttpRequest.newBuilder(address.resolve("/login/codes"))
                                            .header("Authorization", "Bearer " + API_TOKEN)
                                            .POST(BodyPublishers.noBody())
                                            .build(),
                                    BodyHandlers.ofString())
                            .body();
            String code = answer.replaceAll(".*\"code\":\"([^\"]+)\".*", "$1");
            Page page = context.newPage();
            page.navigate(address + "/login?code=" + code);
            assertThat(page.locator(".card")).hasCount(3);
            assertThat(page.url()).isEqualTo(address + "/");
            Page again = other.newPage();
            again.navigate(address + "/login?code=" + code);
            assertThat(again.locator("#answer")).containsText("used before");
            assertThat(again.url()).doesNotContain(code);
        }
    }

    @Test
    void aSessionsPagePlaysGoesOnAfterTheGatewayAndTakesAPrompt() throws Exception {
        try (BrowserContext context = browser()) {
            Page page = context.newPage();
            Response door = page.navigate(address + "/s/first/");
            assertThat(door.status()).isEqualTo(401);
            page.fill("#token", AUTHORITY.token("first"));
            page.click("#door button");
            page.waitForFunction(ADVANCES, "#video");
            assertThat(page.locator("#prompt")).hasText("a red circle moving right on blue");
            assertThat(page.locator("#facts")).containsText("shapes-aaaaa");
            assertThat(controls.heartbeats().poll(10, TimeUnit.SECONDS)).isNotNull();

            page.fill("#wish", "a blue square");
            page.click("#steer button");
            assertThat(page.locator("#acks li").first()).containsText("applied at chunk 7");
            assertThat(controls.controls().getLast().getControls(0).getText())
                    .isEqualTo("a blue square");

            synchronized (PageE2E.class) {
                first.prompt("a blue square").owner("shapes-ccccc", controls.endpoint(), 2);
            }
            assertThat(page.locator("#facts")).containsText("shapes-ccccc");
            assertThat(page.locator("#prompt")).hasText("a blue square");

            gateway.kill();
            assertThat(page.locator("#link")).containsText("does not answer");
            startGateway();
            assertThat(page.locator("#link")).hasText("live");
            page.evaluate("delete window.seen");
            page.waitForFunction(ADVANCES, "#video");
            assertThat(
                            page.evaluate(
                                    "document.querySelector('#video').getVideoPlaybackQuality().totalVideoFrames > 0"))
                    .isEqualTo(true);
        }
    }
}
