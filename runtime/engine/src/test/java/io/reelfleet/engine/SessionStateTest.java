package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.RandomModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A state that was carried to another engine goes on with the bits of an undisturbed session. */
class SessionStateTest {
    @TempDir static Path folder;
    private static Engine source;
    private static Engine target;

    @BeforeAll
    static void load() throws Exception {
        RandomModel.tiny().write(folder, 3);
        source = Engine.load(ModelFolder.of(folder), EngineOptions.defaults());
        target = Engine.load(ModelFolder.of(folder), EngineOptions.defaults());
    }

    @AfterAll
    static void close() {
        source.close();
        target.close();
    }

    private static SessionParameters parameters() {
        return new SessionParameters("moving", 11, "a red ball moves left");
    }

    /** Moves whole, as bytes that know nothing of where they came from. */
    private static EngineSession moved(EngineSession from, Engine to) throws Exception {
        EngineSession session = to.open(parameters());
        SessionState state = SessionState.of(from);
        SessionStateImport into = new SessionStateImport(session);
        try (Arena arena = Arena.ofConfined()) {
            for (StateRecord record : state.records()) {
                MemorySegment bytes = arena.allocate(record.bytes());
                state.read(record, bytes);
                into.write(record, bytes);
            }
        }
        into.finish(state.position(), state.records());
        from.close();
        return session;
    }

