package io.reelfleet.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;

/** One benchmark of {@code ./reelfleet bench}. */
interface Bench {

    /** What people type. */
    String name();

    /** What it measures, as one line of help. */
    String measures();

    /**
     * Measures.
     *
     * @param out where it may leave files of its own
     * @param progress lines for the person who waits
     */
    List<Figure> run(Path out, PrintWriter progress) throws Exception;

    /**
     * One measured figure.
     *
     * @param name with its unit at the end, as it stands in {@code bench.json}: {@code
     *     decision_p99_us_64_workers}
     * @param what it is, for people
     * @param value as measured
     * @param unit of it and of {@code limit}
     * @param limit the rival's figure or the goal it is held against; NaN when there is none
     * @param whose limit that is: "paper", "goal", "raw link"
     */
    record Figure(
            String name, String what, double value, String unit, double limit, String whose) {}
}
