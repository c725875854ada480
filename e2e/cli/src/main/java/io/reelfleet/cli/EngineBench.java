package io.reelfleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.cli.fleet.Checkout;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The engine beside PyTorch eager, a plain copy and its own memory formula; measured in a JVM that
 * has LibTorch. PyTorch is measured where {@code REELFLEET_PYTHON} (or {@code python3}) has torch
 * and safetensors.
 */
final class EngineBench implements Bench {
    private static final String MAIN = "io.reelfleet.engine.tool.EngineBench";

    @Override
    public String name() {
        return "engine";
    }

    @Override
    public String measures() {
        return "generation beside PyTorch eager (REELFLEET_PYTHON), suspend and resume, memory";
    }

    @Override
    public List<Figure> run(Path out, PrintWriter progress) throws Exception {
        Checkout checkout = Checkout.find();
        Path file = Files.createTempFile("reelfleet-bench-", ".json");
        try {
            String python = System.getenv().getOrDefault("REELFLEET_PYTHON", "python3");
            Path training = checkout.root().resolve("runtime/engine/training");
            int code =
                    ChildJava.run(
                            checkout.workerLibraries() + "/*",
                            MAIN,
                            List.of(
                                    file.toString(),
                                    "--python",
                                    python,
                                    "--training",
                                    training.toString()));
            if (code != 0) {
                throw new Failure("the engine's benchmark ended with exit code " + code);
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
