package io.reelfleet.migration.protocol;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Visits every world that can be reached, and says whether each of them can still settle. */
final class Search {
    private final Model model;
    private final int most;
    private final List<World> worlds = new ArrayList<>();
    private final Map<World, Integer> numbers = new HashMap<>();
    private final Ints parents = new Ints();

    /** Steps that need no fault, as pairs from, to. */
    private final Ints from = new Ints();

    private final Ints to = new Ints();
    private long steps;

    Search(Model model, int most) {
        this.model = model;
        this.most = most;
    }

    /**
     * What the search found.
     *
     * @param states worlds visited
     * @param steps steps between them
     * @param problem what is wrong, with the way there; null when nothing is
     */
    record Finding(int states, long steps, String problem) {}

    Finding from(World start) {
        number(start, -1);
        for (int at = 0; at < worlds.size(); at++) {
            List<Model.Step> next;
            try {
                next = model.steps(worlds.get(at));
            } catch (Model.Violation e) {
                return new Finding(worlds.size(), steps, e.getMessage() + "\n" + way(at));
            }
            for (Model.Step step : next) {
                steps++;
                int there = number(step.to(), at);
                if (!step.fault()) {
                    from.add(at);
                    to.add(there);
                }
            }
            if (worlds.size() > most) {
                throw new IllegalStateException(
                        "more than " + most + " worlds, the last: " + worlds.getLast());
            }
        }
        return new Finding(worlds.size(), steps, stuck());
    }

    private int number(World world, int parent) {
        Integer known = numbers.get(world);
        if (known != null) {
            return known;
        }
        int number = worlds.size();
        worlds.add(world);
        numbers.put(world, number);
        parents.add(parent);
        return number;
    }

    /** A world from which no way without further faults leads to a settled one. */
    private String stuck() {
        int n = worlds.size();
        int[] first = new int[n + 1];
        for (int i = 0; i < to.size; i++) {
            first[to.values[i] + 1]++;
        }
        for (int i = 0; i < n; i++) {
            first[i + 1] += first[i];
        }
        int[] sources = new int[to.size];
        int[] fill = first.clone();
        for (int i = 0; i < to.size; i++) {
            sources[fill[to.values[i]]++] = from.values[i];
        }
        BitSet settles = new BitSet(n);
        Ints open = new Ints();
        for (int i = 0; i < n; i++) {
            if (Model.settled(worlds.get(i))) {
                settles.set(i);
                open.add(i);
            }
        }
        while (open.size > 0) {
            int at = open.values[--open.size];
            for (int i = first[at]; i < first[at + 1]; i++) {
                if (!settles.get(sources[i])) {
                    settles.set(sources[i]);
                    open.add(sources[i]);
                }
            }
        }
        int never = settles.nextClearBit(0);
        return never >= n ? null : "never settles: " + worlds.get(never) + "\n" + way(never);
    }

    private String way(int at) {
        List<String> way = new ArrayList<>();
        for (int here = at; parents.values[here] >= 0; here = parents.values[here]) {
            World world = worlds.get(here);
            for (Model.Step step : model.steps(worlds.get(parents.values[here]))) {
                if (step.to().equals(world)) {
                    way.add(step.what());
                    break;
                }
            }
        }
        return String.join("\n", way.reversed());
    }

    private static final class Ints {
        private int[] values = new int[1024];
        private int size;

        void add(int value) {
            if (size == values.length) {
                values = java.util.Arrays.copyOf(values, 2 * size);
            }
            values[size++] = value;
        }
    }
}
