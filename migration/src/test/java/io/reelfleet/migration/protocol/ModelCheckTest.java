package io.reelfleet.migration.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.migration.protocol.Model.Broken;
import io.reelfleet.migration.protocol.World.Budget;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Every world that two workers, an operator and a log can get into within a budget of faults.
 * Checked of each: no chunk is stored by who does not own the session, nor out of turn; memory is
 * held exactly by who has a part of the session; and a way leads on, without further faults, to one
 * owner that all agree on with nothing left over.
 *
 * <p>{@code -Dreelfleet.modelcheck=deep} searches larger budgets, for minutes.
 */
class ModelCheckTest {
    private static final int MOST = 6_000_000;

    // losses, doubles, crashes, the operator's crashes, unknowns, moves, chunks
    private static final List<Budget> BUDGETS =
            List.of(
                    new Budget(1, 0, 0, 0, 1, 1, 1),
                    new Budget(0, 1, 0, 0, 0, 1, 1),
                    new Budget(1, 0, 1, 0, 0, 1, 1),
                    new Budget(1, 0, 0, 1, 0, 1, 1),
                    new Budget(0, 0, 0, 0, 0, 2, 0));
    private static final List<Budget> DEEP =
            List.of(
                    new Budget(1, 1, 0, 0, 1, 1, 1),
                    new Budget(0, 0, 1, 1, 0, 1, 2),
                    new Budget(0, 0, 2, 0, 0, 1, 1),
                    new Budget(0, 0, 0, 0, 0, 2, 2),
                    new Budget(0, 0, 0, 1, 0, 2, 1),
                    new Budget(0, 0, 1, 0, 0, 2, 1));

    private static Search.Finding search(Budget budget, MoveProtocol protocol, Broken... broken) {
        Set<Broken> rules = EnumSet.noneOf(Broken.class);
        rules.addAll(List.of(broken));
        return new Search(new Model(protocol, rules), MOST).from(World.start(budget));
    }

    @Test
    void noOrderOfEventsAndFaultsLosesDoublesOrLeaks() {
        boolean deep = "deep".equals(System.getProperty("reelfleet.modelcheck"));
        long states = 0;
        long steps = 0;
        for (Budget budget : deep ? DEEP : BUDGETS) {
            long started = System.nanoTime();
            Search.Finding finding = search(budget, new MoveProtocol());
            System.out.printf(
                    "model check: %s: %,d states, %,d steps, %.1f s%n",
                    budget, finding.states(), finding.steps(), (System.nanoTime() - started) / 1e9);
            assertThat(finding.problem()).as("%s", budget).isNull();
            states += finding.states();
            steps += finding.steps();
        }
        System.out.printf("model check: %,d states, %,d steps in all%n", states, steps);
        assertThat(states).isGreaterThan(50_000);
    }

    // The search would find it if ...

    private static void finds(String what, Budget budget, MoveProtocol protocol, Broken... broken) {
        assertThat(search(budget, protocol, broken).problem()).contains(what);
    }

    @Test
    void anOwnerThatDoesNotLookForAnotherOnePublishes() {
        finds(
                "stores a chunk that it does not own",
                new Budget(1, 0, 0, 0, 0, 1, 1),
                new MoveProtocol(),
                Broken.NO_FENCE);
    }

    @Test
    void aTargetWhoseStateIsOlderThanTheLogRepeatsAChunk() {
        finds(
                "stores chunk 0 where 1 comes next",
                new Budget(0, 0, 0, 0, 0, 1, 2),
                new MoveProtocol(),
                Broken.OWNER_ANYWHERE);
    }

    @Test
    void withoutWatchdogsALostMessageHoldsMemoryForEver() {
        finds(
                "never settles",
                new Budget(0, 0, 1, 0, 0, 1, 0),
                new MoveProtocol(),
                Broken.NO_WATCHDOGS,
                Broken.NO_REPEATS);
    }

    @Test
    void anOperatorThatDoesNotAskAgainWaitsForEver() {
        finds(
                "never settles",
                new Budget(1, 0, 0, 0, 0, 1, 0),
                new MoveProtocol(),
                Broken.NO_REPEATS);
    }

    /** Drops some commands. */
    private static MoveProtocol without(Class<? extends WorkerCommand> command) {
        return new MoveProtocol() {
            @Override
            public Reaction<WorkerState, WorkerCommand> worker(
                    WorkerState state, WorkerEvent event) {
                Reaction<WorkerState, WorkerCommand> right = super.worker(state, event);
                return new Reaction<>(
                        right.state(),
                        right.commands().stream().filter(c -> !command.isInstance(c)).toList());
            }
        };
    }

    @Test
    void aTargetThatDoesNotFreeWhatItReservedLeaks() {
        finds(
                "holds 1 sessions' pages in Absent",
                new Budget(0, 0, 0, 0, 0, 1, 0),
                without(WorkerCommand.Free.class));
    }

    @Test
    void aSourceThatDoesNotFreeWhatItHandedOverLeaks() {
        finds(
                "holds 1 sessions' pages in Absent",
                new Budget(0, 0, 0, 0, 0, 1, 0),
                without(WorkerCommand.Drop.class));
    }

    @Test
    void aSourceInDoubtThatNeverAsksTheLogStandsStillForEver() {
        finds(
                "never settles",
                new Budget(0, 0, 0, 0, 0, 1, 0),
                without(WorkerCommand.ReadLog.class));
    }

    @Test
    void aTargetThatForgetsTheMoveOnceItsEntryIsStoredOwnsWithoutGenerating() {
        finds(
                "never settles",
                new Budget(0, 0, 0, 0, 0, 1, 0),
                new MoveProtocol() {
                    @Override
                    public Reaction<WorkerState, WorkerCommand> worker(
                            WorkerState state, WorkerEvent event) {
                        return event instanceof WorkerEvent.OwnerStored
                                ? Reaction.to(state)
                                : super.worker(state, event);
                    }
                });
    }
}
