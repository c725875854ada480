package io.reelfleet.replay.rival;

import io.reelfleet.scheduler.Fleet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** The placements that need little. */
final class Placements {
    private Placements() {}

    /** Each to the next worker in turn. */
    static final class RoundRobin implements Placement {
        private int turn;

        @Override
        public int choose(Draft draft, int session) {
            for (int i = 0; i < draft.workers(); i++) {
                int w = draft.worker(turn++ % draft.workers());
                if (draft.fits(w)) {
                    return w;
                }
            }
            return Fleet.NONE;
        }
    }

    /** Greedy by load: the fewest sessions that want chunks. */
    static final class LeastLoaded implements Placement {
        @Override
        public int choose(Draft draft, int session) {
            return draft.leastLoaded();
        }
    }

    /** Greedy by memory: the most free device memory, whether its sessions are active or idle. */
    static final class LeastMemory implements Placement {
        @Override
        public int choose(Draft draft, int session) {
            int best = Fleet.NONE;
            for (int i = 0; i < draft.workers(); i++) {
                int w = draft.worker(i);
                if ((best == Fleet.NONE || draft.device(w) < draft.device(best)) && draft.fits(w)) {
                    best = w;
                }
            }
            return best;
        }
    }

    /** Power of two choices: two at random, the less loaded of them. */
    static final class PowerOfTwo implements Placement {
        private final RandomGenerator random;

        PowerOfTwo(long seed) {
            random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        }

        @Override
        public int choose(Draft draft, int session) {
            int n = draft.workers();
            int a = draft.worker(random.nextInt(n));
            int b = draft.worker(random.nextInt(n));
            int first = draft.load(b) < draft.load(a) ? b : a;
            int second = first == a ? b : a;
            if (draft.fits(first)) {
                return first;
            }
            return draft.fits(second) ? second : draft.leastLoaded();
        }
    }

    /** Least loaded, chosen anew each time a session wakes: its state is parked in reach. */
    static final class PlaceAtResume implements Placement {
        @Override
        public int choose(Draft draft, int session) {
            return draft.leastLoaded();
        }

        @Override
        public boolean placesAtResume() {
            return true;
        }
    }

    /**
     * Llumnix (OSDI 2024, section 4.4): an instance's freeness is its free memory over its batch,
     * and without bound negative while it is to go. New requests go to the freest; the least free
     * is paired with the freest, and sessions move while the one is under and the other over the
     * threshold.
     */
    static final class Llumnix implements Placement {
        private static final long PERIOD_MILLIS = 1_000;
        private long next;

        @Override
        public int choose(Draft draft, int session) {
            int best = Fleet.NONE;
            for (int i = 0; i < draft.workers(); i++) {
                int w = draft.worker(i);
                if ((best == Fleet.NONE || freeness(draft, w) > freeness(draft, best))
                        && draft.fits(w)) {
                    best = w;
                }
            }
            return best;
        }

        @Override
        public boolean empties() {
            return true;
        }

        @Override
        public void rebalance(Draft draft) {
            long now = draft.fleet().now();
            if (now < next) {
                return;
            }
            int capacity = draft.fleet().pool().capacity();
            boolean moved = false;
            while (draft.workers() > 1) {
                int low = draft.worker(0);
                int high = draft.worker(0);
                for (int i = 1; i < draft.workers(); i++) {
                    int w = draft.worker(i);
                    low = freeness(draft, w) < freeness(draft, low) ? w : low;
                    high = freeness(draft, w) > freeness(draft, high) ? w : high;
                }
                // Overloaded: less than no room. Roomy: room for the session that comes.
                boolean pairs =
                        freeness(draft, low) < 0 && draft.load(high) < capacity && draft.fits(high);
                int s = pairs ? draft.movable(low, 0) : Fleet.NONE;
                if (s == Fleet.NONE || draft.load(low) <= draft.fleet().demanding(low) - 1) {
                    break;
                }
                draft.put(s, high);
                moved = true;
            }
            next = moved ? now + PERIOD_MILLIS : now;
        }

        @Override
        public long next(long now) {
            return next > now ? next : Long.MAX_VALUE;
        }

        /** Room for sessions that are active, over those that are. */
        private static double freeness(Draft draft, int w) {
            int capacity = draft.fleet().pool().capacity();
            return (capacity - draft.load(w)) / (double) Math.max(1, draft.load(w));
        }
    }

    /**
     * The oracle: in a world where state moves in no time, loads within one of each other and never
     * more than C on a worker; who is too many waits.
     */
    static final class Oracle implements Placement {
        @Override
        public int choose(Draft draft, int session) {
            int w = draft.leastLoaded();
            return w != Fleet.NONE && draft.load(w) < draft.fleet().pool().capacity()
                    ? w
                    : Fleet.NONE;
        }

        @Override
        public boolean empties() {
            return true;
        }

        @Override
        public void rebalance(Draft draft) {
            Fleet fleet = draft.fleet();
            int capacity = fleet.pool().capacity();
            while (true) {
                int high = draft.mostLoaded();
                int low = draft.leastLoaded();
                boolean tooMany = draft.load(high) > capacity;
                boolean room = low != Fleet.NONE && draft.load(low) + 1 < draft.load(high);
                if (!room && !tooMany) {
                    return;
                }
                int s = draft.movable(high, Math.max(0, fleet.demanding(high) - draft.load(high)));
                if (s == Fleet.NONE) {
                    return;
                }
                if (room) {
                    draft.put(s, low);
                } else {
                    draft.unplace(s);
                }
            }
        }
    }
}
