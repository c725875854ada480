package io.reelfleet.operator.fleet;

import io.grpc.Status;
import io.reelfleet.api.runtime.v1.CancelMoveRequest;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.Transport;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.migration.protocol.CoordinatorCommand;
import io.reelfleet.migration.protocol.CoordinatorEvent;
import io.reelfleet.migration.protocol.CoordinatorState;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.MoveProtocol;
import io.reelfleet.migration.protocol.Outcome;
import io.reelfleet.migration.protocol.Reaction;
import io.reelfleet.operator.workers.WorkerLink;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * One live move as the operator drives it: the coordinator of {@link MoveProtocol} with its calls
 * and its time-outs. Touched by the loop's thread only.
 */
final class LiveMove {
    private static final MoveProtocol PROTOCOL = new MoveProtocol();
    private static final long PREPARE_MILLIS = 10_000;
    private static final long MOVE_MILLIS = 90_000;
    private static final long CANCEL_MILLIS = 3_000;

    /** What a move needs of its loop. */
    interface Calls {
        /** A worker's line; null when there is none. */
        WorkerLink link(String worker);

        CommandHeader header(String uid, long epoch, String requestId);

        /** Posts an answer; it comes back by {@link LiveMove#answered}. */
        void post(FleetEvent.MoveAnswered answer);
    }

    final Move move;
    final String uid;
    final Transport transport;
    private final SessionSpec spec;
    private final long sourceEpoch;
    private final long bytesPerSecond;
    private CoordinatorState state;
    private MoveResponse place = MoveResponse.getDefaultInstance();
    private boolean begun;
    private boolean unimplemented;
    private boolean refused;
    private String sentence = "";
    private long deadline = Long.MAX_VALUE;
    private int calls;

    /**
     * @param bytesPerSecond at most, before the cut-over; 0 for no limit
     */
    LiveMove(
            Move move,
            SessionSpec spec,
            long sourceEpoch,
            Transport transport,
            long bytesPerSecond) {
        this.bytesPerSecond = bytesPerSecond;
        this.move = move;
        this.uid = spec.getUid();
        this.spec = spec;
        this.sourceEpoch = sourceEpoch;
        this.transport = transport;
        this.state = new CoordinatorState.Preparing(move);
    }

    /** Whether anything was asked of a worker yet. */
    boolean begun() {
        return begun;
    }

    boolean touches(String worker) {
        return move.source().equals(worker) || move.target().equals(worker);
    }

    /** Why it did not come about, in a sentence. */
    String sentence() {
        return sentence;
    }

    /** Some worker knows no live moves. */
    boolean unimplemented() {
        return unimplemented;
    }

    /** The target would not have it; another transport does not help. */
    boolean refused() {
        return refused;
    }

    /** How it ended; empty while it goes on. */
    Optional<CoordinatorState.Result> result() {
        return state instanceof CoordinatorState.Ended(Move _, CoordinatorState.Result result)
                ? Optional.of(result)
                : Optional.empty();
    }

    void begin(Calls with, long now) {
        begun = true;
        deadline = now + PREPARE_MILLIS;
        apply(new CoordinatorEvent.Begin(), with, now);
    }

    /** Time goes on. */
    void tick(Calls with, long now) {
        if (now >= deadline) {
            sentence = sentence.isEmpty() ? "no answer in time" : sentence;
            apply(new CoordinatorEvent.TimedOut(), with, now);
        }
    }

    /** It is not wanted any more. */
    void giveUp(Calls with, long now) {
        if (!(state instanceof CoordinatorState.Cancelling)) {
            apply(new CoordinatorEvent.TimedOut(), with, now);
        }
    }

    void gone(String worker, Calls with, long now) {
        apply(new CoordinatorEvent.WorkerGone(worker), with, now);
    }

    /** A worker's report, or its session, says how it ended there. */
    void reported(String worker, Outcome outcome, String why, Calls with, long now) {
        if (!why.isEmpty()) {
            sentence = why;
        }
        apply(new CoordinatorEvent.Answered(worker, outcome), with, now);
    }

    /** A call was answered. */
    void answered(FleetEvent.MoveAnswered answer, Calls with, long now) {
        if (answer.problem() == null) {
            MoveResponse response = answer.response();
            if (!response.getSentence().isEmpty()) {
                sentence = response.getSentence();
            }
            if (response.getOutcome() == MoveOutcome.MOVE_OUTCOME_PREPARED
                    && answer.worker().equals(move.target())) {
                place = response;
            }
            outcome(response.getOutcome())
                    .ifPresent(
                            o ->
                                    apply(
                                            new CoordinatorEvent.Answered(answer.worker(), o),
                                            with,
                                            now));
            return;
        }
        Status status = Status.fromThrowable(answer.problem());
        sentence =
                status.getDescription() == null ? status.getCode().name() : status.getDescription();
        unimplemented |= status.getCode() == Status.Code.UNIMPLEMENTED;
        boolean target = answer.worker().equals(move.target());
        switch (status.getCode()) {
            case UNIMPLEMENTED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, INVALID_ARGUMENT -> {
                refused |= target;
                apply(
                        new CoordinatorEvent.Answered(
                                answer.worker(), target ? Outcome.NOT_HERE : Outcome.KEPT),
                        with,
                        now);
            }
            case NOT_FOUND ->
                    apply(
                            new CoordinatorEvent.Answered(
                                    answer.worker(), target ? Outcome.NOT_HERE : Outcome.GONE),
                            with,
                            now);
            default -> {
                // Nobody knows whether it arrived: both are asked how they stand.
                if (!(state instanceof CoordinatorState.Cancelling)) {
                    apply(new CoordinatorEvent.TimedOut(), with, now);
                }
            }
        }
    }

