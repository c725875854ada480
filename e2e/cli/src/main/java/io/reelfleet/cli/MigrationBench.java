package io.reelfleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.cli.fleet.Checkout;
import java.io.File;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How long a session stands still while it moves, and bytes per second beside c10d alone. */
final class MigrationBench implements Bench {
    private static final String MAIN = "io.reelfleet.server.session.MoveBench";

    @Override
    public String name() {
        return "migration";
    }

    @Override
    public String measures() {
        return "a session that moves while it streams: how long it stands still, bytes per second";
    }

    @Override
    public List<Figure> run(Path out, PrintWriter progress) throws Exception {
        Path libraries = Checkout.find().workerLibraries();
        Path worker = libraries.resolveSibling("..").resolve("app").normalize();
        Path file = Files.createTempFile("reelfleet-bench-", ".json");
        try {
            int code =
                    ChildJava.run(
                            libraries + "/*" + File.pathSeparator + worker + "/*",
                            MAIN,
                            List.of(file.toString()));
            if (code != 0) {
                throw new Failure("the benchmark of moves ended with exit code " + code);
            }
            List<Figure> figures = new ArrayList<>();
            for (JsonNode node : new ObjectMapper().readTree(file.toFile())) {
                figures.add(
                        new Figure(
                                node.path("name").asText(),
                                node.path("what").asText(),
                                node.path("value").asDouble(),
                                node.path("unit").asText(),
                                node.path("limit").asDouble(Double.NaN),
                                node.path("whose").asText()));
            }
            return figures;
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
