package io.reelfleet.engine.weights;

import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.reelfleet.engine.ModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A JSON configuration file whose fields are read by name, type and range; every error names file
 * and field.
 */
public final class Json {
    private static final long MAX_BYTES = 4 << 20;

    /** Far above any model's; what a file may make the reader hold is bounded by them. */
    private static final JsonMapper MAPPER =
            JsonMapper.builder(
                            new JsonFactoryBuilder()
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(64)
                                                    .maxTokenCount(500_000)
                                                    .build())
                                    .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    private final Path path;
    private final JsonNode root;

    private Json(Path path, JsonNode root) {
        this.path = path;
        this.root = root;
    }

    /** Reads {@code path}, which must hold a JSON object. */
    public static Json read(Path path) throws ModelException {
        JsonNode root = tree(path);
        if (!root.isObject()) {
            throw new ModelException(path + " must hold a JSON object");
        }
        return new Json(path, root);
    }

    /** Reads {@code path}, which must hold a JSON list. */
    public static Iterable<JsonNode> readList(Path path) throws ModelException {
        JsonNode root = tree(path);
        if (!root.isArray()) {
            throw new ModelException(path + " must hold a JSON list");
        }
        return root;
    }

    private static JsonNode tree(Path path) throws ModelException {
        if (!Files.isRegularFile(path)) {
            throw new ModelException(path + " is missing");
        }
        try {
            if (Files.size(path) > MAX_BYTES) {
                throw new ModelException(path + " is larger than " + MAX_BYTES + " bytes");
            }
            return MAPPER.readTree(Files.readAllBytes(path));
        } catch (JsonProcessingException e) {
            throw new ModelException(path + " is not JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new ModelException(path + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** An empty object that stands for a file that is not there. */
    public static Json absent(Path path) {
        return new Json(path, MAPPER.createObjectNode());
    }

    public Path path() {
        return path;
    }

    /** True if the field is there and not null. */
    public boolean has(String field) {
        return root.hasNonNull(field);
    }

    /** The raw field, for shapes that the readers below do not know. */
    public JsonNode get(String field) {
        return root.path(field);
    }

    /** A whole number between {@code low} and {@code high}. */
    public int integer(String field, int low, int high) throws ModelException {
        JsonNode node = root.path(field);
        if (!node.isIntegralNumber()
                || !node.canConvertToInt()
                || node.asInt() < low
                || node.asInt() > high) {
            throw wrong(field, "a whole number from " + low + " to " + high);
        }
        return node.asInt();
    }

    /** As {@link #integer(String, int, int)}, {@code otherwise} where the field is not there. */
    public int integer(String field, int low, int high, int otherwise) throws ModelException {
        return has(field) ? integer(field, low, high) : otherwise;
    }

    /** A finite number greater than zero. */
    public double positive(String field, double otherwise) throws ModelException {
        if (!has(field)) {
            return otherwise;
        }
        JsonNode node = root.path(field);
        if (!node.isNumber() || !(node.asDouble() > 0) || !Double.isFinite(node.asDouble())) {
            throw wrong(field, "a number greater than 0");
        }
        return node.asDouble();
    }

    /** As {@link #positive(String, double)}, at most {@code high}. */
    public double positive(String field, double high, double otherwise) throws ModelException {
        double number = positive(field, otherwise);
        if (number > high) {
            throw wrong(field, "a number greater than 0 and at most " + high);
        }
        return number;
    }

    /** True or false. */
    public boolean flag(String field, boolean otherwise) throws ModelException {
        if (!has(field)) {
            return otherwise;
        }
        if (!root.path(field).isBoolean()) {
            throw wrong(field, "true or false");
        }
        return root.path(field).asBoolean();
    }

    /** A string. */
    public String text(String field, String otherwise) throws ModelException {
        if (!has(field)) {
            return otherwise;
        }
        if (!root.path(field).isTextual()) {
            throw wrong(field, "a string");
        }
        return root.path(field).asText();
    }

    /** A list of finite numbers, null where the field is not there. */
    public double[] numbers(String field) throws ModelException {
        if (!has(field)) {
            return null;
        }
        JsonNode node = root.path(field);
        if (!node.isArray()) {
            throw wrong(field, "a list of numbers");
        }
        double[] numbers = new double[node.size()];
        for (int i = 0; i < numbers.length; i++) {
            if (!node.get(i).isNumber() || !Double.isFinite(node.get(i).asDouble())) {
                throw wrong(field, "a list of numbers");
            }
            numbers[i] = node.get(i).asDouble();
        }
        return numbers;
    }

    /** A list of strings, null where the field is not there. */
    public List<String> texts(String field) throws ModelException {
        if (!has(field)) {
            return null;
        }
        if (!root.path(field).isArray()) {
            throw wrong(field, "a list of strings");
        }
        List<String> texts = new ArrayList<>();
        for (JsonNode node : root.path(field)) {
            if (!node.isTextual()) {
                throw wrong(field, "a list of strings");
            }
            texts.add(node.asText());
        }
        return texts;
    }

    /** An error about a field: what it holds and what it must be. */
    public ModelException wrong(String field, String expected) {
        JsonNode node = root.path(field);
        return new ModelException(
                path
                        + ": "
                        + field
                        + (node.isMissingNode() ? " is missing" : " is " + node)
                        + "; it must be "
                        + expected);
    }
}
