package io.reelfleet.scheduler;

/** Carries plans out on a compact fleet, at once. */
final class Played {
    private static int made;

    private Played() {}

    /** The number of moves of active sessions. */
    static int on(Fleet fleet, Plan plan) {
        int moves = 0;
        for (Action action : plan.actions()) {
            switch (action) {
                case Action.Place(String s, String w) ->
                        fleet.placed(fleet.sessionNumber(s), fleet.workerNumber(w));
                case Action.Move(String s, String from, String to) -> {
                    fleet.placed(fleet.sessionNumber(s), fleet.workerNumber(to));
                    moves++;
                }
                case Action.Suspend(String s, String w) ->
                        fleet.parked(fleet.sessionNumber(s), fleet.workerNumber(w));
                case Action.Resume(String s, String w) ->
                        fleet.placed(fleet.sessionNumber(s), fleet.workerNumber(w));
                case Action.Release(String s, String w) -> fleet.unplaced(fleet.sessionNumber(s));
                case Action.RequestWorkers(int count) -> {
                    for (int i = 0; i < count; i++) {
                        fleet.request("made-" + ++made);
                    }
                }
                case Action.DrainWorker(String w) ->
                        fleet.phase(fleet.workerNumber(w), WorkerSnapshot.Phase.DRAINING);
                case Action.ReleaseWorker(String w) -> fleet.gone(fleet.workerNumber(w));
            }
        }
        return moves;
    }
}
