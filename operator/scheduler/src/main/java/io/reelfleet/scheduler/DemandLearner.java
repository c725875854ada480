package io.reelfleet.scheduler;

/**
 * Chooses among the rules of a {@link RulePanel}: at each load level the one with the least
 * GPU-seconds plus price times late session-seconds so far, where one price holds for all levels.
 * An equal price everywhere is what spends a late budget where it saves most (the fractional
 * knapsack of DESIGN section 4); it is set so that the rules chosen would have kept the budget,
 * less what has been overspent in truth.
 *
 * <p>A fixed headroom and hold time is among the rules, so this does about as well as the best of
 * them in hindsight once some hours have been seen, and better where different loads ask for
 * different rules.
 */
final class DemandLearner implements Learner {
    /** Part of the budget aimed at: some of what is granted is always left over in the end. */
    private static final double AIM = 1.04;

    /** Over- and underspending is made good over an hour of the present load, at least. */
    private static final double HORIZON_SECONDS = 3_600;

    /** And over this share of what has been seen so far. */
    private static final double HORIZON_SHARE = 0.25;

    /**
     * What rules did at other load levels counts like so many seconds at this one: little data must
     * not decide alone.
     */
    private static final double SHARED_SECONDS = 1_800;

    /** At this late budget; late chunks are rarer at a smaller one, so more must be shared. */
    private static final double USUAL_BUDGET = 0.01;

    /**
     * Rules are compared again after so many seconds; while nothing changes, after twice as long
     * each time, since there is little to learn from it and a change of mind costs a start-up.
     */
    private static final double REVIEW_SECONDS = 20;

    /** The price is set anew when so much more demand has been seen, as a share. */
    private static final double MORE_SEEN = 1.005;

    /**
     * The price at which usual loads keep a budget, times that budget: lateness falls about as the
     * price rises.
     */
    private static final double USUAL_PRICE = 0.04;

    /** How far from the usual price what has been seen may lead. */
    private static final double FAR = 8;

    /** The power with which the price follows the share of the budget that has been used. */
    private static final double FIRMNESS = 4;

    /** Added to the time since a cold start before growth is taken to go on: seconds. */
    private static final double COLD_SECONDS = 5;

    /**
     * Late chunks per wait beyond its length: half a chunk because chunks come whole, and one for
     * the time in which the state of who had to give way leaves and comes back.
     */
    private static final double CHUNKS_PER_WAIT = 1.5;

    /**
     * Workers asked for are kept for so much of a start-up time at least: what the rules say may
     * change from one review to the next, and a worker given back before it was there served
     * nobody.
     */
    private static final double KEPT = 0.5;

    /** Said when what has lasted needs more than the rule has. */
    private static final String LASTING = ", and for all that has lasted";

    private static final double TICK_SECONDS = 5;
    private static final double LONGEST_TICK_SECONDS = 600;
    private static final double TICK_GROWTH = 1.3;

    private final int capacity;
    private double startUp;
    private double budget;
    private final RulePanel panel;
    private final Prior prior;
    private final SustainedDemand lasting;
    private final RecentMost asked = new RecentMost();
    private long origin = Long.MIN_VALUE;
    private double time;
    private double demand = -1;
    private double coldSince = Double.NaN;
    private int coldWorkers;
    private double price;
    private double reviewed = Double.NEGATIVE_INFINITY;
    private double pause = REVIEW_SECONDS;
    private double priced = Double.NEGATIVE_INFINITY;
    private double pricedDue;
    private int chosenLevel = -1;
    private int chosen;
    private double tick = TICK_SECONDS;

    private Outlook outlook = Outlook.NONE;
    private int texted = -1;
    private String text = "";

    DemandLearner(PoolSettings pool) {
        capacity = pool.capacity();
        startUp = Math.max(0.1, pool.startUpMillis() / 1000.0);
        budget = Math.max(1e-5, pool.lateBudget());
        double perWait = CHUNKS_PER_WAIT * pool.chunkIntervalMillis() / 1000.0;
        panel = new RulePanel(capacity, startUp, perWait, Double.POSITIVE_INFINITY);
        prior = Prior.of(capacity, startUp, perWait);
        price = USUAL_PRICE / budget;
        lasting = new SustainedDemand(capacity);
    }

    @Override
    public Learner with(PoolSettings pool) {
        if (pool.capacity() != capacity) {
            return new DemandLearner(pool);
        }
        startUp = Math.max(0.1, pool.startUpMillis() / 1000.0);
        budget = Math.max(1e-5, pool.lateBudget());
        panel.startUp(startUp);
        return this;
    }

