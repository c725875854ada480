package io.reelfleet.cli.chaos;

/** What is done to a fleet. */
public enum Fault {
    KILL_SOURCE("kill -9 of the source"),
    KILL_TARGET("kill -9 of the target"),
    KILL_OPERATOR("kill -9 of the operator"),
    KILL_GATEWAY("kill -9 of the gateway"),
    STOP_SOURCE("SIGSTOP of the source"),
    STOP_TARGET("SIGSTOP of the target"),
    STOP_OPERATOR("SIGSTOP of the operator"),
    STOP_GATEWAY("SIGSTOP of the gateway"),
    FORGOTTEN_SOURCE("the source taken for gone while it generates on"),
    CUT_SOURCE("the source's control path cut"),
    CUT_TARGET("the target's control path cut"),
    CUT_DATA("the data path between workers cut"),
    FULL_DISK("the store's disk full"),
    STALLED_DISK("the store's disk stalled"),
    LATE_COMMANDS("commands of earlier epochs and moves, late"),
    DOUBLED_COMMANDS("commands of this move doubled"),
    SECOND_MOVE("a second move at once, past the operator"),
    CLOCK_SOURCE("the source's clock set"),
    CLOCK_OPERATOR("the operator's clock set");

    private final String title;

    Fault(String title) {
        this.title = title;
    }

    String title() {
        return title;
    }

    /** What the machine must give for it. */
    enum Need {
        NOTHING,
        NETWORK,
        DISK,
        FREEZE,
        CLOCK
    }

    Need need() {
        return switch (this) {
            case CUT_SOURCE, CUT_TARGET, CUT_DATA -> Need.NETWORK;
            case FULL_DISK -> Need.DISK;
            case STALLED_DISK -> Need.FREEZE;
            case CLOCK_SOURCE, CLOCK_OPERATOR -> Need.CLOCK;
            case KILL_SOURCE,
                    KILL_TARGET,
                    KILL_OPERATOR,
                    KILL_GATEWAY,
                    STOP_SOURCE,
                    STOP_TARGET,
                    STOP_OPERATOR,
                    STOP_GATEWAY,
                    FORGOTTEN_SOURCE,
                    LATE_COMMANDS,
                    DOUBLED_COMMANDS,
                    SECOND_MOVE ->
                    Need.NOTHING;
        };
    }

    /** Whether it lasts. */
    boolean lasts() {
        return switch (this) {
            case STOP_SOURCE,
                    STOP_TARGET,
                    STOP_OPERATOR,
                    STOP_GATEWAY,
                    FORGOTTEN_SOURCE,
                    CUT_SOURCE,
                    CUT_TARGET,
                    CUT_DATA,
                    FULL_DISK,
                    STALLED_DISK ->
                    true;
            case KILL_SOURCE,
                    KILL_TARGET,
                    KILL_OPERATOR,
                    KILL_GATEWAY,
                    LATE_COMMANDS,
                    DOUBLED_COMMANDS,
                    SECOND_MOVE,
                    CLOCK_SOURCE,
                    CLOCK_OPERATOR ->
                    false;
        };
    }
}
