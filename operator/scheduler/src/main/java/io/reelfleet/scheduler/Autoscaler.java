package io.reelfleet.scheduler;

/** How many workers there should be. */
final class Autoscaler {
    private Autoscaler() {}

    /**
     * The number of workers wanted, in ordinary workers.
     *
     * @param unlimited before the pool's maximum
     * @param wanted after all limits
     */
    record Target(int unlimited, int wanted) {}

    static Target target(Fleet fleet) {
        PoolSettings pool = fleet.pool();
        if (pool.mode() == PoolSettings.Mode.MANUAL) {
            return new Target(pool.manualWorkers(), pool.manualWorkers());
        }
        int base =
                predicts(fleet)
                        ? fleet.outlook().wantedWorkers()
                        : Math.ceilDiv(
                                Math.max(
                                        (int) Math.ceil(fleet.demand()),
                                        fleet.peakSince(fleet.now() - pool.downDelayMillis())),
                                pool.capacity());
        int unlimited = base + pool.economy().warmSpare();
        int wanted = Math.clamp(unlimited, pool.minWorkers(), pool.maxWorkers());
        int unit = pool.workersPerPod() * pool.economy().workersPerNode();
        int rounded = Math.ceilDiv(wanted, unit) * unit;
        if (rounded > pool.maxWorkers()) {
            // A node too many is refused; pods are never split.
            rounded = Math.max(wanted / unit * unit, podsWithin(pool, wanted));
        }
        return new Target(unlimited, rounded);
    }

    private static int podsWithin(PoolSettings pool, int wanted) {
        int per = pool.workersPerPod();
        int up = Math.ceilDiv(wanted, per) * per;
        return up <= pool.maxWorkers() ? up : Math.max(wanted / per * per, pool.minWorkers());
    }

    /** Whether the outlook is to be followed. */
    static boolean predicts(Fleet fleet) {
        return fleet.pool().mode() == PoolSettings.Mode.PREDICTIVE && fleet.outlook().known();
    }

    /** When the target may fall by itself; {@link Long#MAX_VALUE} when not. */
    static long wakeAt(Fleet fleet) {
        if (fleet.pool().mode() == PoolSettings.Mode.MANUAL) {
            return Long.MAX_VALUE;
        }
        if (predicts(fleet)) {
            return fleet.outlook().wakeAtMillis();
        }
        long delay = fleet.pool().downDelayMillis();
        int peak = fleet.peakSince(fleet.now() - delay);
        return peak > Math.ceil(fleet.demand())
                ? fleet.lastAtLeast(peak) + delay + 1
                : Long.MAX_VALUE;
    }

    /** One sentence that explains a target. */
    static String reason(Fleet fleet, Target target) {
        PoolSettings pool = fleet.pool();
        int active = (int) Math.ceil(fleet.demand());
        int needed = Math.ceilDiv(active, pool.capacity());
        StringBuilder text = new StringBuilder(160);
        if (pool.mode() == PoolSettings.Mode.MANUAL) {
            text.append("Manual: ").append(target.wanted()).append(" asked for; ");
        }
        text.append(active)
                .append(active == 1 ? " active session at " : " active sessions at ")
                .append(pool.capacity())
                .append(active == 1 ? " per worker needs " : " per worker need ")
                .append(needed)
                .append(needed == 1 ? " worker" : " workers");
        if (pool.mode() == PoolSettings.Mode.MANUAL) {
            return text.toString();
        }
        if (predicts(fleet)) {
            text.append("; learned: ")
                    .append(fleet.outlook().why())
                    .append(": ")
                    .append(fleet.outlook().wantedWorkers());
        } else if (target.unlimited() - pool.economy().warmSpare() > needed) {
            text.append(", more kept for up to ")
                    .append(pool.downDelayMillis() / 1000)
                    .append(" s after the last peak");
        }
        if (pool.economy().warmSpare() > 0) {
            text.append(", ").append(pool.economy().warmSpare()).append(" spare");
        }
        if (target.unlimited() > pool.maxWorkers()) {
            text.append(", held to the maximum of ").append(pool.maxWorkers());
        } else if (target.unlimited() < pool.minWorkers()) {
            text.append(", raised to the minimum of ").append(pool.minWorkers());
        } else if (target.wanted() != target.unlimited()) {
            text.append(", rounded to whole units: ").append(target.wanted());
        }
        return text.toString();
    }
}
