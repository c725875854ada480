package io.reelfleet.crds;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.exc.InvalidFormatException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Reads documents of YAML (or JSON) as strictly as {@code kubectl apply} does: unknown fields and
 * values of a wrong type are refused. What the rules say of the result is {@link SessionRules}' and
 * {@link PoolRules}' to tell.
 */
public final class Documents {
    private static final String API_VERSION = "reelfleet.io/v1alpha1";

    private static final YAMLMapper MAPPER =
            YAMLMapper.builder()
                    .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                    .build();

    private Documents() {}

    /**
     * All documents of a text, empty ones left out.
     *
     * @throws InvalidDocumentException in a sentence, for the first that cannot be read
     */
    public static List<HasMetadata> read(String text) {
        List<HasMetadata> documents = new ArrayList<>();
        try (var parser = MAPPER.getFactory().createParser(text);
                var trees = MAPPER.readerFor(JsonNode.class).<JsonNode>readValues(parser)) {
            while (trees.hasNextValue()) {
                JsonNode tree = trees.nextValue();
                if (tree != null && !tree.isNull() && !tree.isMissingNode()) {
                    documents.add(read(tree));
                }
            }
        } catch (JsonProcessingException e) {
            throw new InvalidDocumentException(
                    "line "
                            + (e.getLocation() == null ? 1 : e.getLocation().getLineNr())
                            + " is not YAML: "
                            + e.getOriginalMessage().lines().findFirst().orElse("it cannot be read")
                            + "; correct it there");
        } catch (IOException e) {
            throw new InvalidDocumentException("the text cannot be read: " + e.getMessage());
        }
        return documents;
    }

    /**
     * The one VideoSession of a text.
     *
     * @throws InvalidDocumentException in a sentence, when it is none
     */
    public static VideoSession readSession(String text) {
        if (read(text) instanceof List<HasMetadata> all
                && all.size() == 1
                && all.get(0) instanceof VideoSession session) {
            return session;
        }
        throw new InvalidDocumentException(
                "one VideoSession is wanted here; write one document with kind: VideoSession");
    }

    private static HasMetadata read(JsonNode tree) {
        if (!(tree instanceof ObjectNode document)) {
            throw new InvalidDocumentException(
                    "a document is no object; write apiVersion: "
                            + API_VERSION
                            + ", kind, metadata and spec");
        }
        if (!API_VERSION.equals(document.path("apiVersion").asText())) {
            throw new InvalidDocumentException(
                    "apiVersion: \""
                            + document.path("apiVersion").asText()
                            + "\" is not known; write "
                            + API_VERSION);
        }
        return switch (document.path("kind").asText()) {
            case "VideoSession" -> {
                VideoSession session = new VideoSession();
                session.setMetadata(metadata(document));
                session.setSpec(value(document, "spec", VideoSessionSpec.class));
                session.setStatus(value(document, "status", VideoSessionStatus.class));
                yield session;
            }
            case "GPUPool" -> {
                GPUPool pool = new GPUPool();
                pool.setMetadata(metadata(document));
                pool.setSpec(value(document, "spec", GPUPoolSpec.class));
                pool.setStatus(value(document, "status", GPUPoolStatus.class));
                yield pool;
            }
            default ->
                    throw new InvalidDocumentException(
                            "kind: \""
                                    + document.path("kind").asText()
                                    + "\" is not known; write VideoSession or GPUPool");
        };
    }

    private static ObjectMeta metadata(ObjectNode document) {
        ObjectMeta metadata = value(document, "metadata", ObjectMeta.class);
        if (metadata == null
                || (metadata.getName() == null && metadata.getGenerateName() == null)) {
            throw new InvalidDocumentException(
                    "metadata.name: Required value; write what the resource is called");
        }
        return metadata;
    }

    private static <T> T value(ObjectNode document, String field, Class<T> type) {
        JsonNode node = document.get(field);
        if (node == null || node.isNull()) {
            return null;
        }
        try {
            return MAPPER.treeToValue(node, type);
        } catch (UnrecognizedPropertyException e) {
            throw new InvalidDocumentException(
                    "unknown field \""
                            + path(field, e)
                            + "\"; write one of "
                            + e.getKnownPropertyIds().stream()
                                    .map(String::valueOf)
                                    .sorted()
                                    .collect(Collectors.joining(", ")));
        } catch (InvalidFormatException e) {
            throw new InvalidDocumentException(
                    path(field, e) + ": " + wrongValue(e.getValue(), e.getTargetType()));
        } catch (MismatchedInputException e) {
            throw new InvalidDocumentException(
                    path(field, e) + ": " + wrongType(e.getTargetType()));
        } catch (JsonMappingException e) {
            throw new InvalidDocumentException(path(field, e) + ": " + e.getOriginalMessage());
        } catch (JsonProcessingException e) {
            throw new InvalidDocumentException(field + ": " + e.getOriginalMessage());
        }
    }

    private static String wrongValue(Object value, Class<?> type) {
        if (!type.isEnum()) {
            return "\"" + value + "\" " + wrongType(type);
        }
        return "Unsupported value: \""
                + value
                + "\": supported values: "
                + Arrays.stream(type.getEnumConstants())
                        .map(c -> MAPPER.convertValue(c, String.class))
                        .sorted()
                        .map(c -> '"' + c + '"')
                        .collect(Collectors.joining(", "));
    }

    private static String wrongType(Class<?> type) {
        if (type == null) {
            return "the value has a wrong type";
        }
        if (type == Integer.class || type == Long.class) {
            return "is not a whole number; write one";
        }
        if (type == Double.class) {
            return "is not a number; write one";
        }
        if (type == String.class) {
            return "is not text; write text";
        }
        if (List.class.isAssignableFrom(type)) {
            return "is not a list; write one, each item after a dash";
        }
        return "is not an object; write its fields below it";
    }

    private static String path(String field, JsonMappingException e) {
        StringBuilder path = new StringBuilder(field);
        for (JsonMappingException.Reference r : e.getPath()) {
            if (r.getFieldName() == null) {
                path.append('[').append(r.getIndex()).append(']');
            } else {
                path.append('.').append(r.getFieldName());
            }
        }
        return path.toString();
    }
}
