package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.ImageRef;
import io.reelfleet.api.session.v1.Origin;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.RewindRequest;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.GenerationOverrides;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Forks, rewinds and controls on the real engine, beside sessions that nothing happened to. */
class TimelineTest {
    private static final String BALL = "a red ball moves left";
    private static final String SQUARE = "the blue square moves right";
    private static final long SEED = 5;

    @TempDir static Path models;
    private static Path model;
    private static Path guided;
    private static Path rolling;
    @TempDir Path folder;
    private final Map<String, Double> visible = new ConcurrentHashMap<>();
    private final List<Worker> workers = new ArrayList<>();
    private ChunkStore store;
    private Worker a;

    private record Worker(String name, SessionLoop loop) {}

    @BeforeAll
    static void write() throws Exception {
        // A window that nothing leaves here, so that a rebuild has an undisturbed session's bits.
        model = model("wide", Map.of("window_frames", 120, "sink_frames", 0));
        guided =
                model(
                        "guided",
                        Map.of("window_frames", 120, "sink_frames", 0, "guidance_scale", 3),
                        "prompt",
                        "negativePrompt");
        rolling = model("rolling", Map.of("window_frames", 9, "sink_frames", 3));
    }

    private static Path model(String name, Map<String, Integer> settings, String... controls)
            throws Exception {
        Path written = models.resolve(name);
        RandomModel.tiny().write(written, 4);
        Path file = written.resolve("reelfleet.json");
        ObjectNode json =
                (ObjectNode) JsonMapper.builder().build().readTree(Files.readString(file));
        settings.forEach(json::put);
        if (controls.length > 0) {
            var kinds = json.putArray("controls");
            List.of(controls).forEach(kinds::add);
        }
        Files.writeString(file, json.toString());
        return written;
    }

    @BeforeEach
    void start() throws Exception {
        store = ChunkStores.open(folder.toUri().toString());
        a = worker("a", model, 0);
    }

    @AfterEach
    void stop() throws Exception {
        for (Worker each : workers) {
            each.loop.stop();
        }
        store.close();
    }

    private Worker worker(String name, Path of, long liveChunks) throws Exception {
        return worker(name, of, EngineOptions.defaults(), liveChunks);
    }

    private Worker worker(String name, Path of, EngineOptions options, long liveChunks)
            throws Exception {
        SessionLoop loop =
                new SessionLoop(
                        new LoopSettings(
                                name,
                                name + ":1",
                                Duration.ofMillis(750),
                                Duration.ofMinutes(5),
                                new PaceSettings(3, Duration.ofSeconds(10)),
                                liveChunks,
                                Images.INLINE_ONLY),
                        store,
                        // Batches of one, so that batch shapes are equal.
                        () ->
                                new EngineGenerators(
                                        Engine.load(ModelFolder.of(of), options), 1, false),
                        Clock.systemUTC(),
                        new LoopListener() {
                            @Override
                            public void changed() {}

                            @Override
                            public void chunkStored(ChunkStat stat) {}

                            @Override
                            public void controlVisible(String kind, double seconds) {
                                visible.put(kind, seconds);
                            }

                            @Override
                            public void storeFailed(String sessionUid, String reason) {}
                        });
        loop.start();
        Worker worker = new Worker(name, loop);
        workers.add(worker);
        await(() -> loop.phase() == SessionLoop.Phase.READY);
        return worker;
    }

    // Rewinds.

