package io.reelfleet.migration.protocol;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;

/**
 * Everything there is while one session lives on two workers under one operator: what the parts
 * know, the session's log, and what is on its way between them. Immutable, compared by value.
 */
final class World {
    private final List<Node> nodes;
    private final Log log;
    private final Fleet fleet;
    private final List<Message> messages;
    private final Budget budget;
    private int hash;

    private World(List<Node> nodes, Log log, Fleet fleet, List<Message> messages, Budget budget) {
        this.nodes = nodes;
        this.log = log;
        this.fleet = fleet;
        this.messages = messages;
        this.budget = budget;
    }

    List<Node> nodes() {
        return nodes;
    }

    Log log() {
        return log;
    }

    Fleet fleet() {
        return fleet;
    }

    List<Message> messages() {
        return messages;
    }

    Budget budget() {
        return budget;
    }

    /**
     * A worker.
     *
     * @param name never used again after its death
     * @param state of the session here
     * @param chunk the chunk its state goes on with
     * @param pages memory held for the session: 0 or 1
     */
    record Node(String name, WorkerState state, long chunk, int pages) {}

    /** The newest owner and how many chunks are stored. */
    record Log(long epoch, String owner, long next) {}

    /** What the operator knows. */
    sealed interface Fleet {
        /** The session is with {@code owner}, or, when empty, with nobody. */
        record Steady(String owner, long epoch) implements Fleet {}

        record Moving(CoordinatorState state, long epoch) implements Fleet {}

        record Admitting(String worker, long epoch) implements Fleet {}

        /** No operator runs. */
        record Down() implements Fleet {}
    }

    /** Something on its way. */
    sealed interface Message {
        /** From the operator or the other worker. */
        record ToWorker(String worker, WorkerEvent event) implements Message {}

        /** The whole state, which goes on with {@code chunk}. */
        record State(String worker, Move move, long chunk) implements Message {}

        /** A result of this worker's own call to the log: it is not lost, but may be late. */
        record Own(String worker, WorkerEvent event) implements Message {}

        record ToFleet(String from, Move move, Outcome outcome) implements Message {}

        record Admit(String worker, long epoch) implements Message {}

        /** {@code epoch} is the one that was refused, or taken; {@code newest} what the log has. */
        record AdmitAnswer(String worker, long epoch, boolean taken, long newest)
                implements Message {}
    }

    /** How often what may still happen. */
    record Budget(
            int losses,
            int doubles,
            int crashes,
            int operatorCrashes,
            int unknowns,
            int moves,
            int chunks) {}

    private static World of(
            List<Node> nodes, Log log, Fleet fleet, List<Message> messages, Budget budget) {
        return new World(nodes, log, fleet, messages, budget);
    }

    /** The same with its messages in an order of their own, so that equal worlds are equal. */
    World ordered() {
        List<Message> sorted = new ArrayList<>(messages);
        sorted.sort(Comparator.comparingInt(Object::hashCode));
        return of(nodes, log, fleet, sorted, budget);
    }

    /** Worker a owns the session with epoch 1, worker b is empty. */
    static World start(Budget budget) {
        return of(
                List.of(
                        new Node("a", new WorkerState.Owning(1), 0, 1),
                        new Node("b", new WorkerState.Absent(), 0, 0)),
                new Log(1, "a", 0),
                new Fleet.Steady("a", 1),
                List.of(),
                budget);
    }

    Node node(String name) {
        for (Node node : nodes) {
            if (node.name.equals(name)) {
                return node;
            }
        }
        return null;
    }

    Node other(String name) {
        return nodes.get(nodes.get(0).name.equals(name) ? 1 : 0);
    }

    World with(Node node) {
        List<Node> changed = new ArrayList<>(nodes);
        changed.replaceAll(each -> each.name.equals(node.name) ? node : each);
        return of(changed, log, fleet, messages, budget);
    }

    World replace(String name, Node node) {
        List<Node> changed = new ArrayList<>(nodes);
        changed.replaceAll(each -> each.name.equals(name) ? node : each);
        return of(changed, log, fleet, messages, budget);
    }

    World with(Log changed) {
        return of(nodes, changed, fleet, messages, budget);
    }

    World with(Fleet changed) {
        return of(nodes, log, changed, messages, budget);
    }

    World with(UnaryOperator<Budget> spent) {
        return of(nodes, log, fleet, messages, spent.apply(budget));
    }

    World plus(Message message) {
        List<Message> changed = new ArrayList<>(messages);
        changed.add(message);
        return of(nodes, log, fleet, changed, budget);
    }

    World minus(Message message) {
        List<Message> changed = new ArrayList<>(messages);
        changed.remove(message);
        return of(nodes, log, fleet, changed, budget);
    }

    World messages(List<Message> changed) {
        return of(nodes, log, fleet, changed, budget);
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof World w
                && hashCode() == w.hashCode()
                && nodes.equals(w.nodes)
                && log.equals(w.log)
                && fleet.equals(w.fleet)
                && budget.equals(w.budget)
                && messages.equals(w.messages);
    }

    @Override
    public int hashCode() {
        if (hash == 0) {
            hash = Objects.hash(nodes, log, fleet, messages, budget);
        }
        return hash;
    }

    @Override
    public String toString() {
        return "%s%n  log %s%n  operator %s%n  on its way %s%n  %s"
                .formatted(nodes, log, fleet, messages, budget);
    }
}
