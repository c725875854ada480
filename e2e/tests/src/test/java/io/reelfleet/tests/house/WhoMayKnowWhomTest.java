package io.reelfleet.tests.house;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The arrows between the modules, as docs/architecture.md draws them. */
class WhoMayKnowWhomTest {

    private static final List<String> MODULES =
            List.of(
                    "crds",
                    "trust",
                    "process",
                    "runtime/api",
                    "runtime/engine",
                    "runtime/server",
                    "runtime/gateway",
                    "migration",
                    "operator/scheduler",
                    "operator/controller",
                    "e2e/replay",
                    "e2e/cli");

    private static final String[] FRAMEWORKS = {
        "io.quarkus..", "io.fabric8..", "io.javaoperatorsdk.."
    };

    private static JavaClasses classes;

    @BeforeAll
    static void readWhatWasBuilt() {
        List<Path> built =
                MODULES.stream().map(m -> root().resolve(m).resolve("target/classes")).toList();
        assertThat(built).allSatisfy(dir -> assertThat(dir).isDirectory());
        classes =
                new ClassFileImporter()
                        .withImportOption(new ImportOption.DoNotIncludeTests())
                        .importPaths(built);
    }

    @Test
    void schedulerKnowsNobody() {
        check(
                noClasses()
                        .that()
                        .resideInAPackage("io.reelfleet.scheduler..")
                        .should()
                        .dependOnClassesThat(
                                com.tngtech.archunit.base.DescribedPredicate.describe(
                                        "lie outside java.* and the scheduler itself",
                                        c ->
                                                !c.getPackageName().startsWith("java.")
                                                        && !c.getPackageName().isEmpty()
                                                        && !c.getPackageName()
                                                                .startsWith(
                                                                        "io.reelfleet.scheduler"))));
    }

    @Test
    void schedulerDoesNoInputOutputAndReadsNoClock() {
        check(
                noClasses()
                        .that()
                        .resideInAPackage("io.reelfleet.scheduler..")
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage("java.io..", "java.nio..", "java.net..")
                        .orShould()
                        .dependOnClassesThat()
                        .haveFullyQualifiedName("java.time.Clock")
                        .orShould()
                        .callMethod(System.class, "nanoTime")
                        .orShould()
                        .callMethod(System.class, "currentTimeMillis"));
    }

    @Test
    void crdsKnowNoOtherModule() {
        check(knowsNoneOf("io.reelfleet.crds..", others("io.reelfleet.crds..")));
    }

    @Test
    void trustKnowsNoOtherModuleAndNoFramework() {
        check(knowsNoneOf("io.reelfleet.trust..", others("io.reelfleet.trust..")));
        check(knowsNoneOf("io.reelfleet.trust..", FRAMEWORKS));
    }

    @Test
    void processKnowsTrustAndNoFramework() {
        check(
                knowsNoneOf(
                        "io.reelfleet.process..",
                        others("io.reelfleet.process..", "io.reelfleet.trust..")));
        check(knowsNoneOf("io.reelfleet.process..", FRAMEWORKS));
    }

    @Test
    void contractsKnowNoOtherModule() {
        check(knowsNoneOf("io.reelfleet.api..", others("io.reelfleet.api..")));
        check(knowsNoneOf("io.reelfleet.api..", FRAMEWORKS));
    }

    @Test
    void engineKnowsNoFrameworkAndNoOtherModule() {
        check(knowsNoneOf("io.reelfleet.engine..", others("io.reelfleet.engine..")));
        check(knowsNoneOf("io.reelfleet.engine..", FRAMEWORKS));
    }

    @Test
    void migrationKnowsTheContractsAndNotTheEngine() {
        check(
                knowsNoneOf(
                        "io.reelfleet.migration..",
                        others("io.reelfleet.migration..", "io.reelfleet.api..")));
        check(knowsNoneOf("io.reelfleet.migration..", FRAMEWORKS));
    }

    @Test
    void controllerAndCommandLineNeverLoadLibTorch() {
        check(
                knowsNoneOf(
                        "io.reelfleet.operator..",
                        "org.bytedeco..",
                        "io.reelfleet.engine..",
                        "io.reelfleet.server..",
                        "io.reelfleet.gateway.."));
        check(
                knowsNoneOf(
                        "io.reelfleet.cli..",
                        "org.bytedeco.pytorch..",
                        "io.reelfleet.engine..",
                        "io.reelfleet.server..",
                        "io.reelfleet.gateway..",
                        "io.reelfleet.operator.."));
    }

    @Test
    void gatewayKnowsNeitherEngineNorOperator() {
        check(
                knowsNoneOf(
                        "io.reelfleet.gateway..",
                        "org.bytedeco..",
                        "io.reelfleet.engine..",
                        "io.reelfleet.server..",
                        "io.reelfleet.operator..",
                        "io.reelfleet.scheduler.."));
    }

    @Test
    void serverKnowsNoKubernetesAndNoOperator() {
        check(
                knowsNoneOf(
                        "io.reelfleet.server..",
                        "io.fabric8..",
                        "io.javaoperatorsdk..",
                        "io.reelfleet.operator..",
                        "io.reelfleet.scheduler..",
                        "io.reelfleet.crds.."));
    }

    @Test
    void nobodySerialisesJavaObjects() {
        check(
                noClasses()
                        .that()
                        .resideInAPackage("io.reelfleet..")
                        .and()
                        .resideOutsideOfPackage("io.reelfleet.api..")
                        .should()
                        .dependOnClassesThat()
                        .haveFullyQualifiedName("java.io.ObjectInputStream"));
    }

    @Test
    void everyPackageSaysWhatItIs() throws IOException {
        try (Stream<Path> files = Files.walk(root())) {
            List<Path> silent =
                    files.filter(f -> f.toString().endsWith(".java"))
                            .filter(f -> f.toString().contains("/src/main/java/"))
                            .map(Path::getParent)
                            .distinct()
                            .filter(dir -> !Files.exists(dir.resolve("package-info.java")))
                            .toList();
            assertThat(silent).isEmpty();
        }
    }

    private static void check(ArchRule rule) {
        rule.allowEmptyShould(false).check(classes);
    }

    private static ArchRule knowsNoneOf(String who, String... whom) {
        return noClasses()
                .that()
                .resideInAPackage(who)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(whom);
    }

    /** All packages of the project but these. */
    private static String[] others(String... allowed) {
        List<String> keep = List.of(allowed);
        return Stream.of(
                        "io.reelfleet.crds..",
                        "io.reelfleet.trust..",
                        "io.reelfleet.process..",
                        "io.reelfleet.api..",
                        "io.reelfleet.engine..",
                        "io.reelfleet.server..",
                        "io.reelfleet.gateway..",
                        "io.reelfleet.migration..",
                        "io.reelfleet.scheduler..",
                        "io.reelfleet.operator..",
                        "io.reelfleet.replay..",
                        "io.reelfleet.cli..")
                .filter(p -> !keep.contains(p))
                .toArray(String[]::new);
    }

    private static Path root() {
        Path dir = Path.of("").toAbsolutePath();
        while (!Files.exists(dir.resolve("crds/pom.xml"))) {
            dir = dir.getParent();
        }
        return dir;
    }
}