    @Test
    void aRewoundSessionShowsTheSameChunksAgainUnderTheNextNumbers() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 6);

        long from = rewind(a, "s", 2, "once").chunk();
        stored("s", from + 8);

        assertTimeline("s");
        List<LogEntry> log = log("s");
        assertThat(log.stream().filter(LogEntry::hasRewind)).hasSize(1);
        assertUndisturbed("s", from, 2, undisturbed(12));
    }

    @Test
    void aRequestThatIsRepeatedGoesBackOnce() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 4);
        long from = rewind(a, "s", 1, "same").chunk();
        stored("s", from + 2);
        rewind(a, "s", 1, "same").applied().get(30, TimeUnit.SECONDS);

        assertThat(log("s").stream().filter(LogEntry::hasRewind)).hasSize(1);
    }

    @Test
    void aRewindMayBringAnotherPromptAlongAndForgetsWhatCameLater() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 3);
        control(a, "s", prompt("a green ball")).applied().get(30, TimeUnit.SECONDS);
        long from = rewind(a, "s", 2, "back").chunk();
        stored("s", from + 3);
        assertThat(promptOf("s", from)).as("the later prompt is forgotten").isEqualTo(BALL);

        SessionLoop.Controlled controlled =
                get(
                        a.loop.control(
                                "s", List.of(prompt(SQUARE)), OptionalLong.of(2), "with prompt"));
        controlled.applied().get(30, TimeUnit.SECONDS);

        assertThat(promptOf("s", controlled.chunk())).isEqualTo(SQUARE);
        List<byte[]> reference = undisturbed(3, Map.of(2, SQUARE), false);
        assertThat(latents("s", controlled.chunk())).isEqualTo(reference.get(2));
        assertThat(visible).containsKeys("prompt", "rewind");
    }

    @Test
    void aCrashAfterARewindGoesOnInTheRewoundTimelineWithTheSameBits() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 6);
        long from = rewind(a, "s", 2, "x").chunk();
        Worker b = worker("b", model, 0);
        // It takes over while this one believes that it owns the session: the fence ends that.
        admit(b, spec("s"), 2);
        long next = nextChunk("s");
        stored("s", next + 6);

        assertTimeline("s");
        assertUndisturbed("s", from, 2, undisturbed(24));
    }

    @Test
    void aRewoundSessionMovesLiveAndCanGoBackThereToo() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 5);
        long from = rewind(a, "s", 2, "x").chunk();
        stored("s", from + 2);
        Worker b = worker("b", model, 0);
        move("m1", "s", a, b, 2);
        stored("s", nextChunk("s") + 3);
        assertUndisturbed("s", from, 2, undisturbed(30));

        long again = rewind(b, "s", from + 1, "y").chunk();
        stored("s", again + 3);
        assertTimeline("s");
        assertUndisturbed("s", again, 3, undisturbed(30));
    }

    @Test
    void aRewindToTheBeginningIsTheWholeVideoAgain() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 3);
        long from = rewind(a, "s", 0, "x").chunk();
        stored("s", from + 3);

        assertTimeline("s");
        assertThat(chunk("s", from).getMedia().getFrames()).isEqualTo(9);
        assertUndisturbed("s", from, 0, undisturbed(4));
    }

    @Test
    void aRewindBeyondTheEndIsRefusedAndTheSessionGoesOnWithEveryBit() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 2);

        assertThatThrownBy(() -> rewind(a, "s", 10_000, "x"))
                .cause()
                .hasMessageContaining(
                        "session s cannot go back to chunk 10000: it has chunks 0 to");
        stored("s", nextChunk("s") + 3);
        assertUndisturbed("s", 0, 0, undisturbed(4));
    }

    @Test
    void theRewindOfASpecIsDoneOncePerIdAlsoByTheNextOwner() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 4);
        SessionSpec asks =
                spec("s").toBuilder()
                        .setRewind(RewindRequest.newBuilder().setId("1").setChunk(1))
                        .build();
        get(a.loop.update("s", 1, asks));
        get(a.loop.update("s", 1, asks));
        Worker b = worker("b", model, 0);
        admit(b, asks, 2);
        stored("s", nextChunk("s") + 3);
        assertThat(log("s").stream().filter(LogEntry::hasRewind)).hasSize(1);

        get(
                b.loop.update(
                        "s",
                        2,
                        asks.toBuilder()
                                .setRewind(RewindRequest.newBuilder().setId("2").setChunk(1))
                                .build()));
        stored("s", nextChunk("s") + 2);
        assertThat(log("s").stream().filter(LogEntry::hasRewind)).hasSize(2);
        assertTimeline("s");
    }

    @Test
    void aSuspendedSessionThatWasRewoundComesBackInTheOtherTimeline() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 5);
        get(a.loop.suspend("s", 1));
        long from = rewind(a, "s", 2, "x").chunk();
        get(a.loop.resume("s", 1, Optional.empty()));
        stored("s", from + 3);

        assertTimeline("s");
        assertUndisturbed("s", from, 2, undisturbed(6));
    }

    // Forks.

    @Test
    void aForkHasItsSourcesBitsAndGoesOnByItself() throws Exception {
        admit(a, spec("s").toBuilder().setMaxChunks(8).build(), 1);
        stored("s", 8);
        admit(a, fork("f", "s", 3), 1);
        stored("f", 9);

        List<byte[]> reference = undisturbed(9);
        for (int k = 0; k < 9; k++) {
            assertThat(latents("f", k)).as("chunk %d", k).isEqualTo(reference.get(k));
        }
        assertThat(log("f").getFirst().hasFork()).isTrue();
        assertThat(log("f").stream().filter(LogEntry::hasChunk).findFirst().orElseThrow())
                .satisfies(e -> assertThat(e.getChunk().getChunk()).isEqualTo(4));
        assertThat(chunk("f", 4).getMedia().getFirstFrame())
                .isEqualTo(
                        chunk("s", 3).getMedia().getFirstFrame()
                                + chunk("s", 3).getMedia().getFrames());
    }

    @Test
    void aForkIsTakenOverAfterACrashAndMovesLikeAnySession() throws Exception {
        admit(a, spec("s").toBuilder().setMaxChunks(6).build(), 1);
        stored("s", 6);
        SessionSpec fork = fork("f", "s", 3);
        admit(a, fork, 1);
        stored("f", 6);
        Worker b = worker("b", model, 0);
        admit(b, fork, 2);
        stored("f", nextChunk("f") + 3);
        Worker c = worker("c", model, 0);
        move("m", "f", b, c, 3);
        stored("f", nextChunk("f") + 3);

        List<byte[]> reference = undisturbed((int) nextChunk("f"));
        for (int k = 0; k < nextChunk("f") && k < reference.size(); k++) {
            assertThat(latents("f", k)).as("chunk %d", k).isEqualTo(reference.get(k));
        }
    }

    @Test
    void aForkWithoutAPromptKeepsWhatWasInForceAndOneWithAPromptTakesItsOwn() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 2);
        SessionLoop.Controlled sent = control(a, "s", prompt(SQUARE));
        sent.applied().get(30, TimeUnit.SECONDS);
        stored("s", sent.chunk() + 2);

        admit(a, fork("same", "s", sent.chunk()).toBuilder().clearControls().build(), 1);
        admit(a, fork("other", "s", sent.chunk()), 1);
        stored("same", sent.chunk() + 2);
        stored("other", sent.chunk() + 2);

        assertThat(promptOf("same", sent.chunk() + 1)).isEqualTo(SQUARE);
        assertThat(promptOf("other", sent.chunk() + 1)).isEqualTo(BALL);
        assertThat(latents("same", sent.chunk() + 1)).isEqualTo(latents("s", sent.chunk() + 1));
    }

    @Test
    void whatCannotBeForkedIsRefusedBeforeAnythingIsTaken() throws Exception {
        admit(a, spec("s").toBuilder().setMaxChunks(3).build(), 1);
        stored("s", 3);

        assertThatThrownBy(() -> admit(a, fork("f", "nobody", 0), 1))
                .cause()
                .hasMessageContaining("namespace team has no session nobody");
        assertThatThrownBy(() -> admit(a, fork("f", "s", 3), 1))
                .cause()
                .hasMessageContaining("session s has chunks 0 to 2 so far");
        assertThatThrownBy(
                        () -> admit(a, fork("f", "s", 1).toBuilder().setNamespace("x").build(), 1))
                .cause()
                .hasMessageContaining("namespace x has no session s");
        assertThat(store.list("sessions/f/")).isEmpty();
        assertThat(a.loop.sessions()).noneMatch(r -> r.getSpec().getUid().equals("f"));
    }

    // Controls.

    @Test
    void aRefreshedPromptIsRebuiltToTheSameBitsAfterACrash() throws Exception {
        Control refreshed = prompt(SQUARE).toBuilder().setFromChunk(3).setRefresh(true).build();
        SessionSpec spec = spec("s").toBuilder().addControls(refreshed).build();
        admit(a, spec, 1);
        stored("s", 5);
        Worker b = worker("b", model, 0);
        admit(b, spec, 2);
        stored("s", nextChunk("s") + 3);

        List<byte[]> reference = undisturbed((int) nextChunk("s"), Map.of(3, SQUARE), true);
        assertThat(reference.get(3))
                .as("a refresh is no mere prompt")
                .isNotEqualTo(undisturbed(4, Map.of(3, SQUARE), false).get(3));
        for (int k = 0; k < reference.size(); k++) {
            assertThat(latents("s", k)).as("chunk %d", k).isEqualTo(reference.get(k));
        }
    }

    @Test
    void aRefreshAfterALiveMoveHasTheBitsOfOneWithout() throws Exception {
        admit(a, spec("s"), 1);
        stored("s", 3);
        Worker b = worker("b", model, 0);
        move("m", "s", a, b, 2);
        stored("s", nextChunk("s") + 3);
        SessionLoop.Controlled sent =
                control(b, "s", prompt(SQUARE).toBuilder().setRefresh(true).build());
        stored("s", sent.chunk() + 2);

        int k = (int) sent.chunk();
        List<byte[]> reference = undisturbed(k + 2, Map.of(k, SQUARE), true);
        assertThat(latents("s", k)).isEqualTo(reference.get(k));
        assertThat(latents("s", k + 1)).isEqualTo(reference.get(k + 1));
    }

    @Test
    void aVideoBeginsWithTheGivenPictureAndDoesSoAgainAfterARewindToItsBeginning()
            throws Exception {
        byte[] png = png(32, 32);
        SessionSpec spec = spec("s").toBuilder().addControls(firstFrame(png)).build();
        admit(a, spec, 1);
        stored("s", 3);

        List<byte[]> reference = new ArrayList<>();
        try (Engine engine = Engine.load(ModelFolder.of(model), EngineOptions.defaults());
                EngineSession session = engine.open(new SessionParameters("r", SEED, BALL))) {
            session.setFirstFrame(Images.decode(png, 32, 32));
            for (int k = 0; k < 3; k++) {
                reference.add(next(session));
            }
        }
        assertThat(latents("s", 0)).isEqualTo(reference.get(0));
        assertThat(latents("s", 2)).isEqualTo(reference.get(2));
        assertThat(latents("s", 0)).isNotEqualTo(undisturbed(1).get(0));
        assertThat(chunk("s", 0).getControlsList()).anyMatch(ControlTracks::isFirstFrame);
        assertThat(chunk("s", 1).getControlsList()).noneMatch(ControlTracks::isFirstFrame);
        long from = rewind(a, "s", 0, "x").chunk();
        stored("s", from + 1);
        assertThat(latents("s", from)).isEqualTo(reference.get(0));
    }

    @Test
    void picturesThatCannotBeUsedAreRefusedInASentence() throws Exception {
        refusesPicture(firstFrame(png(16, 48)), "it is 16 x 48 pixels, the model's video 32 x 32");
        refusesPicture(firstFrame(new byte[] {1, 2, 3}), "it is neither PNG nor JPEG");
        byte[] torn = png(32, 32);
        refusesPicture(firstFrame(java.util.Arrays.copyOf(torn, 60)), "it cannot be decoded");
        byte[] huge = png(32, 32);
        huge[16] = 0x7f; // the head says 2,130,706,464 pixels wide
        refusesPicture(firstFrame(huge), "the picture of control 'reference'");
        refusesPicture(image("file:/etc/passwd", ""), "this pool fetches no pictures");
        refusesPicture(image("data:image/png,abc", ""), "has no base64");
        refusesPicture(image("data:image/png;base64," + base64(torn), "00"), "its SHA-256 is");
        refusesPicture(
                firstFrame(torn).toBuilder().setRole("style").build(),
                "control 'reference' has role 'style': model");
        assertThat(store.list("sessions/")).isEmpty();

        admit(a, spec("s"), 1);
        stored("s", 1);
        assertThatThrownBy(() -> control(a, "s", firstFrame(torn)))
                .cause()
                .hasMessageContaining("comes before the first chunk, and session s has begun");
    }

    @Test
    void aNegativePromptIsForModelsWithGuidance() throws Exception {
        Worker g = worker("g", guided, 0);
        admit(g, spec("s"), 1);
        stored("s", 1);
        Control negative = Control.newBuilder().setKind("negativePrompt").setText("green").build();
        SessionLoop.Controlled sent = control(g, "s", negative);
        sent.applied().get(30, TimeUnit.SECONDS);
        assertThat(chunk("s", sent.chunk()).getControlsList())
                .anyMatch(c -> c.getKind().equals("negativePrompt") && c.getText().equals("green"));
        admit(g, spec("t"), 1);
        stored("t", sent.chunk() + 1);
        assertThat(latents("s", sent.chunk())).isNotEqualTo(latents("t", sent.chunk()));

        admit(a, spec("u"), 1);
        assertThatThrownBy(() -> control(a, "u", negative))
                .cause()
                .hasMessageContaining("control 'negativePrompt' is not understood by model");
    }

    @Test
    void aSessionThatKeepsItsNewestChunksOnlyGoesOnElsewhereAndSaysWhatIsGone() throws Exception {
        Worker r = worker("r", rolling, 8);
        admit(r, spec("s"), 1);
        stored("s", 40);
        await(() -> SessionLogReader.atEnd(store, "s").firstChunk() > 0);
        Worker b = worker("b", rolling, 0);
        admit(b, spec("s"), 2);
        stored("s", nextChunk("s") + 3);

        SessionLogReader log = SessionLogReader.atEnd(store, "s");
        assertThat(log.firstChunk()).isGreaterThan(8);
        assertThat(log.chunk(0)).as("the sink stays").isPresent();
        assertThat(log.chunk(1)).isEmpty();
        assertThatThrownBy(() -> rewind(b, "s", 1, "x"))
                .cause()
                .hasMessageContaining("it is no longer kept; write one from");
        for (long k = log.firstChunk(); k < log.nextChunk(); k++) {
            assertThat(log.chunk(k)).as("chunk %d", k).isPresent();
        }
    }

    @Test
    void aPoolMayChooseDynamicSinksAndItsSessionsRunAndComeBackWithThem() throws Exception {
        EngineOptions remembering =
                EngineOptions.defaults()
                        .with(
                                new GenerationOverrides(
                                        null, null, null, null, 12, 3, null, null, 2, 16));
        Worker d = worker("d", rolling, remembering, 0);
        Worker r =
                worker(
                        "r",
                        rolling,
                        EngineOptions.defaults()
                                .with(new GenerationOverrides(null, null, null, null, 12, 3, null)),
                        0);
        admit(d, spec("remembers").toBuilder().setMaxChunks(12).build(), 1);
        stored("remembers", 5);
        get(d.loop.suspend("remembers", 1));
        get(d.loop.resume("remembers", 1, Optional.empty()));
        admit(r, spec("rolls").toBuilder().setMaxChunks(12).build(), 1);
        stored("remembers", 12);
        stored("rolls", 12);

        assertThat(latents("remembers", 2)).isEqualTo(latents("rolls", 2));
        assertThat(latents("remembers", 11)).isNotEqualTo(latents("rolls", 11));
        assertTimeline("remembers");
    }

    // What is used above.

    private void refusesPicture(Control control, String sentence) {
        assertThatThrownBy(() -> admit(a, spec("p").toBuilder().addControls(control).build(), 1))
                .cause()
                .isInstanceOf(Refusal.class)
                .hasMessageContaining(sentence);
    }

    private static byte[] png(int width, int height) throws Exception {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, x > y ? 0xff2010 : 0x1040ff);
            }
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(image, "png", out);
        return out.toByteArray();
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    private static Control firstFrame(byte[] png) {
        return image("data:image/png;base64," + base64(png), "");
    }

    private static Control image(String uri, String sha256) {
        return Control.newBuilder()
                .setKind("reference")
                .setRole("first-frame")
                .setImage(ImageRef.newBuilder().setUri(uri).setSha256(sha256))
                .build();
    }

    private static SessionSpec spec(String uid) {
        return SessionSpec.newBuilder()
                .setUid(uid)
                .setName(uid)
                .setNamespace("team")
                .setSeed(SEED)
                .setPacing(Pacing.PACING_UNPACED)
                .addControls(prompt(BALL))
                .build();
    }

    private static SessionSpec fork(String uid, String source, long chunk) {
        return spec(uid).toBuilder()
                .setFrom(Origin.newBuilder().setSessionUid(source).setChunk(chunk))
                .build();
    }

    private static Control prompt(String text) {
        return Control.newBuilder().setKind("prompt").setText(text).build();
    }

    private void admit(Worker worker, SessionSpec spec, long epoch) throws Exception {
        get(worker.loop.admit(spec, epoch, 1, false, Optional.empty()));
    }

    private SessionLoop.Controlled control(Worker worker, String uid, Control control)
            throws Exception {
        return get(worker.loop.control(uid, List.of(control)));
    }

    private SessionLoop.Controlled rewind(Worker worker, String uid, long chunk, String id)
            throws Exception {
        return get(worker.loop.control(uid, List.of(), OptionalLong.of(chunk), id));
    }

    private void move(String id, String uid, Worker from, Worker to, long epoch) throws Exception {
        Move move =
                Move.newBuilder()
                        .setId(id)
                        .setSessionUid(uid)
                        .setSource(from.name)
                        .setTarget(to.name)
                        .setEpoch(epoch)
                        .build();
        MoveResponse place =
                get(
                        to.loop.prepareMove(
                                PrepareMoveRequest.newBuilder()
                                        .setMove(move)
                                        .setSpec(spec(uid))
                                        .build()));
        get(
                from.loop.startMove(
                        StartMoveRequest.newBuilder()
                                .setHeader(CommandHeader.newBuilder().setEpoch(epoch - 1))
                                .setMove(move)
                                .setHost(place.getHost())
                                .setPort(place.getPort())
                                .build()));
        await(() -> outcome(to, id) == MoveOutcome.MOVE_OUTCOME_COMMITTED);
    }

    private static MoveOutcome outcome(Worker worker, String id) {
        return worker.loop.moves().stream()
                .filter(r -> r.getMove().getId().equals(id))
                .map(MoveReport::getOutcome)
                .findFirst()
                .orElse(MoveOutcome.MOVE_OUTCOME_UNSPECIFIED);
    }

    /** Latents of a session that nothing happened to. */
    private static List<byte[]> undisturbed(int chunks) throws Exception {
        return undisturbed(chunks, Map.of(), false);
    }

    private static List<byte[]> undisturbed(
            int chunks, Map<Integer, String> prompts, boolean refresh) throws Exception {
        List<byte[]> latents = new ArrayList<>();
        try (Engine engine = Engine.load(ModelFolder.of(model), EngineOptions.defaults());
                EngineSession session = engine.open(new SessionParameters("r", SEED, BALL))) {
            for (int k = 0; k < chunks; k++) {
                if (prompts.containsKey(k)) {
                    session.setPrompt(
                            prompts.get(k),
                            refresh ? PromptSwitch.REFRESH_CACHE : PromptSwitch.KEEP_CACHE);
                }
                latents.add(next(session));
            }
        }
        return latents;
    }

    private static byte[] next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk().latents().float32LittleEndian();
    }

    /** From chunk {@code number} on, which stands at {@code position}. */
    private void assertUndisturbed(String uid, long number, int position, List<byte[]> reference)
            throws Exception {
        long end = Math.min(nextChunk(uid), number + reference.size() - position);
        assertThat(end).isGreaterThan(number + 1);
        for (long k = number; k < end; k++) {
            assertThat(latents(uid, k))
                    .as("chunk %d", k)
                    .isEqualTo(reference.get((int) (k - number) + position));
        }
    }

    /** Numbers, frames and times have no gap, whatever the video did. */
    private void assertTimeline(String uid) throws Exception {
        long number = 0;
        long frame = 0;
        for (LogEntry entry : log(uid)) {
            if (entry.hasChunk()) {
                assertThat(entry.getChunk().getChunk()).isEqualTo(number++);
                assertThat(entry.getChunk().getMedia().getFirstFrame()).isEqualTo(frame);
                frame += entry.getChunk().getMedia().getFrames();
            }
        }
    }

    private List<LogEntry> log(String uid) throws Exception {
        return SessionLogReader.fromStart(store, uid).pollAll();
    }

    private Chunk chunk(String uid, long k) throws Exception {
        return SessionLogReader.atEnd(store, uid).chunk(k).orElseThrow().getChunk();
    }

    private byte[] latents(String uid, long k) throws Exception {
        return chunk(uid, k).getLatents().getData().toByteArray();
    }

    private String promptOf(String uid, long k) throws Exception {
        return ControlTracks.prompt(chunk(uid, k).getControlsList());
    }

    private long nextChunk(String uid) throws Exception {
        return SessionLogReader.atEnd(store, uid).nextChunk();
    }

    private void stored(String uid, long count) throws Exception {
        await(() -> nextChunk(uid) >= count);
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!condition.holds()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private static <T> T get(CompletableFuture<T> answer) throws Exception {
        return answer.get(60, TimeUnit.SECONDS);
    }
}
