package io.reelfleet.replay.sim;

import java.util.Arrays;

/** What will happen, ordered by time and then by when it was entered; no object per entry. */
final class Agenda {
    static final int READY = 0;
    static final int CUT_OVER = 1;
    static final int ARRIVED = 2;
    static final int PARKED = 3;
    static final int FAILED = 4;

    private long[] time = new long[64];
    private long[] order = new long[64];
    private long[] what = new long[64];
    private int size;
    private long entered;

    /**
     * @param kind one of the constants
     * @param id a worker's or a session's number
     * @param generation tells who had the number when the entry was made
     */
    void add(long atMillis, int kind, int id, int generation) {
        if (size == time.length) {
            time = Arrays.copyOf(time, 2 * size);
            order = Arrays.copyOf(order, 2 * size);
            what = Arrays.copyOf(what, 2 * size);
        }
        int i = size++;
        long n = entered++;
        long packed = (long) kind << 60 | (long) (generation & 0xfffffff) << 32 | id;
        while (i > 0) {
            int parent = (i - 1) >>> 1;
            if (time[parent] <= atMillis) {
                break;
            }
            copy(parent, i);
            i = parent;
        }
        time[i] = atMillis;
        order[i] = n;
        what[i] = packed;
    }

    boolean isEmpty() {
        return size == 0;
    }

    /** When the next entry is due; {@link Long#MAX_VALUE} when there is none. */
    long next() {
        return size == 0 ? Long.MAX_VALUE : time[0];
    }

    /** Takes the next entry out; {@link #kind}, {@link #id} and {@link #generation} read it. */
    long take() {
        long taken = what[0];
        size--;
        if (size > 0) {
            long t = time[size];
            long n = order[size];
            long w = what[size];
            int i = 0;
            while (true) {
                int child = 2 * i + 1;
                if (child >= size) {
                    break;
                }
                if (child + 1 < size && before(child + 1, child)) {
                    child++;
                }
                if (time[child] > t || (time[child] == t && order[child] > n)) {
                    break;
                }
                copy(child, i);
                i = child;
            }
            time[i] = t;
            order[i] = n;
            what[i] = w;
        }
        return taken;
    }

    static int kind(long entry) {
        return (int) (entry >>> 60);
    }

    static int id(long entry) {
        return (int) entry;
    }

    static boolean current(long entry, int generation) {
        return (entry >>> 32 & 0xfffffff) == (generation & 0xfffffff);
    }

    private boolean before(int a, int b) {
        return time[a] < time[b] || (time[a] == time[b] && order[a] < order[b]);
    }

    private void copy(int from, int to) {
        time[to] = time[from];
        order[to] = order[from];
        what[to] = what[from];
    }
}
