package io.reelfleet.crds;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crdv2.generator.CRDGenerator;
import io.fabric8.crdv2.generator.CRDGenerator.CRDOutput;
import io.fabric8.kubernetes.api.model.HasMetadata;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.common.FlowStyle;
import org.snakeyaml.engine.v2.schema.CoreSchema;

/**
 * The custom resource definitions, made from the classes: fabric8's generator, and after it what
 * its annotations cannot say. {@code main} writes them to {@code crds/generated} and into the
 * chart.
 */
public final class Definitions {
    private static final List<Class<? extends HasMetadata>> KINDS =
            List.of(GPUPool.class, VideoSession.class);
    private static final String HEADER =
            "# Generated from the classes of crds/src/main; change those, then run: mvn -pl crds test -Dreelfleet.crds.write\n";

    private Definitions() {}

    /** Definition of each kind as YAML, by file name such as {@code gpupools.reelfleet.io.yaml}. */
    public static Map<String, String> generate() {
        Map<String, String> files = new TreeMap<>();
        for (Class<? extends HasMetadata> kind : KINDS) {
            Map<String, ByteArrayOutputStream> raw = new TreeMap<>();
            new CRDGenerator()
                    .withOutput(new InMemory(raw))
                    .forCRDVersions("v1")
                    .customResourceClasses(List.of(kind))
                    .generate();
            String text = raw.values().iterator().next().toString(StandardCharsets.UTF_8);
            Map<String, Object> definition =
                    object(new Load(LoadSettings.builder().build()).loadFromString(text));
            finish(definition, kind);
            files.put(
                    object(definition.get("metadata")).get("name") + ".yaml",
                    HEADER + write(definition));
        }
        return files;
    }

    /** The same as a template of the chart. */
    static String template(String yaml) {
        String name = "metadata:\n";
        int at = yaml.indexOf(name) + name.length();
        return "{{- if .Values.crds.install }}\n"
                + yaml.substring(0, at)
                + "  annotations:\n"
                + "    {{- if .Values.crds.keep }}\n"
                + "    helm.sh/resource-policy: keep\n"
                + "    {{- end }}\n"
                + "    reelfleet.io/chart: {{ .Chart.Name }}-{{ .Chart.Version }}\n"
                + yaml.substring(at)
                + "{{- end }}\n";
    }

    static void write(Path repository) throws IOException {
        Path plain = Files.createDirectories(repository.resolve("crds/generated"));
        Path chart = Files.createDirectories(repository.resolve("helm/reelfleet/templates/crds"));
        for (Map.Entry<String, String> file : generate().entrySet()) {
            Files.writeString(plain.resolve(file.getKey()), file.getValue());
            Files.writeString(chart.resolve(file.getKey()), template(file.getValue()));
        }
    }

    /** What the annotations cannot say, or say wrongly. */
    private static void finish(Map<String, Object> definition, Class<?> kind) {
        Map<String, Object> version =
                object(list(object(definition.get("spec")).get("versions")).get(0));
        Map<String, Object> root = object(at(version, "schema", "openAPIV3Schema"));
        // The generator sorts columns by path; people want them in the order of the class.
        version.put("additionalPrinterColumns", columns(kind));
        // A rule on a record's component stands on its field and on its accessor.
        withoutRepeatedRules(root);
        root.put(
                "description",
                kind == GPUPool.class
                        ? "A set of workers that serve one model."
                        : "A video that is generated as long as it lives.");
        root.put("required", List.of("spec"));
        Map<String, Object> spec = object(at(root, "properties", "spec"));
        Map<String, Object> status = object(at(root, "properties", "status"));
        spec.put("description", "What is wanted.");
        status.put("description", "What is. Written by the operator only.");
        listMap(at(status, "properties", "conditions"), "type");
        if (kind == VideoSession.class) {
            Object controls = at(spec, "properties", "controls");
            listMap(controls, "kind", "role", "fromChunk");
            // An empty default comes out as null.
            object(at(controls, "items", "properties", "role")).put("default", "");
        } else {
            listMap(at(spec, "properties", "scaling", "properties", "schedule"), "name");
            listMap(at(spec, "properties", "latency", "properties", "classes"), "name");
            listMap(at(status, "properties", "gpuTypes"), "name");
            object(at(status, "properties", "gpuTypes", "items")).put("required", List.of("name"));
            listMap(at(status, "properties", "worstWorkers"), "name");
            object(at(status, "properties", "worstWorkers", "items"))
                    .put("required", List.of("name"));
            Map<String, Object> namespaces = object(at(spec, "properties", "allowedNamespaces"));
            namespaces.put("x-kubernetes-list-type", "set");
            // The whole pod schema is thousands of lines; the API server checks the pod when it is
            // made.
            Map<String, Object> template =
                    object(at(spec, "properties", "runtime", "properties", "podTemplate"));
            Object description = template.get("description");
            template.clear();
            template.put("description", description);
            template.put("type", "object");
            template.put("x-kubernetes-preserve-unknown-fields", true);
        }
    }

    private static List<Map<String, Object>> columns(Class<?> kind) {
        List<Map<String, Object>> columns = new ArrayList<>();
        for (AdditionalPrinterColumn c : kind.getAnnotationsByType(AdditionalPrinterColumn.class)) {
            Map<String, Object> column = new LinkedHashMap<>();
            column.put("name", c.name());
            column.put("type", c.type().getValue());
            if (c.priority() != 0) {
                column.put("priority", c.priority());
            }
            column.put("jsonPath", c.jsonPath());
            columns.add(column);
        }
        return columns;
    }

    private static void listMap(Object schema, String... keys) {
        Map<String, Object> s = object(schema);
        s.put("x-kubernetes-list-type", "map");
        s.put("x-kubernetes-list-map-keys", Arrays.asList(keys));
    }

    private static void withoutRepeatedRules(Object node) {
        if (node instanceof Map<?, ?> map) {
            map.values().forEach(Definitions::withoutRepeatedRules);
            if (map.get("x-kubernetes-validations") instanceof List<?> rules) {
                object(map)
                        .put(
                                "x-kubernetes-validations",
                                new ArrayList<>(new LinkedHashSet<>(rules)));
            }
        } else if (node instanceof List<?> items) {
            items.forEach(Definitions::withoutRepeatedRules);
        }
    }

    private static String write(Map<String, Object> definition) {
        DumpSettings settings =
                DumpSettings.builder()
                        // True and False need quotes: kubectl and Helm read YAML 1.1, where they
                        // are booleans.
                        .setSchema(new CoreSchema())
                        .setDefaultFlowStyle(FlowStyle.BLOCK)
                        .setWidth(120)
                        .setIndent(2)
                        .build();
        return new Dump(settings).dumpToString(definition);
    }

    private static Object at(Object node, String... path) {
        for (String step : path) {
            node = object(node).get(step);
        }
        return node;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object node) {
        return (Map<String, Object>) node;
    }

    @SuppressWarnings("unchecked")
    private static List<Object> list(Object node) {
        return (List<Object>) node;
    }

    private record InMemory(Map<String, ByteArrayOutputStream> files)
            implements CRDOutput<ByteArrayOutputStream> {
        @Override
        public ByteArrayOutputStream outputFor(String name) {
            return files.computeIfAbsent(name, n -> new ByteArrayOutputStream());
        }

        @Override
        public void close() {}
    }
}
