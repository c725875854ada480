package io.reelfleet.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** Columns as wide as their widest cell, three spaces between them, like kubectl's. */
final class Table {
    private final List<List<String>> rows = new ArrayList<>();

    void row(List<String> cells) {
        rows.add(cells.stream().map(c -> c.isEmpty() ? "-" : c).toList());
    }

    void print(PrintWriter out) {
        int columns = rows.getFirst().size();
        int[] width = new int[columns];
        for (List<String> row : rows) {
            for (int i = 0; i < columns; i++) {
                width[i] = Math.max(width[i], row.get(i).length());
            }
        }
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < columns; i++) {
                line.append(row.get(i));
                if (i + 1 < columns) {
                    line.append(" ".repeat(width[i] - row.get(i).length() + 3));
                }
            }
            out.println(line);
        }
    }
}
