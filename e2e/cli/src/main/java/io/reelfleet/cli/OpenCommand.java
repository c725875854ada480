package io.reelfleet.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.cli.allocator.Allocator;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code reelfleet open -f FILE}. */
@Command(
        name = "open",
        description = "Open the sessions of a YAML file, the same that 'kubectl apply -f' takes.",
        mixinStandardHelpOptions = true)
final class OpenCommand implements Callable<Integer> {
    private static final long SIZE_LIMIT = 4 << 20;

    @Option(
            names = "-f",
            required = true,
            paramLabel = "FILE",
            description = "VideoSession documents; - reads standard input.")
    private String file;

    @Mixin private FleetClient client;
    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
        List<JsonNode> documents = documents();
        Allocator allocator = client.allocator();
        PrintWriter out = spec.commandLine().getOut();
        for (JsonNode document : documents) {
            String name = document.path("metadata").path("name").asText("?");
            try {
                OpenSessionResponse opened =
                        allocator.openDocument(
                                YAMLMapper.builder().build().writeValueAsString(document));
                out.println(
                        "session "
                                + opened.getSession().getSpec().getNamespace()
                                + "/"
                                + opened.getSession().getSpec().getName()
                                + " is open: "
                                + opened.getSession().getUrl());
            } catch (Allocator.Refused e) {
                throw new Failure(file + ", session " + name + ": " + e.getMessage(), e);
            } catch (JsonProcessingException e) {
                throw new Failure(file + ", session " + name + ": " + e.getOriginalMessage(), e);
            }
        }
        out.println("A viewer needs a token: ./reelfleet token NAME");
        return 0;
    }

    private List<JsonNode> documents() {
        String text;
        try {
            if (!file.equals("-") && Files.size(Path.of(file)) > SIZE_LIMIT) {
                throw new Failure(file + " is larger than 4 MiB");
            }
            text =
                    file.equals("-")
                            ? new String(
                                    System.in.readNBytes((int) SIZE_LIMIT), StandardCharsets.UTF_8)
                            : Files.readString(Path.of(file));
        } catch (NoSuchFileException e) {
            throw new Failure(file + " does not exist", e);
        } catch (IOException e) {
            throw new Failure(file + " cannot be read: " + e.getMessage(), e);
        }
        List<JsonNode> documents;
        YAMLMapper yaml = YAMLMapper.builder().build();
        try (MappingIterator<JsonNode> all = yaml.readerFor(JsonNode.class).readValues(text)) {
            documents =
                    all.readAll().stream()
                            .filter(d -> d != null && !d.isNull() && !d.isMissingNode())
                            .toList();
        } catch (JsonProcessingException e) {
            throw new Failure(
                    file
                            + (e.getLocation() == null
                                    ? ""
                                    : " line " + e.getLocation().getLineNr())
                            + " is not YAML: "
                            + e.getOriginalMessage().lines().findFirst().orElse(""),
                    e);
        } catch (IOException e) {
            throw new Failure(file + " is not YAML: " + e.getMessage(), e);
        }
        if (documents.isEmpty()) {
            throw new Failure(
                    file
                            + " holds no document: write a VideoSession, as in docs/examples/session.yaml");
        }
        for (JsonNode document : documents) {
            String kind = document.path("kind").asText("");
            if (!kind.equals("VideoSession")) {
                throw new Failure(
                        file
                                + ": kind is "
                                + (kind.isEmpty() ? "missing" : kind)
                                + ": write kind: VideoSession"
                                + (kind.equals("GPUPool")
                                        ? " (a pool is made with kubectl, or by ./reelfleet up)"
                                        : ""));
            }
        }
        return documents;
    }
}
