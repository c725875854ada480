package io.reelfleet.cli.chaos;

/** When a fault comes: at a step of the move protocol, as the workers' logs tell it, or outside. */
enum Step {
    /** No move is under way. */
    OUTSIDE("outside any move", null, false),
    ORDERED("the move is ordered", null, false),
    PREPARED("the target has prepared", "Receiving", true),
    PRECOPY("the source copies while it goes on", "Copying", false),
    CUTOVER("the source stands still", "Frozen", false),
    COMMIT("the target commits", "Committing", true),
    ACTIVATE("the target owns it", "Owning", true),
    RELEASE("the source has let go", "Absent", false);

    private final String title;
    private final String state;
    private final boolean target;

    Step(String title, String state, boolean target) {
        this.title = title;
        this.state = state;
        this.target = target;
    }

    String title() {
        return title;
    }

    /** The protocol's state that begins then; null when none does. */
    String state() {
        return state;
    }

    /** Whether the target enters it; the source otherwise. */
    boolean atTarget() {
        return target;
    }
}