    private void apply(CoordinatorEvent event, Calls with, long now) {
        CoordinatorState before = state;
        Reaction<CoordinatorState, CoordinatorCommand> reaction =
                PROTOCOL.coordinator(state, event);
        state = reaction.state();
        deadline =
                switch (state) {
                    case CoordinatorState.Preparing _ -> deadline;
                    case CoordinatorState.Moving _ ->
                            before instanceof CoordinatorState.Moving
                                    ? deadline
                                    : now + MOVE_MILLIS;
                    case CoordinatorState.Cancelling _ -> now + CANCEL_MILLIS;
                    case CoordinatorState.Ended _ -> Long.MAX_VALUE;
                };
        for (CoordinatorCommand command : reaction.commands()) {
            carryOut(command, with);
        }
    }

    private void carryOut(CoordinatorCommand command, Calls with) {
        switch (command) {
            case CoordinatorCommand.SendPrepare _ ->
                    call(
                            move.target(),
                            with,
                            link ->
                                    link.prepareMove(
                                            PrepareMoveRequest.newBuilder()
                                                    .setHeader(header(move.epoch(), with))
                                                    .setMove(form())
                                                    .setSpec(spec)
                                                    .setTransport(transport)
                                                    .build()));
            case CoordinatorCommand.SendStart _ ->
                    call(
                            move.source(),
                            with,
                            link ->
                                    link.startMove(
                                            StartMoveRequest.newBuilder()
                                                    .setHeader(header(sourceEpoch, with))
                                                    .setMove(form())
                                                    .setTransport(transport)
                                                    .setHost(place.getHost())
                                                    .setPort(place.getPort())
                                                    .setBytesPerSecond(bytesPerSecond)
                                                    .build()));
            case CoordinatorCommand.SendCancel(Move _, String worker) ->
                    call(
                            worker,
                            with,
                            link ->
                                    link.cancelMove(
                                            CancelMoveRequest.newBuilder()
                                                    .setHeader(header(sourceEpoch, with))
                                                    .setMove(form())
                                                    .build()));
            case CoordinatorCommand.SendRelease _ -> {
                // The source's next report still names the session: the loop dismisses it then.
            }
        }
    }

    private void call(
            String worker,
            Calls with,
            Function<WorkerLink, CompletableFuture<MoveResponse>> request) {
        WorkerLink link = with.link(worker);
        Consumer<Throwable> failed =
                problem ->
                        with.post(
                                new FleetEvent.MoveAnswered(uid, move.id(), worker, null, problem));
        if (link == null) {
            failed.accept(
                    Status.UNAVAILABLE
                            .withDescription("worker " + worker + " cannot be reached")
                            .asRuntimeException());
            return;
        }
        try {
            request.apply(link)
                    .whenComplete(
                            (response, problem) ->
                                    with.post(
                                            new FleetEvent.MoveAnswered(
                                                    uid, move.id(), worker, response, problem)));
        } catch (RuntimeException e) {
            failed.accept(e);
        }
    }

    private CommandHeader header(long epoch, Calls with) {
        return with.header(uid, epoch, move.id() + "-" + (++calls));
    }

    private io.reelfleet.api.runtime.v1.Move form() {
        return io.reelfleet.api.runtime.v1.Move.newBuilder()
                .setId(move.id())
                .setSessionUid(uid)
                .setSource(move.source())
                .setTarget(move.target())
                .setEpoch(move.epoch())
                .build();
    }

    /** A worker's word as the protocol's; empty while it is under way. */
    static Optional<Outcome> outcome(MoveOutcome outcome) {
        return switch (outcome) {
            case MOVE_OUTCOME_PREPARED -> Optional.of(Outcome.PREPARED);
            case MOVE_OUTCOME_COMMITTED -> Optional.of(Outcome.COMMITTED);
            case MOVE_OUTCOME_NOT_HERE -> Optional.of(Outcome.NOT_HERE);
            case MOVE_OUTCOME_KEPT -> Optional.of(Outcome.KEPT);
            case MOVE_OUTCOME_GONE -> Optional.of(Outcome.GONE);
            case MOVE_OUTCOME_UNSPECIFIED, UNRECOGNIZED -> Optional.empty();
        };
    }
}
