package io.reelfleet.cli;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import com.google.protobuf.util.JsonFormat;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.ListSessionsResponse;
import io.reelfleet.api.allocator.v1.MoveRecord;
import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.cli.allocator.Allocator;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code reelfleet get}. */
@Command(
        name = "get",
        description = "List sessions, pools, or the last moves of sessions.",
        mixinStandardHelpOptions = true)
final class GetCommand implements Callable<Integer> {
    /** What can be listed. */
    enum What {
        sessions,
        pools,
        moves
    }

    /** How it is printed. */
    enum Output {
        json,
        wide
    }

    @Parameters(
            arity = "0..1",
            paramLabel = "sessions|pools|moves",
            defaultValue = "sessions",
            description = "What to list (default: ${DEFAULT-VALUE}).")
    private What what;

    @Option(names = "-o", paramLabel = "json|wide", description = "As JSON, or with more columns.")
    private Output output;

    @Mixin private FleetClient client;
    @Spec private CommandSpec spec;

    @Override
    public Integer call() throws InvalidProtocolBufferException {
        Allocator allocator = client.allocator();
        PrintWriter out = spec.commandLine().getOut();
        try {
            switch (what) {
                case sessions -> {
                    ListSessionsResponse sessions = allocator.sessions();
                    if (output == Output.json) {
                        out.println(
                                JsonFormat.printer()
                                        .alwaysPrintFieldsWithNoPresence()
                                        .print(sessions));
                    } else {
                        printSessions(sessions.getSessionsList(), out);
                    }
                }
                case pools, moves -> {
                    Fleet fleet = allocator.fleet();
                    if (output == Output.json) {
                        out.println(
                                JsonFormat.printer()
                                        .alwaysPrintFieldsWithNoPresence()
                                        .print(fleet));
                    } else if (what == What.moves) {
                        printMoves(fleet.getPoolsList(), out);
                    } else {
                        printPools(fleet.getPoolsList(), out);
                    }
                }
            }
        } catch (Allocator.Refused e) {
            throw new Failure(e.getMessage(), e);
        }
        return 0;
    }

    private void printSessions(List<Session> sessions, PrintWriter out) {
        if (sessions.isEmpty()) {
            out.println("No sessions. Open one: ./reelfleet open -f docs/examples/session.yaml");
            return;
        }
        boolean wide = output == Output.wide;
        Table table = new Table();
        List<String> head =
                new ArrayList<>(
                        List.of("NAMESPACE", "NAME", "PHASE", "POOL", "WORKER", "CHUNKS", "AGE"));
        if (wide) {
            head.addAll(List.of("EPOCH", "UID", "PROMPT", "URL", "MESSAGE"));
        }
        table.row(head);
        for (Session s : sessions) {
            List<String> row =
                    new ArrayList<>(
                            List.of(
                                    s.getSpec().getNamespace(),
                                    s.getSpec().getName(),
                                    s.getPhase(),
                                    s.getSpec().getPool(),
                                    s.getWorker(),
                                    Long.toString(s.getNextChunk()),
                                    age(s.getOpenedAt())));
            if (wide) {
                row.addAll(
                        List.of(
                                Long.toString(s.getEpoch()),
                                s.getSpec().getUid(),
                                prompt(s),
                                s.getUrl(),
                                s.getMessage()));
            }
            table.row(row);
        }
        table.print(out);
    }

    private void printPools(List<Pool> pools, PrintWriter out) {
        Table table = new Table();
        List<String> head =
                new ArrayList<>(
                        List.of(
                                "POOL",
                                "MODEL",
                                "READY",
                                "WANTED",
                                "ACTIVE",
                                "QUEUED",
                                "SUSPENDED",
                                "P99",
                                "LATE"));
        if (output == Output.wide) {
            head.addAll(List.of("CHUNKS", "WORKER-SECONDS", "WHY"));
        }
        table.row(head);
        for (Pool p : pools) {
            List<String> row =
                    new ArrayList<>(
                            List.of(
                                    p.getName(),
                                    p.getModel(),
                                    Integer.toString(p.getWorkersReady()),
                                    Integer.toString(p.getWorkersWanted()),
                                    Integer.toString(p.getSessionsActive()),
                                    Integer.toString(p.getSessionsQueued()),
                                    Integer.toString(p.getSessionsSuspended()),
                                    String.format(
                                            Locale.ROOT, "%.0f ms", p.getChunkLatencyP99S() * 1000),
                                    Long.toString(p.getChunksLate())));
            if (output == Output.wide) {
                row.addAll(
                        List.of(
                                Long.toString(p.getChunksGenerated()),
                                String.format(Locale.ROOT, "%.0f", p.getWorkerSeconds()),
                                p.getReason()));
            }
            table.row(row);
        }
        table.print(out);
    }

    /** The newest first. */
    void printMoves(List<Pool> pools, PrintWriter out) {
        List<MoveRecord> moves =
                pools.stream()
                        .flatMap(p -> p.getMovesList().stream())
                        .sorted(
                                Comparator.comparingLong(
                                                (MoveRecord m) -> m.getOrderedAt().getSeconds())
                                        .reversed())
                        .toList();
        if (moves.isEmpty()) {
            out.println("No session has moved since the operator started.");
            return;
        }
        boolean wide = output == Output.wide;
        Table table = new Table();
        List<String> head =
                new ArrayList<>(
                        List.of(
                                "AGE", "SESSION", "FROM", "TO", "WHY", "BY", "STILL", "WHOLE",
                                "OUTCOME"));
        if (wide) {
            head.addAll(List.of("SENT-BEFORE", "SENT-AFTER", "UID", "MESSAGE"));
        }
        table.row(head);
        for (MoveRecord m : moves) {
            List<String> row =
                    new ArrayList<>(
                            List.of(
                                    age(m.getOrderedAt()),
                                    m.getSessionName(),
                                    m.getFrom(),
                                    m.getTo(),
                                    m.getReason(),
                                    m.getTransport(),
                                    figure(m, "%.0f ms", m.getFigures().getStoodStillMs()),
                                    figure(m, "%.0f ms", m.getFigures().getDurationMs()),
                                    m.getOutcome()));
            if (wide) {
                row.addAll(
                        List.of(
                                figure(m, "%.1f MB", m.getFigures().getBytesBefore() / 1e6),
                                figure(m, "%.1f MB", m.getFigures().getBytesAfter() / 1e6),
                                m.getSessionUid(),
                                m.getSentence()));
            }
            table.row(row);
        }
        table.print(out);
    }

    private static String figure(MoveRecord move, String format, double value) {
        return move.hasFigures() ? String.format(Locale.ROOT, format, value) : "";
    }

    private static String prompt(Session s) {
        return s.getSpec().getControlsList().stream()
                .filter(c -> c.getKind().equals("prompt"))
                .map(Control::getText)
                .reduce((a, b) -> b)
                .orElse("");
    }

    private static String age(Timestamp since) {
        if (since.getSeconds() == 0) {
            return "";
        }
        long seconds =
                Math.max(
                        0,
                        Duration.between(Instant.ofEpochSecond(since.getSeconds()), Instant.now())
                                .toSeconds());
        return seconds < 120
                ? seconds + "s"
                : seconds < 7200 ? seconds / 60 + "m" : seconds / 3600 + "h";
    }
}
