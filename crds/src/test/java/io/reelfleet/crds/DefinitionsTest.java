package io.reelfleet.crds;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DefinitionsTest {
    private static final Path REPOSITORY = Path.of("..").toAbsolutePath().normalize();

    @Test
    void committedDefinitionsAndTheChartsAreThoseOfTheClasses() throws IOException {
        if (System.getProperty("reelfleet.crds.write") != null) {
            Definitions.write(REPOSITORY);
        }
        for (Map.Entry<String, String> file : Definitions.generate().entrySet()) {
            assertThat(REPOSITORY.resolve("crds/generated").resolve(file.getKey()))
                    .as("run: mvn -pl crds test -Dreelfleet.crds.write")
                    .content()
                    .isEqualTo(file.getValue());
            assertThat(REPOSITORY.resolve("helm/reelfleet/templates/crds").resolve(file.getKey()))
                    .content()
                    .isEqualTo(Definitions.template(file.getValue()));
        }
    }

    @Test
    void readersOfYaml11SeeTheSame() {
        // kubectl and Helm are such readers: an unquoted True would be a boolean there.
        for (String yaml : Definitions.generate().values()) {
            Object strict =
                    new org.snakeyaml.engine.v2.api.Load(
                                    org.snakeyaml.engine.v2.api.LoadSettings.builder().build())
                            .loadFromString(yaml);
            assertThat(new org.yaml.snakeyaml.Yaml().<Object>load(yaml)).isEqualTo(strict);
        }
    }

    @Test
    void everyTextListAndMapOfASpecIsBounded() throws IOException {
        for (String yaml : Definitions.generate().values()) {
            Map<?, ?> definition =
                    (Map<?, ?>)
                            new org.snakeyaml.engine.v2.api.Load(
                                            org.snakeyaml.engine.v2.api.LoadSettings.builder()
                                                    .build())
                                    .loadFromString(yaml);
            bounded(definition.get("spec"), "spec");
        }
        assertThat(Files.exists(REPOSITORY.resolve("crds"))).isTrue();
    }

    private static void bounded(Object node, String path) {
        if (node instanceof Map<?, ?> map) {
            if (map.get("type") instanceof String type
                    && map.containsKey("type")
                    && path.contains("openAPIV3Schema")) {
                switch (type) {
                    case "string" ->
                            assertThat(map.containsKey("maxLength") || map.containsKey("enum"))
                                    .as(path)
                                    .isTrue();
                    case "array" -> assertThat(map.get("maxItems")).as(path).isNotNull();
                    case "object" -> {
                        if (map.containsKey("additionalProperties")) {
                            assertThat(map.get("maxProperties")).as(path).isNotNull();
                        }
                    }
                    default -> {}
                }
            }
            map.forEach(
                    (k, v) -> {
                        if (!"anyOf".equals(k)) {
                            bounded(v, path + "." + k);
                        }
                    });
        } else if (node instanceof Iterable<?> items) {
            items.forEach(i -> bounded(i, path + "[]"));
        }
    }
}