    @Override
    public Outlook observe(
            long nowMillis, double demandNow, double dueSeconds, double lateSeconds) {
        if (origin == Long.MIN_VALUE) {
            origin = nowMillis;
        }
        double now = (nowMillis - origin) / 1000.0;
        if (now == time && demandNow == demand) {
            return outlook;
        }
        boolean steady = demandNow == demand;
        tick = steady ? Math.min(LONGEST_TICK_SECONDS, tick * TICK_GROWTH) : TICK_SECONDS;
        pause = steady ? pause : REVIEW_SECONDS;
        time = now;
        demand = demandNow;
        panel.observe(now, demand);
        if (demand > 0 && Double.isNaN(coldSince)) {
            coldSince = now;
            // Nobody can serve before the first worker is there, and until growth has been seen
            // for a start-up time it is extrapolated rather than left to a rule.
            panel.countFrom(now + 3 * startUp);
        }
        int level = panel.level();
        if (level != chosenLevel || now - reviewed >= pause) {
            review(now, level, dueSeconds, lateSeconds);
            pause = steady ? Math.min(LONGEST_TICK_SECONDS, 2 * pause) : pause;
        }
        int byRule = asked.say(now, Math.max(panel.workers(chosen), cold(now)), KEPT * startUp);
        int least = lasting.observe(now, demand, startUp);
        double wake =
                Math.min(
                        now + tick,
                        Math.min(
                                panel.nextRelease(chosen),
                                Math.min(
                                        lasting.nextChange(startUp), asked.falls(KEPT * startUp))));
        if (chosen != texted) {
            texted = chosen;
            text = panel.rule(chosen).text(RulePanel.SIGNALS);
        }
        outlook =
                new Outlook(
                        true,
                        Math.max(byRule, least),
                        origin + (long) Math.ceil(wake * 1000),
                        price,
                        least > byRule ? text + LASTING : text);
        return outlook;
    }

    /**
     * Workers for a start from nothing. Until a start-up time has passed nobody knows the level the
     * load is rising to: it is taken to go on rising as it has since the first session came, which
     * alone says nothing of how many will follow; until all are gone again.
     */
    private int cold(double now) {
        if (Double.isNaN(coldSince) || now - coldSince >= 2 * startUp) {
            return 0;
        }
        double since = now - coldSince;
        if (since < startUp) {
            double more = Math.max(0, demand - 1) * startUp / (since + COLD_SECONDS);
            coldWorkers = Math.max(coldWorkers, (int) Math.ceil((demand + more) / capacity));
        }
        if (demand == 0) {
            coldWorkers = 0;
        }
        return coldWorkers;
    }

    private void review(double now, int level, double dueSeconds, double lateSeconds) {
        reviewed = now;
        chosenLevel = level;
        double wide = SHARED_SECONDS * Math.sqrt(USUAL_BUDGET / budget);
        double shared = Math.min(1, wide / Math.max(1, panel.seconds));
        if (now - priced >= REVIEW_SECONDS && panel.due > pricedDue * MORE_SEEN) {
            priced = now;
            pricedDue = panel.due;
            price(shared, dueSeconds, lateSeconds);
        }
        chosen = best(level, price, shared);
    }

    private void price(double shared, double dueSeconds, double lateSeconds) {
        double target = budget * AIM;
        double usual = USUAL_PRICE / budget;
        double low = usual / FAR;
        double high = usual * FAR;
        for (int i = 0; i < 9; i++) {
            double middle = Math.sqrt(low * high);
            double late = 0;
            double due = 0;
            for (int c = 0; c < RulePanel.LEVELS; c++) {
                if (panel.levelSeconds[c] > 0) {
                    int e = best(c, middle, shared);
                    double believed = Math.min(1, panel.levelSeconds[c] / prior.seconds[c]);
                    believed = prior.seconds[c] > 0 ? believed : 0;
                    late += panel.late[c][e] + believed * prior.late[c][e];
                    due += panel.levelDue[c] + believed * prior.due[c];
                }
            }
            if (late <= target * due) {
                high = middle;
            } else {
                low = middle;
            }
        }
        double ahead =
                Math.max(
                        HORIZON_SECONDS * Math.max(1, panel.meanDemand()),
                        dueSeconds * HORIZON_SHARE);
        double used = (lateSeconds + target * ahead) / (target * (dueSeconds + ahead));
        price = high * Math.pow(used, FIRMNESS);
    }

    private int best(int level, double at, double shared) {
        double[] cost = panel.cost[level];
        double[] late = panel.late[level];
        double[] priorCost = prior.cost[level];
        double[] priorLate = prior.late[level];
        double[] totalCost = panel.totalCost;
        double[] totalLate = panel.totalLate;
        double least = Double.POSITIVE_INFINITY;
        int best = 0;
        for (int e = 0; e < cost.length; e++) {
            double sum =
                    cost[e]
                            + priorCost[e]
                            + shared * totalCost[e]
                            + at * (late[e] + priorLate[e] + shared * totalLate[e]);
            if (sum < least) {
                least = sum;
                best = e;
            }
        }
        return best;
    }
}
