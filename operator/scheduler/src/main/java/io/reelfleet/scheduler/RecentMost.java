package io.reelfleet.scheduler;

import java.util.ArrayDeque;
import java.util.Deque;

/** The largest of the numbers said within a sliding window of time. */
final class RecentMost {
    private record Said(double at, int number) {}

    /** Later ones are smaller: what was no larger than a later number will never be the answer. */
    private final Deque<Said> said = new ArrayDeque<>();

    /**
     * Says a number and answers with the largest of the window.
     *
     * @param now seconds, never less than before
     * @param window seconds that a number counts for
     */
    int say(double now, int number, double window) {
        while (!said.isEmpty() && said.getLast().number() <= number) {
            said.removeLast();
        }
        said.addLast(new Said(now, number));
        while (said.getFirst().at() < now - window) {
            said.removeFirst();
        }
        return said.getFirst().number();
    }

    /** When the answer falls though the same number is said on; infinite when it does not. */
    double falls(double window) {
        return said.size() < 2
                ? Double.POSITIVE_INFINITY
                : Math.nextUp(said.getFirst().at() + window);
    }
}
