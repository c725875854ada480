package io.reelfleet.tests.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.reelfleet.crds.KubeApiPrograms;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the chart renders, and what it refuses. */
class ChartTest {
    private static final YAMLMapper YAML = new YAMLMapper();
    private static Program helm;

    @BeforeAll
    static void findHelm() {
        Optional<Program> found = Program.find("helm", KubeApiPrograms.find(), Map.of());
        String how =
                "skipped: there is no helm; put it on the PATH or into the folder that REELFLEET_KUBE_ASSETS names";
        if (found.isEmpty()) {
            System.err.println(how);
        }
        assumeTrue(found.isPresent(), how);
        helm = found.get();
    }

    @Test
    void refusesToRenderWithoutAStoreThatAllPartsReach() {
        assertThat(template().output())
                .contains(
                        "Workers and gateway need one store that all of them reach: set store.s3.uri");
        assertThat(template("store.claim=a", "store.hostPath=/b").output())
                .contains(
                        "There is one store only: leave all but one of store.claim, store.hostPath out.");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "operator.replicas=0",
                "operator.replicas=many",
                "gateway.service.port=0",
                "store.s3.uri=http://bucket",
                "store.hostPath=relative",
                "images.pullPolicy=Sometimes",
                "watchNamespaces[0]=Not_A_Name",
                "gateway.url=video.example.com",
                "demo=perhaps",
                "storre.claim=a"
            })
    void itsSchemaRefusesNonsense(String value) {
        Program.Result result = template("store.claim=a", value);
        assertThat(result.code()).isNotZero();
        assertThat(result.output()).contains("values don't meet the specifications of the schema");
    }

    @Test
    void everyPodIsRestricted() throws IOException {
        List<JsonNode> pods = new ArrayList<>();
        for (JsonNode o : render("store.claim=a", "demo=true")) {
            JsonNode spec = o.at("/spec/template/spec");
            if (!spec.isMissingNode()) {
                pods.add(spec);
            }
        }
        assertThat(pods).hasSize(3);
        for (JsonNode pod : pods) {
            assertThat(pod.at("/securityContext/runAsNonRoot").asBoolean()).isTrue();
            assertThat(pod.at("/securityContext/seccompProfile/type").asText())
                    .isEqualTo("RuntimeDefault");
            for (JsonNode c : pod.get("containers")) {
                assertThat(c.at("/securityContext/allowPrivilegeEscalation").asBoolean(true))
                        .isFalse();
                assertThat(c.at("/securityContext/readOnlyRootFilesystem").asBoolean()).isTrue();
                assertThat(c.at("/securityContext/capabilities/drop/0").asText()).isEqualTo("ALL");
                assertThat(c.at("/resources/limits/memory").isMissingNode()).isFalse();
            }
            for (JsonNode v : pod.path("volumes")) {
                assertThat(v.has("hostPath"))
                        .as("no pod mounts the machine's own folders")
                        .isFalse();
            }
        }
    }

    @Test
    void withNamedNamespacesOnlyReviewsAndAggregatedRolesAreForTheWholeCluster()
            throws IOException {
        Set<String> ofTheCluster = new TreeSet<>();
        for (JsonNode o :
                render(
                        "store.s3.uri=s3://b/p",
                        "watchNamespaces={a,b}",
                        "nodes.watch=false",
                        "evictionWebhook.enabled=false")) {
            if (o.at("/metadata/namespace").isMissingNode()) {
                ofTheCluster.add(o.get("kind").asText() + " " + o.at("/metadata/name").asText());
            }
        }
        assertThat(ofTheCluster)
                .containsExactly(
                        "ClusterRole reelfleet-rf-edit",
                        "ClusterRole reelfleet-rf-reviews",
                        "ClusterRole reelfleet-rf-view",
                        "ClusterRoleBinding reelfleet-rf-reviews",
                        "CustomResourceDefinition gpupools.reelfleet.io",
                        "CustomResourceDefinition videosessions.reelfleet.io");
    }

    @Test
    void theWebhookIsAskedForEvictionsOfTheWorkersNamespacesOnlyAndMayFail() throws IOException {
        JsonNode webhook =
                render("store.s3.uri=s3://b/p", "watchNamespaces={a,b}").stream()
                        .filter(
                                o ->
                                        o.get("kind")
                                                .asText()
                                                .equals("ValidatingWebhookConfiguration"))
                        .findFirst()
                        .orElseThrow()
                        .at("/webhooks/0");
        assertThat(webhook.at("/rules/0/resources").toString()).isEqualTo("[\"pods/eviction\"]");
        assertThat(webhook.at("/namespaceSelector/matchExpressions/0/values").toString())
                .isEqualTo("[\"a\",\"b\"]");
        assertThat(webhook.get("failurePolicy").asText()).isEqualTo("Ignore");
        assertThat(webhook.get("timeoutSeconds").asInt()).isLessThanOrEqualTo(3);
    }

    @Test
    void theOperatorReadsNoOtherSecretAndNoOtherConfigMap() throws IOException {
        for (JsonNode o : render("store.claim=a")) {
            for (JsonNode rule : o.path("rules")) {
                String resources = rule.get("resources").toString();
                if (resources.contains("secrets") || resources.contains("configmaps")) {
                    assertThat(rule.path("resourceNames")).as(rule.toString()).isNotEmpty();
                }
                assertThat(rule.get("verbs").toString()).doesNotContain("*");
                assertThat(resources).doesNotContain("*");
            }
        }
    }

    @Test
    void theOperatorMayDoWhatItsPageListsAndNoMore() throws IOException {
        Map<String, Set<String>> granted = new TreeMap<>();
        for (JsonNode o : render("store.claim=a")) {
            if (o.at("/metadata/name")
                    .asText()
                    .matches("reelfleet-(fleet|operator|rf-(reviews|nodes|evictions))")) {
                for (JsonNode rule : o.path("rules")) {
                    for (JsonNode resource : rule.get("resources")) {
                        Set<String> verbs =
                                granted.computeIfAbsent(
                                        rule.at("/apiGroups/0").asText() + "/" + resource.asText(),
                                        r -> new TreeSet<>());
                        rule.get("verbs").forEach(v -> verbs.add(v.asText()));
                    }
                }
            }
        }
        Map<String, Set<String>> listed = new TreeMap<>();
        for (String line :
                Files.readAllLines(Checkout.root().resolve("docs/developers/rbac-needed.md"))) {
            String[] cells = line.split("\\|");
            if (cells.length > 4 && !cells[1].contains("group") && !cells[1].contains("---")) {
                String group = cells[1].strip().replace("(core)", "");
                listed.put(
                        group + "/" + cells[2].strip(),
                        new TreeSet<>(List.of(cells[3].strip().split(", "))));
            }
        }
        assertThat(granted).isEqualTo(listed);
    }

    @Test
    void gatewaysShareTheCookiesKeyAndHoldNoTokenForTheApiServer() throws IOException {
        JsonNode pod =
                render("store.claim=a", "gateway.replicas=2").stream()
                        .filter(o -> o.at("/metadata/name").asText().equals("reelfleet-gateway"))
                        .filter(o -> o.get("kind").asText().equals("Deployment"))
                        .findFirst()
                        .orElseThrow()
                        .at("/spec/template/spec");
        assertThat(pod.get("automountServiceAccountToken").asBoolean(true)).isFalse();
        Map<String, String> environment = new TreeMap<>();
        pod.at("/containers/0/env")
                .forEach(v -> environment.put(v.get("name").asText(), v.path("value").asText()));
        assertThat(environment)
                .containsEntry(
                        "REELFLEET_GATEWAY_COOKIE_KEY_FILE",
                        "/var/run/reelfleet/tokens/cookie.key");
        List<JsonNode> keys = new ArrayList<>();
        for (JsonNode v : pod.get("volumes")) {
            if (v.has("secret") || v.has("configMap")) {
                keys.add(v.has("secret") ? v.get("secret") : v.get("configMap"));
            }
        }
        assertThat(keys)
                .as("a mount that must wait for the operator is tried again minutes later only")
                .hasSize(2)
                .allMatch(k -> k.path("optional").asBoolean());
        assertThat(keys.toString()).contains("cookie.key", "public.pem").doesNotContain("private");
    }

    @Test
    void definitionsStayUnlessToldOtherwise() throws IOException {
        String keep = "helm.sh~1resource-policy";
        assertThat(definitions("store.claim=a"))
                .hasSize(2)
                .allSatisfy(
                        d ->
                                assertThat(d.at("/metadata/annotations/" + keep).asText())
                                        .isEqualTo("keep"));
        assertThat(definitions("store.claim=a", "crds.keep=false"))
                .hasSize(2)
                .allSatisfy(
                        d ->
                                assertThat(d.at("/metadata/annotations/" + keep).isMissingNode())
                                        .isTrue());
        assertThat(definitions("store.claim=a", "crds.install=false")).isEmpty();
    }

    @Test
    void theDemoBringsAPoolAndTwoSessions() throws IOException {
        assertThat(render("store.claim=a", "demo=true").stream().map(o -> o.get("kind").asText()))
                .contains("GPUPool", "VideoSession");
        assertThat(render("store.claim=a").stream().map(o -> o.get("kind").asText()))
                .doesNotContain("GPUPool", "VideoSession");
    }

    private static List<JsonNode> definitions(String... values) throws IOException {
        return render(values).stream()
                .filter(o -> o.get("kind").asText().equals("CustomResourceDefinition"))
                .toList();
    }

    private static List<JsonNode> render(String... values) throws IOException {
        Program.Result result = template(values);
        assertThat(result.code()).as(result.output()).isZero();
        try (var documents = YAML.readerFor(JsonNode.class).<JsonNode>readValues(result.output())) {
            List<JsonNode> objects = new ArrayList<>();
            while (documents.hasNextValue()) {
                JsonNode o = documents.nextValue();
                if (o != null && o.isObject()) {
                    objects.add(o);
                }
            }
            return objects;
        }
    }

    private static Program.Result template(String... values) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "template",
                                "reelfleet",
                                Checkout.root().resolve("helm/reelfleet").toString(),
                                "--namespace",
                                "rf",
                                "--kube-version",
                                "1.34.0"));
        for (String value : values) {
            arguments.add("--set");
            arguments.add(value);
        }
        return helm.attempt(arguments.toArray(String[]::new));
    }
}