    private static byte[] bits(GeneratedChunk chunk) {
        return chunk.frames().rgb();
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    @Test
    void carriedBetweenEnginesAtEveryStepItKeepsItsBitsAlsoAfterTheWindowRolled() throws Exception {
        int chunks = 7;
        List<byte[]> expected = new ArrayList<>();
        try (EngineSession undisturbed = source.open(parameters())) {
            for (int k = 0; k < chunks; k++) {
                prompt(undisturbed, k);
                expected.add(bits(next(undisturbed)));
            }
        }
        int sourcePages = source.pagesUsed();
        int targetPages = target.pagesUsed();
        EngineSession session = source.open(parameters());
        boolean atSource = true;
        for (int k = 0; k < chunks; k++) {
            prompt(session, k);
            boolean ready = false;
            while (!ready) {
                session = moved(session, atSource ? target : source);
                atSource = !atSource;
                ready = session.step();
            }
            GeneratedChunk chunk = session.takeChunk();
            assertThat(bits(chunk)).as("chunk %d", k).isEqualTo(expected.get(k));
            assertThat(chunk.chunk()).isEqualTo(k);
        }
        session.close();
        assertThat(source.pagesUsed()).isEqualTo(sourcePages);
        assertThat(target.pagesUsed()).isEqualTo(targetPages);
        assertThat(source.openSessions() + target.openSessions()).isZero();
    }

    private static void prompt(EngineSession session, int chunk) throws Exception {
        if (chunk == 2) {
            session.setPrompt("a blue square");
        }
    }

    @Test
    void whatIsCopiedWhileTheSourceGoesOnNeedsOnlyTheRestAtTheEnd() throws Exception {
        try (EngineSession undisturbed = source.open(parameters());
                EngineSession from = source.open(parameters());
                EngineSession to = target.open(parameters());
                Arena arena = Arena.ofConfined()) {
            for (int k = 0; k < 5; k++) {
                next(undisturbed);
                next(from);
            }
            SessionStateImport into = new SessionStateImport(to);
            Map<String, Long> sent = new HashMap<>();
            copy(from, into, sent, arena);
            next(undisturbed);
            next(from);
            // One step into the next chunk: frames have left the window, three new ones came.
            undisturbed.step();
            from.step();
            int early = copy(from, into, sent, arena);
            undisturbed.step();
            from.step();
            int late = copy(from, into, sent, arena);
            assertThat(late).as("records that changed in one step").isEqualTo(1);
            assertThat(early).isGreaterThan(late);
            SessionState state = SessionState.of(from);
            into.finish(state.position(), state.records());
            assertThat(bits(next(to))).isEqualTo(bits(next(undisturbed)));
        }
    }

    private static int copy(
            EngineSession from, SessionStateImport into, Map<String, Long> sent, Arena arena)
            throws Exception {
        SessionState state = SessionState.of(from);
        into.keep(state.position().window().cached(), state.position().unguidedWindow().cached());
        int copied = 0;
        for (StateRecord record : state.records()) {
            if (!Long.valueOf(record.version()).equals(sent.put(record.name(), record.version()))) {
                MemorySegment bytes = arena.allocate(record.bytes());
                state.read(record, bytes);
                into.write(record, bytes);
                copied++;
            }
        }
        return copied;
    }

    @Test
    void aSuspendedSessionIsCarriedFromHostMemory() throws Exception {
        try (EngineSession undisturbed = source.open(parameters())) {
            EngineSession from = source.open(parameters());
            for (int k = 0; k < 4; k++) {
                next(undisturbed);
                next(from);
            }
            from.suspend();
            try (EngineSession to = moved(from, target)) {
                assertThat(bits(next(to))).isEqualTo(bits(next(undisturbed)));
            }
        }
        assertThat(source.hostBytesUsed()).isZero();
    }

    @Test
    void anIncompleteStateIsRefusedWithASentence() throws Exception {
        try (EngineSession from = source.open(parameters());
                EngineSession to = target.open(parameters());
                Arena arena = Arena.ofConfined()) {
            next(from);
            SessionState state = SessionState.of(from);
            SessionStateImport into = new SessionStateImport(to);
            StateRecord first = state.records().getFirst();
            MemorySegment bytes = arena.allocate(first.bytes());
            state.read(first, bytes);
            into.write(first, bytes);
            assertThatThrownBy(() -> into.finish(state.position(), state.records()))
                    .isInstanceOf(StateMismatchException.class)
                    .hasMessageContaining("was not received");
            assertThatThrownBy(
                            () ->
                                    into.write(
                                            new StateRecord("kv/0/9", 0, "F32", first.shape(), 96),
                                            bytes))
                    .isInstanceOf(StateMismatchException.class)
                    .hasMessageContaining("does not fit this model");
            // What has been taken so far belongs together only with its own records.
            assertThatThrownBy(() -> into.finish(state.position(), List.of(first)))
                    .isInstanceOf(StateMismatchException.class)
                    .hasMessageContaining("not complete");
        }
    }

    /** A model's engines with one more setting; closed by the caller. */
    private static Engine[] engines(Path model, String setting, int value) throws Exception {
        RandomModel.tiny().write(model, 3);
        Path file = model.resolve("reelfleet.json");
        ObjectNode node =
                (ObjectNode) JsonMapper.builder().build().readTree(Files.readString(file));
        node.put(setting, value);
        if (setting.equals("retrieved_frames")) {
            node.put("bank_frames", 4);
            node.put("sink_frames", 1);
        }
        Files.writeString(file, node.toString());
        return new Engine[] {
            Engine.load(ModelFolder.of(model), EngineOptions.defaults()),
            Engine.load(ModelFolder.of(model), EngineOptions.defaults())
        };
    }

    private interface Hand {
        /** What somebody does before chunk {@code k}. */
        void before(int k, EngineSession session) throws Exception;
    }

    /** Carries a session to and fro at every step and compares it with one that stays. */
    private static void carriedItKeepsItsBits(Engine[] engines, int chunks, Hand hand)
            throws Exception {
        List<byte[]> expected = new ArrayList<>();
        try (EngineSession undisturbed = engines[0].open(parameters())) {
            for (int k = 0; k < chunks; k++) {
                hand.before(k, undisturbed);
                expected.add(bits(next(undisturbed)));
            }
        }
        EngineSession session = engines[0].open(parameters());
        int at = 0;
        for (int k = 0; k < chunks; k++) {
            hand.before(k, session);
            boolean ready = false;
            while (!ready) {
                at = 1 - at;
                session = moved(session, engines[at]);
                ready = session.step();
            }
            assertThat(bits(session.takeChunk())).as("chunk %d", k).isEqualTo(expected.get(k));
        }
        session.close();
        for (Engine engine : engines) {
            assertThat(engine.openSessions()).isZero();
            assertThat(engine.pagesUsed()).isZero();
            engine.close();
        }
    }

    @Test
    void aGuidedSessionCarriesBothItsCachesAndItsNegativePrompt(@TempDir Path model)
            throws Exception {
        carriedItKeepsItsBits(
                engines(model, "guidance_scale", 3),
                6,
                (k, session) -> {
                    if (k == 1 || k == 4) {
                        session.setNegativePrompt(k == 1 ? "grey" : "blue");
                    }
                });
    }

    @Test
    void framesThatLeftTheWindowAndAreKeptByLikenessTravel(@TempDir Path model) throws Exception {
        Engine[] engines = engines(model, "retrieved_frames", 2);
        try (EngineSession session = engines[0].open(parameters())) {
            for (int k = 0; k < 5; k++) {
                next(session);
            }
            session.step();
            assertThat(SessionState.of(session).records())
                    .extracting(StateRecord::name)
                    .anyMatch(name -> name.startsWith("bankkeys/"));
            assertThat(SessionState.of(session).position().window().retrieved()).isNotEmpty();
        }
        carriedItKeepsItsBits(engines, 9, (_, _) -> {});
    }

    @Test
    void aPromptThatRunsTheWindowAgainFindsTheLatentsThatCame(@TempDir Path model)
            throws Exception {
        Hand refreshing =
                (k, session) -> {
                    if (k == 4) {
                        session.setPrompt("a blue square", PromptSwitch.REFRESH_CACHE);
                    }
                };
        Engine[] engines = engines(model, "sink_frames", 0);
        List<byte[]> plain = new ArrayList<>();
        List<byte[]> refreshed = new ArrayList<>();
        try (EngineSession one = engines[0].open(parameters());
                EngineSession other = engines[0].open(parameters())) {
            for (int k = 0; k < 5; k++) {
                if (k == 4) {
                    one.setPrompt("a blue square", PromptSwitch.KEEP_CACHE);
                }
                refreshing.before(k, other);
                plain.add(bits(next(one)));
                refreshed.add(bits(next(other)));
            }
        }
        assertThat(refreshed.get(4)).as("running again does something").isNotEqualTo(plain.get(4));
        carriedItKeepsItsBits(engines, 7, refreshing);
    }

    @Test
    void pagesThatWereMadeAnewHaveAnotherVersion() throws Exception {
        try (EngineSession session = source.open(parameters())) {
            for (int k = 0; k < 3; k++) {
                next(session);
            }
            StateRecord before = page(session);
            session.setPrompt("a blue square", PromptSwitch.REFRESH_CACHE);
            session.step();
            assertThat(page(session).name()).isEqualTo(before.name());
            assertThat(page(session).version()).isGreaterThan(before.version());
        }
    }

    private static StateRecord page(EngineSession session) {
        return SessionState.of(session).records().stream()
                .filter(record -> record.name().equals("kv/8/0"))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void whatIsLentIsReadWithoutACopyAndSaysWhenItIsSomebodyElses() throws Exception {
        try (EngineSession session = source.open(parameters());
                Arena arena = Arena.ofConfined()) {
            for (int k = 0; k < 3; k++) {
                next(session);
            }
            SessionState state = SessionState.of(session);
            StateRecord leaving =
                    state.records().stream()
                            .filter(record -> record.name().equals("kv/3/1"))
                            .findFirst()
                            .orElseThrow();
            MemorySegment copy = arena.allocate(leaving.bytes());
            state.read(leaving, copy);
            try (StateLoan loan = state.lend(List.of(leaving))) {
                assertThat(loan.parts(leaving)).hasSize(2);
                assertThat(
                                loan.parts(leaving)
                                        .getFirst()
                                        .mismatch(copy.asSlice(0, leaving.bytes() / 2)))
                        .isEqualTo(-1);
                session.step();
                assertThat(loan.holds(leaving))
                        .as("the next chunk's pages take the place of the oldest frame's")
                        .isFalse();
            }
        }
    }

    @Test
    void aBanksFramesAreLentAndStayThereAlsoWhenTheBankLetsThemGo(@TempDir Path model)
            throws Exception {
        Engine[] engines = engines(model, "retrieved_frames", 2);
        try (EngineSession session = engines[0].open(parameters());
                Arena arena = Arena.ofConfined()) {
            for (int k = 0; k < 5; k++) {
                next(session);
            }
            SessionState state = SessionState.of(session);
            StateRecord oldest =
                    state.records().stream()
                            .filter(record -> record.name().startsWith("bankkeys/"))
                            .findFirst()
                            .orElseThrow();
            MemorySegment copy = arena.allocate(oldest.bytes());
            state.read(oldest, copy);
            try (StateLoan loan = state.lend(List.of(oldest))) {
                for (int k = 0; k < 3; k++) {
                    next(session);
                }
                assertThat(SessionState.of(session).records())
                        .as("the bank of four frames has others by now")
                        .extracting(StateRecord::name)
                        .doesNotContain(oldest.name());
                assertThat(loan.holds(oldest)).isTrue();
                assertThat(loan.parts(oldest).getFirst().mismatch(copy)).isEqualTo(-1);
            }
        }
        for (Engine engine : engines) {
            engine.close();
        }
    }
}
