package io.reelfleet.migration.protocol;

import io.reelfleet.migration.protocol.World.Budget;
import io.reelfleet.migration.protocol.World.Fleet;
import io.reelfleet.migration.protocol.World.Log;
import io.reelfleet.migration.protocol.World.Message;
import io.reelfleet.migration.protocol.World.Node;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What can happen next in a {@link World}. The parts are the real protocol; the log, the network
 * and the operator's book-keeping around a move are modelled.
 */
class Model {
    /** A rule of the world that a test breaks on purpose. */
    enum Broken {
        /** An append does not look whether another owner's entry is there. */
        NO_FENCE,
        /**
         * The target's Owner entry goes anywhere into the log, not only after its state's chunk.
         */
        OWNER_ANYWHERE,
        /** Nobody has a watchdog. */
        NO_WATCHDOGS,
        /** The operator never tells a worker that another one owns the session. */
        NO_RELEASE,
        /** The operator asks nobody again. */
        NO_REPEATS
    }

    /** A step to another world. */
    record Step(String what, World to, boolean fault) {}

    /** Something that must never be. */
    static final class Violation extends RuntimeException {
        private static final long serialVersionUID = 1;

        Violation(String message) {
            super(message);
        }
    }

    private final MoveProtocol protocol;
    private final Set<Broken> broken;

    Model(MoveProtocol protocol, Set<Broken> broken) {
        this.protocol = protocol;
        this.broken = broken;
    }

    List<Step> steps(World w) {
        return all(w).stream()
                .map(step -> new Step(step.what(), tidy(step.to()), step.fault()))
                .toList();
    }

    /** Without the messages that nobody will ever listen to: they only multiply the worlds. */
    private static World tidy(World w) {
        List<Message> heard = w.messages().stream().filter(m -> matters(w, m)).toList();
        return w.messages(heard).ordered();
    }

    private static boolean matters(World w, Message message) {
        return switch (message) {
            case Message.ToFleet(String _, Move move, Outcome _) ->
                    w.fleet() instanceof Fleet.Moving(CoordinatorState state, long _)
                            && state.move().equals(move);
            case Message.AdmitAnswer(String worker, long epoch, boolean _, long _) ->
                    w.fleet() instanceof Fleet.Admitting(String asked, long wanted)
                            && asked.equals(worker)
                            && wanted == epoch;
            case Message.State(String worker, Move move, long _) ->
                    w.node(worker) != null
                            && (w.node(worker).state() instanceof WorkerState.Receiving
                                    || onItsWay(w, new WorkerEvent.Prepare(move)));
            case Message.ToWorker(String worker, WorkerEvent.Verdict(Move move, boolean _)) ->
                    w.node(worker) != null
                            && (w.node(worker).state() instanceof WorkerState.Frozen
                                    || w.node(worker).state() instanceof WorkerState.Copying
                                    || w.node(worker).state() instanceof WorkerState.Doubting
                                    || onItsWay(w, new WorkerEvent.Start(move)));
            default -> w.node(receiver(message)) != null;
        };
    }

    private static boolean onItsWay(World w, WorkerEvent event) {
        return w.messages().stream()
                .anyMatch(
                        m ->
                                m instanceof Message.ToWorker(String _, WorkerEvent e)
                                        && e.equals(event));
    }

    private List<Step> all(World w) {
        List<Step> steps = new ArrayList<>();
        Set<Message> seen = new HashSet<>();
        for (Message message : w.messages()) {
            if (seen.add(message)) {
                steps.add(new Step("arrives " + message, arrive(w.minus(message), message), false));
                boolean own = message instanceof Message.Own;
                if (w.budget().unknowns() > 0
                        && message
                                instanceof
                                Message.Own(String worker, WorkerEvent.OwnerStored(Move move))) {
                    steps.add(
                            new Step(
                                    worker + " does not hear from the store about " + move.id(),
                                    event(
                                            w.minus(message).with(Model::unknown),
                                            worker,
                                            new WorkerEvent.OwnerUnknown(move)),
                                    true));
                }
                if (!own && w.budget().losses() > 0) {
                    steps.add(
                            new Step("lost " + message, w.minus(message).with(Model::loss), true));
                }
                if (!own && w.budget().doubles() > 0) {
                    steps.add(
                            new Step(
                                    "doubled " + message,
                                    arrive(w.with(Model::doubled), message),
                                    true));
                }
            }
        }
        for (Node node : w.nodes()) {
            worker(w, node, steps);
        }
        fleet(w, steps);
        return steps;
    }

