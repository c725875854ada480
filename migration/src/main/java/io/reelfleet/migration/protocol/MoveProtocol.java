package io.reelfleet.migration.protocol;

import io.reelfleet.migration.protocol.CoordinatorState.Result;
import io.reelfleet.migration.protocol.CoordinatorState.Side;

/**
 * The live migration of one session, as pure functions: a state and an event in, a state and
 * commands out.
 *
 * <pre>
 * coordinator        target                       source
 *     | -- Prepare --> | reserves, listens            | generates
 *     | &lt;- PREPARED -- |                              |
 *     | -- Start ------------------------------------> | connects
 *     |                | &lt;== pages (pre-copy) ======= | generates on
 *     |                | &lt;== rest and manifest ====== | stands still (cut-over)
 *     |                | appends owner(epoch) to log  |
 *     |                | generates                    |
 *     | &lt;- COMMITTED - | == verdict ================> | drops
 * </pre>
 *
 * <p>The session's log decides: the target's Owner entry goes directly after the last chunk of the
 * state it has, or nowhere. A source that hears nothing asks the log and goes on when it is still
 * the owner; should the target's entry be stored after that, the source's next append fails and it
 * drops the session. So every part may give up at any time by itself, and no message is needed for
 * safety.
 */
public class MoveProtocol {

    /** A worker's reaction. */
    public Reaction<WorkerState, WorkerCommand> worker(WorkerState state, WorkerEvent event) {
        return switch (event) {
            case WorkerEvent.Prepare(Move move) -> prepare(state, move);
            case WorkerEvent.Start(Move move) -> start(state, move);
            case WorkerEvent.Cancel(Move move) -> cancel(state, move);
            case WorkerEvent.Release(long epoch) ->
                    epochOf(state) < epoch ? drop(state) : stay(state);
            case WorkerEvent.Fenced(long epoch) ->
                    epochOf(state) == epoch ? drop(state) : stay(state);
            case WorkerEvent.Admitted(long epoch) -> Reaction.to(new WorkerState.Owning(epoch));
            case WorkerEvent.ReadyToCut(Move move) ->
                    state instanceof WorkerState.Copying(long epoch, Move mine) && mine.equals(move)
                            ? Reaction.to(
                                    new WorkerState.Frozen(epoch, move),
                                    new WorkerCommand.FreezeAndSendRest(move))
                            : stay(state);
            case WorkerEvent.Complete(Move move) ->
                    state instanceof WorkerState.Receiving(Move mine) && mine.equals(move)
                            ? Reaction.to(
                                    new WorkerState.Committing(move),
                                    new WorkerCommand.AppendOwner(move))
                            : stay(state);
            case WorkerEvent.Verdict(Move move, boolean committed) ->
                    verdict(state, move, committed);
            case WorkerEvent.LinkFailed(Move move) -> giveUp(state, move);
            case WorkerEvent.Watchdog(Move move) -> giveUp(state, move);
            case WorkerEvent.OwnerStored(Move move) ->
                    committing(state, move)
                            ? Reaction.to(
                                    new WorkerState.Owning(move.epoch()),
                                    new WorkerCommand.Activate(move),
                                    new WorkerCommand.SendVerdict(move, true),
                                    new WorkerCommand.Answer(move, Outcome.COMMITTED))
                            : stay(state);
            case WorkerEvent.OwnerRefused(Move move) ->
                    committing(state, move)
                            ? Reaction.to(
                                    new WorkerState.Absent(),
                                    new WorkerCommand.Free(move),
                                    new WorkerCommand.SendVerdict(move, false),
                                    new WorkerCommand.Answer(move, Outcome.NOT_HERE))
                            : stay(state);
            case WorkerEvent.OwnerUnknown(Move move) ->
                    // It may be in the log, so nothing else can be said of it: the same again.
                    committing(state, move)
                            ? Reaction.to(state, new WorkerCommand.AppendOwner(move))
                            : stay(state);
            case WorkerEvent.LogRead(Move move, long newest) -> logRead(state, move, newest);
            case WorkerEvent.LogUnreadable(Move move) ->
                    doubting(state, move)
                            ? Reaction.to(state, new WorkerCommand.ReadLog(move))
                            : stay(state);
        };
    }

    private Reaction<WorkerState, WorkerCommand> prepare(WorkerState state, Move move) {
        return switch (state) {
            case WorkerState.Absent _ ->
                    Reaction.to(
                            new WorkerState.Receiving(move),
                            new WorkerCommand.Reserve(move),
                            new WorkerCommand.Answer(move, Outcome.PREPARED));
            case WorkerState.Receiving(Move mine) when mine.equals(move) ->
                    Reaction.to(state, new WorkerCommand.Answer(move, Outcome.PREPARED));
            case WorkerState.Committing(Move mine) when mine.equals(move) -> stay(state);
            default -> Reaction.to(state, new WorkerCommand.Answer(move, asTarget(state, move)));
        };
    }

