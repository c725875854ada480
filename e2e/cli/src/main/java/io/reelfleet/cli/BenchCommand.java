package io.reelfleet.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code ./reelfleet bench}: figures, each beside its rival or limit. */
@Command(
        name = "bench",
        description = {
            "Measure, and print each figure beside its rival or limit.",
            "Without a NAME: all of them. The figures also go to bench.json in --out."
        },
        footer = {
            "",
            "Names:",
            "  controls    from a viewer's control to the first chunk under it, over the whole road",
            "  decide      time of a scheduling decision, by workers",
            "  engine      generation beside PyTorch eager, suspend and resume, memory",
            "  migration   how long a session stands still while it moves, and bytes per second",
            "  recovery    from the death of a worker to its session's next chunk"
        },
        mixinStandardHelpOptions = true)
final class BenchCommand implements Runnable {
    /** A benchmark is added by a line here and one in the footer above. */
    private static final List<Bench> ALL =
            List.of(
                    new ControlsBench(),
                    new DecideBench(),
                    new EngineBench(),
                    new MigrationBench(),
                    new RecoveryBench());

    @Parameters(paramLabel = "NAME", arity = "0..*", description = "What to measure.")
    private List<String> names = List.of();

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "reelfleet-out",
            description = "Where bench.json goes (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Spec private CommandSpec spec;

    @Override
    public void run() {
        List<Bench> chosen = names.isEmpty() ? ALL : names.stream().map(this::named).toList();
        PrintWriter terminal = spec.commandLine().getOut();
        Map<Bench, List<Bench.Figure>> figures = new LinkedHashMap<>();
        Path file = out.toAbsolutePath().normalize().resolve("bench.json");
        try {
            Files.createDirectories(file.getParent());
            for (Bench bench : chosen) {
                terminal.println(bench.name() + ": " + bench.measures());
                terminal.flush();
                figures.put(bench, bench.run(file.getParent(), terminal));
                table(figures.get(bench)).print(terminal);
                terminal.println();
            }
            Files.writeString(file, json(figures));
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new Failure("the benchmark failed: " + e.getMessage());
        }
        terminal.println("Figures: " + file);
        terminal.flush();
    }

    private Bench named(String name) {
        for (Bench bench : ALL) {
            if (bench.name().equals(name)) {
                return bench;
            }
        }
        throw new ParameterException(
                spec.commandLine(),
                "there is no benchmark "
                        + name
                        + "; write one of "
                        + String.join(", ", ALL.stream().map(Bench::name).toList()));
    }

    private static Table table(List<Bench.Figure> figures) {
        Table table = new Table();
        table.row(List.of("FIGURE", "MEASURED", "LIMIT", "WHOSE"));
        for (Bench.Figure f : figures) {
            table.row(
                    List.of(
                            f.what(),
                            number(f.value()) + " " + f.unit(),
                            Double.isNaN(f.limit()) ? "" : number(f.limit()) + " " + f.unit(),
                            f.whose()));
        }
        return table;
    }

    private static String number(double value) {
        double size = Math.abs(value);
        String form = size >= 1_000 ? "%,.0f" : size >= 10 ? "%.1f" : "%.3f";
        return String.format(Locale.ROOT, form, value);
    }

    private static String json(Map<Bench, List<Bench.Figure>> figures) throws Exception {
        ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        ObjectNode top = mapper.createObjectNode();
        ArrayNode all = top.putArray("benchmarks");
        for (Map.Entry<Bench, List<Bench.Figure>> e : figures.entrySet()) {
            ObjectNode bench = all.addObject();
            bench.put("name", e.getKey().name());
            bench.put("measures", e.getKey().measures());
            ArrayNode list = bench.putArray("figures");
            for (Bench.Figure f : new ArrayList<>(e.getValue())) {
                ObjectNode figure = list.addObject();
                figure.put("name", f.name());
                figure.put("what", f.what());
                figure.put("value", f.value());
                figure.put("unit", f.unit());
                if (!Double.isNaN(f.limit())) {
                    figure.put("limit", f.limit());
                    figure.put("whose", f.whose());
                }
            }
        }
        return mapper.writeValueAsString(top) + "\n";
    }
}