    // Workers.

    private void worker(World w, Node node, List<Step> steps) {
        WorkerState state = node.state();
        // Whoever is not the owner finds out when it stores its next chunk, and there is always
        // one.
        if (state.generates() && (w.budget().chunks() > 0 || !owns(w, node))) {
            steps.add(new Step(node.name() + " stores a chunk", publish(w, node), false));
        }
        Move move =
                switch (state) {
                    case WorkerState.Copying(long _, Move m) -> m;
                    case WorkerState.Frozen(long _, Move m) -> m;
                    case WorkerState.Receiving(Move m) -> m;
                    default -> null;
                };
        if (move != null && !broken.contains(Broken.NO_WATCHDOGS)) {
            steps.add(
                    new Step(
                            node.name() + " gives up waiting",
                            event(w, node.name(), new WorkerEvent.Watchdog(move)),
                            false));
        }
        if (state instanceof WorkerState.Copying) {
            steps.add(
                    new Step(
                            node.name() + " is ready to cut over",
                            event(w, node.name(), new WorkerEvent.ReadyToCut(move)),
                            false));
        }
        if (w.budget().crashes() > 0) {
            Node fresh = new Node(node.name() + "'", new WorkerState.Absent(), 0, 0);
            List<Message> left =
                    w.messages().stream().filter(m -> !node.name().equals(receiver(m))).toList();
            steps.add(
                    new Step(
                            node.name() + " dies",
                            w.replace(node.name(), fresh).messages(left).with(Model::crash),
                            true));
        }
    }

    private static String receiver(Message message) {
        return switch (message) {
            case Message.ToWorker(String worker, WorkerEvent _) -> worker;
            case Message.State(String worker, Move _, long _) -> worker;
            case Message.Own(String worker, WorkerEvent _) -> worker;
            case Message.Admit(String worker, long _) -> worker;
            case Message.ToFleet _ -> "";
            case Message.AdmitAnswer _ -> "";
        };
    }

    private static boolean owns(World w, Node node) {
        return w.log().epoch() == MoveProtocol.epochOf(node.state())
                && w.log().owner().equals(node.name());
    }

    private World publish(World w, Node node) {
        long epoch = MoveProtocol.epochOf(node.state());
        boolean owns = owns(w, node);
        if (!owns && !broken.contains(Broken.NO_FENCE)) {
            return event(w, node.name(), new WorkerEvent.Fenced(epoch));
        }
        if (node.chunk() != w.log().next()) {
            throw new Violation(
                    node.name()
                            + " stores chunk "
                            + node.chunk()
                            + " where "
                            + w.log().next()
                            + " comes next");
        }
        if (!owns) {
            throw new Violation(node.name() + " stores a chunk that it does not own");
        }
        return w.with(new Log(epoch, node.name(), w.log().next() + 1))
                .with(new Node(node.name(), node.state(), node.chunk() + 1, node.pages()))
                .with(Model::chunk);
    }

    private World event(World w, String worker, WorkerEvent event) {
        Node node = w.node(worker);
        if (node == null) {
            return w;
        }
        Reaction<WorkerState, WorkerCommand> reaction = protocol.worker(node.state(), event);
        World next = w.with(new Node(worker, reaction.state(), node.chunk(), node.pages()));
        for (WorkerCommand command : reaction.commands()) {
            next = command(next, worker, command);
        }
        Node after = next.node(worker);
        int pages = after.state() instanceof WorkerState.Absent ? 0 : 1;
        if (after.pages() != pages) {
            throw new Violation(
                    worker + " holds " + after.pages() + " sessions' pages in " + after.state());
        }
        return next;
    }