    private Reaction<WorkerState, WorkerCommand> start(WorkerState state, Move move) {
        return switch (state) {
            case WorkerState.Owning(long epoch) when epoch < move.epoch() ->
                    Reaction.to(new WorkerState.Copying(epoch, move), new WorkerCommand.Copy(move));
            case WorkerState.Copying(long _, Move mine) when mine.equals(move) -> stay(state);
            case WorkerState.Frozen(long _, Move mine) when mine.equals(move) -> stay(state);
            case WorkerState.Doubting(long _, Move mine) when mine.equals(move) -> stay(state);
            default -> Reaction.to(state, new WorkerCommand.Answer(move, asSource(state)));
        };
    }

    private Reaction<WorkerState, WorkerCommand> cancel(WorkerState state, Move move) {
        return switch (state) {
            case WorkerState.Receiving(Move mine) when mine.equals(move) -> giveUp(state, move);
            case WorkerState.Copying(long _, Move mine) when mine.equals(move) ->
                    giveUp(state, move);
            case WorkerState.Frozen(long _, Move mine) when mine.equals(move) ->
                    giveUp(state, move);
            // Their outcome is on the way, and is the answer.
            case WorkerState.Committing(Move mine) when mine.equals(move) -> stay(state);
            case WorkerState.Doubting(long _, Move mine) when mine.equals(move) -> stay(state);
            default ->
                    Reaction.to(
                            state,
                            new WorkerCommand.Answer(
                                    move,
                                    epochOf(state) < move.epoch() && epochOf(state) >= 0
                                            ? Outcome.KEPT
                                            : epochOf(state) == move.epoch()
                                                    ? Outcome.COMMITTED
                                                    : Outcome.NOT_HERE));
        };
    }

    /** Before the commit either side may end a move by itself. */
    private Reaction<WorkerState, WorkerCommand> giveUp(WorkerState state, Move move) {
        return switch (state) {
            case WorkerState.Receiving(Move mine) when mine.equals(move) ->
                    Reaction.to(
                            new WorkerState.Absent(),
                            new WorkerCommand.Free(move),
                            new WorkerCommand.Answer(move, Outcome.NOT_HERE));
            case WorkerState.Copying(long epoch, Move mine) when mine.equals(move) ->
                    Reaction.to(
                            new WorkerState.Owning(epoch),
                            new WorkerCommand.StopCopying(move),
                            new WorkerCommand.Answer(move, Outcome.KEPT));
            // The target may have everything: only the log knows whether it took over.
            case WorkerState.Frozen(long epoch, Move mine) when mine.equals(move) ->
                    Reaction.to(
                            new WorkerState.Doubting(epoch, move),
                            new WorkerCommand.StopCopying(move),
                            new WorkerCommand.ReadLog(move));
            default -> stay(state);
        };
    }

    private Reaction<WorkerState, WorkerCommand> verdict(
            WorkerState state, Move move, boolean committed) {
        boolean waits =
                state instanceof WorkerState.Frozen(long _, Move mine) && mine.equals(move)
                        || doubting(state, move);
        if (!waits) {
            return stay(state);
        }
        return committed ? gone(move) : kept(state, move);
    }

    private Reaction<WorkerState, WorkerCommand> logRead(
            WorkerState state, Move move, long newest) {
        if (!doubting(state, move)) {
            return stay(state);
        }
        return newest > epochOf(state) ? gone(move) : kept(state, move);
    }

    private static Reaction<WorkerState, WorkerCommand> kept(WorkerState state, Move move) {
        return Reaction.to(
                new WorkerState.Owning(epochOf(state)),
                new WorkerCommand.Thaw(move),
                new WorkerCommand.Answer(move, Outcome.KEPT));
    }

    private static Reaction<WorkerState, WorkerCommand> gone(Move move) {
        return Reaction.to(
                new WorkerState.Absent(),
                new WorkerCommand.Drop(),
                new WorkerCommand.Answer(move, Outcome.GONE));
    }

    /** Another worker is the owner. */
    private static Reaction<WorkerState, WorkerCommand> drop(WorkerState state) {
        return switch (state) {
            case WorkerState.Absent _ -> stay(state);
            // Not an owner yet: its commit, or its watchdog, says what becomes of it.
            case WorkerState.Receiving _ -> stay(state);
            case WorkerState.Committing _ -> stay(state);
            case WorkerState.Owning _ ->
                    Reaction.to(new WorkerState.Absent(), new WorkerCommand.Drop());
            case WorkerState.Copying(long _, Move move) -> gone(move);
            case WorkerState.Frozen(long _, Move move) -> gone(move);
            case WorkerState.Doubting(long _, Move move) -> gone(move);
        };
    }

    private static Reaction<WorkerState, WorkerCommand> stay(WorkerState state) {
        return Reaction.to(state);
    }

    private static boolean committing(WorkerState state, Move move) {
        return state instanceof WorkerState.Committing(Move mine) && mine.equals(move);
    }

