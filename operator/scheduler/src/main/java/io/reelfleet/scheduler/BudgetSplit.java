package io.reelfleet.scheduler;

import java.util.List;

/** Shares a number of workers that may be paid for among pools that want more. */
public final class BudgetSplit {
    private BudgetSplit() {}

    /**
     * What one pool asks for.
     *
     * @param minimum workers it must have
     * @param wanted workers it wants
     * @param load sessions that want chunks there
     * @param capacity sessions per worker
     * @param costPerWorker what one worker costs, in any unit shared by all pools
     */
    public record Claim(int minimum, int wanted, double load, int capacity, double costPerWorker) {}

    /**
     * The most workers each pool may have. Everybody gets the minimum first; then, one worker after
     * the other, the pool in which one more spares most sessions from waiting for its money, down
     * to headroom, which comes last. Nobody gets more than wanted.
     *
     * @param budget what may be spent at once, in the unit of {@code costPerWorker}
     */
    public static int[] share(List<Claim> claims, double budget) {
        int[] given = new int[claims.size()];
        double left = budget;
        for (int i = 0; i < given.length; i++) {
            given[i] = claims.get(i).minimum();
            left -= given[i] * claims.get(i).costPerWorker();
        }
        while (true) {
            int best = -1;
            double most = 0;
            for (int i = 0; i < given.length; i++) {
                Claim c = claims.get(i);
                if (given[i] >= c.wanted() || c.costPerWorker() > left) {
                    continue;
                }
                double waiting = c.load() - (double) given[i] * c.capacity();
                double spared = Math.clamp(waiting, 0, c.capacity());
                // Headroom is worth something, and less the more of it there is.
                double headroom = 1e-3 * c.capacity() / (1.0 + Math.max(0, -waiting));
                double worth = (spared + headroom) / c.costPerWorker();
                if (best < 0 || worth > most) {
                    best = i;
                    most = worth;
                }
            }
            if (best < 0) {
                return given;
            }
            given[best]++;
            left -= claims.get(best).costPerWorker();
        }
    }
}