    private World command(World w, String worker, WorkerCommand command) {
        Node node = w.node(worker);
        return switch (command) {
            case WorkerCommand.Reserve _ -> pages(w, node, 1);
            case WorkerCommand.Free _ -> pages(w, node, -1);
            case WorkerCommand.Drop _ -> pages(w, node, -1);
            case WorkerCommand.Copy _ -> w;
            case WorkerCommand.StopCopying _ -> w;
            case WorkerCommand.Thaw _ -> w;
            case WorkerCommand.Activate _ -> w;
            case WorkerCommand.FreezeAndSendRest(Move move) ->
                    w.plus(new Message.State(move.target(), move, node.chunk()));
            case WorkerCommand.SendVerdict(Move move, boolean committed) ->
                    w.plus(
                            new Message.ToWorker(
                                    move.source(), new WorkerEvent.Verdict(move, committed)));
            case WorkerCommand.Answer(Move move, Outcome outcome) ->
                    w.plus(new Message.ToFleet(worker, move, outcome));
            case WorkerCommand.ReadLog(Move move) ->
                    w.plus(new Message.Own(worker, new WorkerEvent.LogRead(move, w.log().epoch())));
            case WorkerCommand.AppendOwner(Move move) -> appendOwner(w, node, move);
        };
    }

    private static World pages(World w, Node node, int more) {
        return w.with(new Node(node.name(), node.state(), node.chunk(), node.pages() + more));
    }

    private World appendOwner(World w, Node node, Move move) {
        Log log = w.log();
        boolean mine = log.epoch() == move.epoch() && log.owner().equals(node.name());
        boolean free =
                log.epoch() < move.epoch()
                        && (log.next() == node.chunk() || broken.contains(Broken.OWNER_ANYWHERE));
        World stored = free ? w.with(new Log(move.epoch(), node.name(), log.next())) : w;
        WorkerEvent result =
                mine || free
                        ? new WorkerEvent.OwnerStored(move)
                        : new WorkerEvent.OwnerRefused(move);
        return stored.plus(new Message.Own(node.name(), result));
    }

    // What arrives.

    private World arrive(World w, Message message) {
        return switch (message) {
            case Message.ToWorker(String worker, WorkerEvent event) -> event(w, worker, event);
            case Message.Own(String worker, WorkerEvent event) -> event(w, worker, event);
            case Message.State(String worker, Move move, long chunk) -> {
                Node node = w.node(worker);
                boolean waits =
                        node != null
                                && node.state() instanceof WorkerState.Receiving(Move mine)
                                && mine.equals(move);
                yield waits
                        ? event(
                                w.with(new Node(worker, node.state(), chunk, node.pages())),
                                worker,
                                new WorkerEvent.Complete(move))
                        : w;
            }
            case Message.ToFleet(String from, Move move, Outcome outcome) ->
                    w.fleet() instanceof Fleet.Moving(CoordinatorState state, long _)
                                    && state.move().equals(move)
                            ? coordinate(w, new CoordinatorEvent.Answered(from, outcome))
                            : w;
            case Message.Admit(String worker, long epoch) -> admit(w, worker, epoch);
            case Message.AdmitAnswer(String worker, long epoch, boolean taken, long newest) ->
                    w.fleet() instanceof Fleet.Admitting(String asked, long wanted)
                                    && asked.equals(worker)
                                    && wanted == epoch
                            ? w.with(
                                    taken
                                            ? new Fleet.Steady(worker, epoch)
                                            : new Fleet.Steady("", Math.max(epoch - 1, newest)))
                            : w;
        };
    }

    private World admit(World w, String worker, long epoch) {
        Node node = w.node(worker);
        if (node == null) {
            return w;
        }
        Log log = w.log();
        boolean mine = log.epoch() == epoch && log.owner().equals(worker);
        if (node.state() instanceof WorkerState.Committing
                || (log.epoch() >= epoch && !mine)
                || MoveProtocol.epochOf(node.state()) > epoch) {
            return w.plus(new Message.AdmitAnswer(worker, epoch, false, log.epoch()));
        }
        World taken = w.with(new Log(epoch, worker, log.next()));
        long chunk = MoveProtocol.epochOf(node.state()) == epoch ? node.chunk() : log.next();
        Reaction<WorkerState, WorkerCommand> reaction =
                protocol.worker(node.state(), new WorkerEvent.Admitted(epoch));
        return taken.with(new Node(worker, reaction.state(), chunk, 1))
                .plus(new Message.AdmitAnswer(worker, epoch, true, epoch));
    }

    // The operator.