    private static boolean doubting(WorkerState state, Move move) {
        return state instanceof WorkerState.Doubting(long _, Move mine) && mine.equals(move);
    }

    private static Outcome asTarget(WorkerState state, Move move) {
        return epochOf(state) == move.epoch() ? Outcome.COMMITTED : Outcome.NOT_HERE;
    }

    private static Outcome asSource(WorkerState state) {
        return epochOf(state) >= 0 ? Outcome.KEPT : Outcome.GONE;
    }

    /** The ownership a worker has; -1 when it has none. */
    public static long epochOf(WorkerState state) {
        return switch (state) {
            case WorkerState.Absent _ -> -1;
            case WorkerState.Receiving _ -> -1;
            case WorkerState.Committing _ -> -1;
            case WorkerState.Owning(long epoch) -> epoch;
            case WorkerState.Copying(long epoch, Move _) -> epoch;
            case WorkerState.Frozen(long epoch, Move _) -> epoch;
            case WorkerState.Doubting(long epoch, Move _) -> epoch;
        };
    }

    /** The coordinator's reaction. */
    public Reaction<CoordinatorState, CoordinatorCommand> coordinator(
            CoordinatorState state, CoordinatorEvent event) {
        Move move = state.move();
        if (state instanceof CoordinatorState.Ended) {
            return Reaction.to(state);
        }
        return switch (event) {
            case CoordinatorEvent.Begin _ ->
                    state instanceof CoordinatorState.Preparing
                            ? Reaction.to(state, new CoordinatorCommand.SendPrepare(move))
                            : Reaction.to(state);
            case CoordinatorEvent.Answered(String worker, Outcome outcome) ->
                    answered(state, worker, outcome);
            case CoordinatorEvent.TimedOut _ ->
                    cancelling(
                            move,
                            state instanceof CoordinatorState.Cancelling(Move _, Side s, Side _)
                                    ? s
                                    : Side.UNKNOWN,
                            state instanceof CoordinatorState.Cancelling(Move _, Side _, Side t)
                                    ? t
                                    : Side.UNKNOWN);
            case CoordinatorEvent.WorkerGone(String worker) -> side(state, worker, Side.DEAD);
        };
    }

    private Reaction<CoordinatorState, CoordinatorCommand> answered(
            CoordinatorState state, String worker, Outcome outcome) {
        Move move = state.move();
        return switch (outcome) {
            case PREPARED ->
                    state instanceof CoordinatorState.Preparing
                            ? Reaction.to(
                                    new CoordinatorState.Moving(move),
                                    new CoordinatorCommand.SendStart(move))
                            : Reaction.to(state);
            case COMMITTED ->
                    Reaction.to(
                            new CoordinatorState.Ended(move, Result.MOVED),
                            new CoordinatorCommand.SendRelease(move));
            case KEPT -> side(state, worker, Side.KEPT);
            case NOT_HERE, GONE -> side(state, worker, Side.WITHOUT);
        };
    }

    /** One side says that the move is over for it: the other is asked, until both have answered. */
    private Reaction<CoordinatorState, CoordinatorCommand> side(
            CoordinatorState state, String worker, Side side) {
        Move move = state.move();
        Side source = Side.UNKNOWN;
        Side target = Side.UNKNOWN;
        boolean asked = false;
        if (state instanceof CoordinatorState.Cancelling(Move _, Side s, Side t)) {
            source = s;
            target = t;
            asked = true;
        }
        if (worker.equals(move.source()) && source != Side.DEAD) {
            source = side;
        } else if (worker.equals(move.target()) && target != Side.DEAD) {
            target = side == Side.KEPT ? Side.WITHOUT : side;
        }
        CoordinatorState heard = new CoordinatorState.Cancelling(move, source, target);
        if (asked && heard.equals(state)) {
            return Reaction.to(state);
        }
        if (source == Side.WITHOUT && target == Side.UNKNOWN && !asked) {
            // It dropped the session because the target committed: its answer is on the way.
            return Reaction.to(
                    new CoordinatorState.Cancelling(move, source, target),
                    new CoordinatorCommand.SendCancel(move, move.target()));
        }
        return cancelling(move, source, target);
    }

    private static Reaction<CoordinatorState, CoordinatorCommand> cancelling(
            Move move, Side source, Side target) {
        if (source != Side.UNKNOWN && target != Side.UNKNOWN) {
            return Reaction.to(
                    new CoordinatorState.Ended(
                            move, source == Side.KEPT ? Result.KEPT : Result.LOST));
        }
        CoordinatorState next = new CoordinatorState.Cancelling(move, source, target);
        if (source == Side.UNKNOWN && target == Side.UNKNOWN) {
            return Reaction.to(
                    next,
                    new CoordinatorCommand.SendCancel(move, move.target()),
                    new CoordinatorCommand.SendCancel(move, move.source()));
        }
        return Reaction.to(
                next,
                new CoordinatorCommand.SendCancel(
                        move, source == Side.UNKNOWN ? move.source() : move.target()));
    }
}
