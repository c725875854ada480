package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.BudgetSplit;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * Budgets that several pools share. Each pool's loop says again and again what it wants and what it
 * has, and is told how many workers it may have; {@link BudgetSplit} says who gains most. What all
 * of a group have or have been told they may have is never worth more than its budget, save for
 * minimums: a pool gets a worker only once another one has really given its own back. Any thread
 * may call it.
 */
public final class SharedBudgets {
    /** No limit. */
    static final int UNLIMITED = Integer.MAX_VALUE;

    /** A pool gives workers up to another one when that has been right for so long. */
    private static final long HOLD_MILLIS = 60_000;

    private final TreeMap<String, Member> members = new TreeMap<>();
    private long term;

    /**
     * What a pool says of itself.
     *
     * @param group whose budget it shares; empty for none
     * @param budgetPerHour of that group, in money; the smallest that a member names holds
     * @param minimum workers it must have
     * @param wanted workers it wants, within its own limits
     * @param load ordinary sessions that want chunks
     * @param capacity sessions per worker
     * @param price of a worker for an hour
     * @param held workers that are paid for, whatever their state
     */
    record Claim(
            String group,
            double budgetPerHour,
            int minimum,
            int wanted,
            double load,
            int capacity,
            double price,
            int held) {}

    private static final class Member {
        /** Null before its loop knows its workers. */
        private Claim claim;

        private String group;
        private int granted;
        private long lessSince = Long.MAX_VALUE;

        int counted() {
            return Math.max(claim.held(), granted);
        }
    }

    /**
     * A pool's loop begins; nobody of its group grows until it knows what it has.
     *
     * @param ofTerm loops of earlier terms are no more
     */
    synchronized void join(String pool, String group, long ofTerm) {
        if (ofTerm > term) {
            term = ofTerm;
            members.clear();
        }
        Member m = new Member();
        m.group = group;
        members.put(pool, m);
    }

    /** A pool is gone, and so are its workers. */
    synchronized void leave(String pool, long ofTerm) {
        if (ofTerm == term) {
            members.remove(pool);
        }
    }

    /** The most workers that a pool may have now. */
    synchronized int limit(String pool, Claim claim, long now) {
        Member me = members.computeIfAbsent(pool, p -> new Member());
        me.claim = claim;
        me.group = claim.group();
        if (claim.group().isEmpty() || !(claim.price() > 0)) {
            me.granted = claim.held();
            return UNLIMITED;
        }
        List<Member> group = new ArrayList<>();
        for (Member m : members.values()) {
            if (claim.group().equals(m.group)) {
                group.add(m);
            }
        }
        if (group.stream().anyMatch(m -> m.claim == null)) {
            me.granted = claim.held();
            return me.granted;
        }
        double budget =
                group.stream().mapToDouble(m -> m.claim.budgetPerHour()).min().orElseThrow();
        int share =
                BudgetSplit.share(group.stream().map(m -> claimed(m.claim)).toList(), budget)[
                        group.indexOf(me)];
        int may = held(me, share, now);
        double others = 0;
        for (Member m : group) {
            others += m == me ? 0 : m.counted() * m.claim.price();
        }
        int affordable = (int) Math.floor((budget - others) / claim.price() + 1e-9);
        may = Math.min(may, Math.max(claim.held(), affordable));
        me.granted = Math.max(may, claim.minimum());
        return me.granted;
    }

    private static BudgetSplit.Claim claimed(Claim c) {
        return new BudgetSplit.Claim(
                c.minimum(), Math.max(c.minimum(), c.wanted()), c.load(), c.capacity(), c.price());
    }

    /** The share, or what it has while the share has not been less for long enough. */
    private static int held(Member me, int share, long now) {
        if (share >= me.claim.held()) {
            me.lessSince = Long.MAX_VALUE;
            return share;
        }
        me.lessSince = Math.min(me.lessSince, now);
        return now - me.lessSince >= HOLD_MILLIS ? share : me.claim.held();
    }
}