    private World coordinate(World w, CoordinatorEvent event) {
        Fleet.Moving moving = (Fleet.Moving) w.fleet();
        Reaction<CoordinatorState, CoordinatorCommand> reaction =
                protocol.coordinator(moving.state(), event);
        World next = w.with(new Fleet.Moving(reaction.state(), moving.epoch()));
        for (CoordinatorCommand command : reaction.commands()) {
            next =
                    switch (command) {
                        case CoordinatorCommand.SendPrepare(Move move) ->
                                next.plus(
                                        new Message.ToWorker(
                                                move.target(), new WorkerEvent.Prepare(move)));
                        case CoordinatorCommand.SendStart(Move move) ->
                                next.plus(
                                        new Message.ToWorker(
                                                move.source(), new WorkerEvent.Start(move)));
                        case CoordinatorCommand.SendCancel(Move move, String worker) ->
                                next.plus(
                                        new Message.ToWorker(worker, new WorkerEvent.Cancel(move)));
                        case CoordinatorCommand.SendRelease(Move move) ->
                                broken.contains(Broken.NO_RELEASE)
                                        ? next
                                        : next.plus(
                                                new Message.ToWorker(
                                                        move.source(),
                                                        new WorkerEvent.Release(move.epoch())));
                    };
        }
        if (reaction.state()
                instanceof CoordinatorState.Ended(Move move, CoordinatorState.Result result)) {
            next =
                    next.with(
                            switch (result) {
                                case MOVED -> new Fleet.Steady(move.target(), move.epoch());
                                case KEPT -> new Fleet.Steady(move.source(), moving.epoch());
                                case LOST -> new Fleet.Steady("", move.epoch());
                            });
        }
        return next;
    }

    private void fleet(World w, List<Step> steps) {
        Budget budget = w.budget();
        if (!(w.fleet() instanceof Fleet.Down) && budget.operatorCrashes() > 0) {
            steps.add(
                    new Step(
                            "the operator dies",
                            w.with(new Fleet.Down()).with(Model::operatorCrash),
                            true));
        }
        switch (w.fleet()) {
            case Fleet.Down _ -> steps.add(new Step("an operator starts", rebuilt(w), false));
            case Fleet.Steady(String owner, long epoch) -> steady(w, owner, epoch, steps);
            case Fleet.Moving(CoordinatorState state, long _) -> moving(w, state, steps);
            case Fleet.Admitting(String worker, long epoch) -> {
                if (w.node(worker) == null) {
                    steps.add(
                            new Step(
                                    "the operator misses " + worker,
                                    w.with(new Fleet.Steady("", epoch)),
                                    false));
                } else if (nothingOnItsWay(w, worker)) {
                    steps.add(
                            new Step(
                                    "the operator asks again",
                                    w.plus(new Message.Admit(worker, epoch)),
                                    false));
                }
            }
        }
    }

    private static boolean nothingOnItsWay(World w, String worker) {
        return w.messages().stream()
                .noneMatch(
                        message ->
                                switch (message) {
                                    case Message.Admit(String to, long _) -> to.equals(worker);
                                    case Message.AdmitAnswer(
                                                    String from,
                                                    long _,
                                                    boolean _,
                                                    long _) ->
                                            from.equals(worker);
                                    default -> false;
                                });
    }

    private static World rebuilt(World w) {
        String owner = "";
        long newest = 0;
        for (Node node : w.nodes()) {
            long epoch = MoveProtocol.epochOf(node.state());
            if (epoch > newest) {
                newest = epoch;
                owner = node.name();
            }
        }
        return w.with(new Fleet.Steady(owner, newest));
    }

    private void steady(World w, String owner, long epoch, List<Step> steps) {
        for (Node node : w.nodes()) {
            long there = MoveProtocol.epochOf(node.state());
            if (there > epoch) {
                steps.add(
                        new Step(
                                "the operator hears that " + node.name() + " owns it",
                                w.with(new Fleet.Steady(node.name(), there)),
                                false));
            } else if (there >= 0
                    && there < epoch
                    && !node.name().equals(owner)
                    && !broken.contains(Broken.NO_RELEASE)) {
                Message release = new Message.ToWorker(node.name(), new WorkerEvent.Release(epoch));
                if (!w.messages().contains(release)) {
                    steps.add(
                            new Step(
                                    "the operator dismisses " + node.name(),
                                    w.plus(release),
                                    false));
                }
            }
            if (owner.isEmpty()) {
                steps.add(
                        new Step(
                                "the operator admits it at " + node.name(),
                                w.with(new Fleet.Admitting(node.name(), epoch + 1))
                                        .plus(new Message.Admit(node.name(), epoch + 1)),
                                false));
            }
        }
        if (owner.isEmpty()) {
            return;
        }
        Node node = w.node(owner);
        if (node == null || node.state() instanceof WorkerState.Absent) {
            steps.add(
                    new Step(
                            "the operator misses the session at " + owner,
                            w.with(new Fleet.Steady("", epoch)),
                            false));
            return;
        }
        if (w.budget().moves() > 0) {
            Move move = new Move("m" + w.budget().moves(), owner, w.other(owner).name(), epoch + 1);
            steps.add(
                    new Step(
                            "the operator moves it to " + move.target(),
                            coordinate(
                                    w.with(
                                                    new Fleet.Moving(
                                                            new CoordinatorState.Preparing(move),
                                                            epoch))
                                            .with(Model::move),
                                    new CoordinatorEvent.Begin()),
                            true));
        }
    }

