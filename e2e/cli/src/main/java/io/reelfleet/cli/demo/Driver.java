package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.PoolDocument;
import io.reelfleet.replay.Timeline;
import io.reelfleet.replay.Timeline.Event;
import io.reelfleet.replay.TraceSession;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Walks a timeline in wall time: a session is opened with its first burst, wanted Active in bursts
 * and Suspended between them, closed after the last. Not thread-safe.
 */
final class Driver {
    private final Allocator allocator;
    private final Prompts prompts;
    private final SplittableRandom seeds;
    private final Map<String, Driven> sessions = new LinkedHashMap<>();
    private final Set<String> open = new LinkedHashSet<>();
    private final List<String> refusals = new ArrayList<>();

    /**
     * A session that was opened.
     *
     * @param trace what the trace says about it
     * @param uid the allocator's
     * @param name what people see
     * @param prompt what it shows
     * @param seed of its noise
     * @param url of its page
     */
    record Driven(
            TraceSession trace, String uid, String name, String prompt, long seed, String url) {}

    Driver(Allocator allocator, long seed) {
        this.allocator = allocator;
        this.prompts = new Prompts(seed);
        this.seeds = new SplittableRandom(seed);
    }

    /** Does what the event says; a refusal is remembered and the others go on. */
    void apply(Event event) {
        try {
            TraceSession session = event.session();
            switch (event.kind()) {
                case OPEN -> open(session);
                case ACTIVATE -> want(session, Desired.DESIRED_ACTIVE);
                case IDLE -> want(session, Desired.DESIRED_SUSPENDED);
                case CLOSE -> close(session);
            }
        } catch (Allocator.Refused e) {
            refusals.add(
                    "session "
                            + event.session().id()
                            + ", "
                            + event.kind()
                            + ": "
                            + e.getMessage());
        }
    }

    /** Closes what is still open. */
    void closeAll(Timeline timeline) {
        for (Event event : timeline.events()) {
            if (event.kind() == Timeline.Kind.CLOSE && open.contains(event.session().id())) {
                apply(event);
            }
        }
    }

    private void open(TraceSession session) {
        String prompt = prompts.next();
        long seed = seeds.nextLong(1L << 31);
        String name = "demo-" + session.id().toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9-]", "-");
        SessionSpec spec =
                SessionSpec.newBuilder()
                        .setName(name)
                        .setNamespace("default")
                        .setPool(PoolDocument.NAME)
                        .setSeed(seed)
                        .setPacing(Pacing.PACING_REALTIME)
                        .addControls(Control.newBuilder().setKind("prompt").setText(prompt))
                        .build();
        Session opened =
                allocator
                        .open(
                                OpenSessionRequest.newBuilder()
                                        .setSpec(spec)
                                        .setDesired(Desired.DESIRED_ACTIVE)
                                        .setRequestId("open-" + session.id())
                                        .build())
                        .getSession();
        sessions.put(
                session.id(),
                new Driven(
                        session, opened.getSpec().getUid(), name, prompt, seed, opened.getUrl()));
        open.add(session.id());
    }

    private void want(TraceSession session, Desired desired) {
        Driven driven = sessions.get(session.id());
        if (driven != null) {
            allocator.update(
                    UpdateSessionRequest.newBuilder()
                            .setUid(driven.uid())
                            .setDesired(desired)
                            .build());
        }
    }

    private void close(TraceSession session) {
        Driven driven = sessions.get(session.id());
        if (driven != null && open.remove(session.id())) {
            allocator.close(driven.uid());
        }
    }

    /** All sessions that were opened, in that order. */
    List<Driven> sessions() {
        return List.copyOf(sessions.values());
    }

    /** What the allocator refused, in sentences. */
    List<String> refusals() {
        return List.copyOf(refusals);
    }
}