    private void moving(World w, CoordinatorState state, List<Step> steps) {
        Move move = state.move();
        for (String worker : List.of(move.source(), move.target())) {
            Node node = w.node(worker);
            if (node == null) {
                World next = coordinate(w, new CoordinatorEvent.WorkerGone(worker));
                if (!next.equals(w)) {
                    steps.add(new Step("the operator misses " + worker, next, false));
                }
            }
        }
        boolean cancelling = state instanceof CoordinatorState.Cancelling;
        boolean pending = w.messages().stream().anyMatch(m -> concerns(m, move));
        if (!cancelling || (!pending && !broken.contains(Broken.NO_REPEATS))) {
            steps.add(
                    new Step(
                            "the operator gives up waiting",
                            coordinate(w, new CoordinatorEvent.TimedOut()),
                            false));
        }
    }

    /** Whether it may still bring an answer to a cancelled move. */
    private static boolean concerns(Message message, Move move) {
        return switch (message) {
            case Message.ToFleet(String _, Move mine, Outcome _) -> mine.equals(move);
            case Message.ToWorker(String _, WorkerEvent.Cancel(Move mine)) -> mine.equals(move);
            case Message.Own _ -> true;
            default -> false;
        };
    }

    // Ends.

    /** Nothing is on its way, one worker owns the session and everybody knows it. */
    static boolean settled(World w) {
        return w.messages().isEmpty()
                && w.fleet() instanceof Fleet.Steady(String owner, long epoch)
                && w.log().owner().equals(owner)
                && w.log().epoch() == epoch
                && w.node(owner) != null
                && w.node(owner).state().equals(new WorkerState.Owning(epoch))
                && w.node(owner).chunk() == w.log().next()
                && w.other(owner).state() instanceof WorkerState.Absent;
    }

    private static Budget loss(Budget b) {
        return new Budget(
                b.losses() - 1,
                b.doubles(),
                b.crashes(),
                b.operatorCrashes(),
                b.unknowns(),
                b.moves(),
                b.chunks());
    }

    private static Budget doubled(Budget b) {
        return new Budget(
                b.losses(),
                b.doubles() - 1,
                b.crashes(),
                b.operatorCrashes(),
                b.unknowns(),
                b.moves(),
                b.chunks());
    }

    private static Budget crash(Budget b) {
        return new Budget(
                b.losses(),
                b.doubles(),
                b.crashes() - 1,
                b.operatorCrashes(),
                b.unknowns(),
                b.moves(),
                b.chunks());
    }

    private static Budget operatorCrash(Budget b) {
        return new Budget(
                b.losses(),
                b.doubles(),
                b.crashes(),
                b.operatorCrashes() - 1,
                b.unknowns(),
                b.moves(),
                b.chunks());
    }

    private static Budget unknown(Budget b) {
        return new Budget(
                b.losses(),
                b.doubles(),
                b.crashes(),
                b.operatorCrashes(),
                b.unknowns() - 1,
                b.moves(),
                b.chunks());
    }

    private static Budget move(Budget b) {
        return new Budget(
                b.losses(),
                b.doubles(),
                b.crashes(),
                b.operatorCrashes(),
                b.unknowns(),
                b.moves() - 1,
                b.chunks());
    }

    private static Budget chunk(Budget b) {
        return new Budget(
                b.losses(),
                b.doubles(),
                b.crashes(),
                b.operatorCrashes(),
                b.unknowns(),
                b.moves(),
                b.chunks() - 1);
    }
}
