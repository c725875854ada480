package io.reelfleet.crds;

import io.reelfleet.crds.GPUPoolSpec.Mode;
import io.reelfleet.crds.GPUPoolSpec.Model;
import io.reelfleet.crds.GPUPoolSpec.Scaling;
import io.reelfleet.crds.GPUPoolSpec.ScheduleEntry;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What the API server refuses of a GPUPool, for those who read pools without one: the same inputs,
 * the same sentences.
 */
public final class PoolRules {
    private static final Pattern MODEL_URI =
            Pattern.compile("^(builtin:|file:/|pvc:|s3://|oci://).+");
    private static final Pattern STORE_URI = Pattern.compile("^(s3://|pvc:|file:/).+");
    private static final Pattern TIME = Pattern.compile("^([01][0-9]|2[0-3]):[0-5][0-9]$");

    private PoolRules() {}

    /** What is wrong with a new pool; empty when nothing is. */
    public static List<Violation> check(GPUPool pool) {
        Violations v = new Violations();
        String name = pool.getMetadata().getName();
        v.require(name == null || name.length() <= 50, "metadata.name", Sentences.POOL_NAME_LENGTH);
        if (v.present(pool.getSpec(), "spec")) {
            check(pool.getSpec(), v);
        }
        return v.found();
    }

    /**
     * What is wrong with a change of a live pool: what {@link #check} finds, and a changed model.
     */
    public static List<Violation> checkUpdate(GPUPool before, GPUPool after) {
        List<Violation> wrong = check(after);
        if (!wrong.isEmpty()) {
            return wrong;
        }
        Violations v = new Violations();
        v.require(
                Objects.equals(
                        identity(before.getSpec().model()), identity(after.getSpec().model())),
                "spec.model",
                Sentences.MODEL_FIXED);
        return v.found();
    }

    /** The model without what may change. */
    private static Model identity(Model m) {
        return new Model(
                "",
                m.uri(),
                m.revision(),
                m.precision(),
                m.denoisingSteps(),
                m.framesPerChunk(),
                m.size(),
                m.fps(),
                m.windowFrames(),
                m.sinkFrames(),
                m.retrievedFrames(),
                m.bankFrames(),
                null);
    }

    private static void check(GPUPoolSpec spec, Violations v) {
        if (v.present(spec.model(), "spec.model")) {
            model(spec.model(), v);
        }
        v.positive(spec.runtime().gpusPerPod(), "spec.runtime.gpusPerPod");
        v.positive(spec.runtime().threads(), "spec.runtime.threads");
        v.duration(spec.latency().target(), "spec.latency.target");
        double late = spec.latency().lateBudget();
        v.require(late >= 0 && late <= 1, "spec.latency.lateBudget", Sentences.LATE_BUDGET);
        classes(spec.latency(), v);
        if (v.present(spec.scaling(), "spec.scaling")) {
            scaling(spec, v);
        }
        v.positive(spec.placement().maxMigrations(), "spec.placement.maxMigrations");
        v.duration(spec.offload().idleTimeout(), "spec.offload.idleTimeout");
        v.quantity(
                spec.offload().hostMemoryLimit(), "spec.offload.hostMemoryLimit", Sentences.BYTES);
        if (spec.store() != null && v.present(spec.store().uri(), "spec.store.uri")) {
            v.require(
                    STORE_URI.matcher(spec.store().uri()).matches(),
                    "spec.store.uri",
                    Sentences.STORE_URI);
        }
        v.duration(spec.retention().afterFinished(), "spec.retention.afterFinished");
        v.positive(spec.retention().liveChunks(), "spec.retention.liveChunks");
        v.size(spec.allowedNamespaces(), 256, "spec.allowedNamespaces");
        v.require(
                spec.allowedNamespaces().stream()
                        .allMatch(n -> n.equals("*") || Violations.isName(n)),
                "spec.allowedNamespaces",
                Sentences.NAMESPACE_ENTRY);
    }

    private static void model(Model model, Violations v) {
        v.notEmpty(model.name(), "spec.model.name");
        if (v.present(model.uri(), "spec.model.uri")) {
            v.require(
                    MODEL_URI.matcher(model.uri()).matches(),
                    "spec.model.uri",
                    Sentences.MODEL_URI);
            v.require(
                    model.secretRef() == null
                            || model.uri().startsWith("s3://")
                            || model.uri().startsWith("oci://"),
                    "spec.model.secretRef",
                    Sentences.MODEL_SECRET);
        }
        v.sha256(model.revision(), "spec.model.revision");
        v.positive(model.denoisingSteps(), "spec.model.denoisingSteps");
        v.positive(model.framesPerChunk(), "spec.model.framesPerChunk");
        if (model.size() != null) {
            if (v.present(model.size().width(), "spec.model.size.width")) {
                v.positive(model.size().width(), "spec.model.size.width");
            }
            if (v.present(model.size().height(), "spec.model.size.height")) {
                v.positive(model.size().height(), "spec.model.size.height");
            }
        }
        v.positive(model.fps(), "spec.model.fps");
        v.positive(model.windowFrames(), "spec.model.windowFrames");
        v.notNegative(model.sinkFrames(), "spec.model.sinkFrames");
        v.require(
                model.sinkFrames() == null
                        || model.windowFrames() == null
                        || model.sinkFrames() < model.windowFrames(),
                "spec.model",
                Sentences.SINK_WINDOW);
        v.notNegative(model.retrievedFrames(), "spec.model.retrievedFrames");
        v.positive(model.bankFrames(), "spec.model.bankFrames");
        v.require(
                model.retrievedFrames() == null
                        || model.windowFrames() == null
                        || (model.sinkFrames() == null ? 0 : model.sinkFrames())
                                        + model.retrievedFrames()
                                < model.windowFrames(),
                "spec.model",
                Sentences.RETRIEVED_WINDOW);
        v.require(
                model.bankFrames() == null
                        || (model.retrievedFrames() != null
                                && model.bankFrames() >= model.retrievedFrames()),
                "spec.model",
                Sentences.BANK);
    }

    private static void classes(GPUPoolSpec.Latency latency, Violations v) {
        v.size(latency.classes(), 32, "spec.latency.classes");
        Set<String> names = new HashSet<>();
        for (int i = 0; i < latency.classes().size(); i++) {
            GPUPoolSpec.LatencyClass each = latency.classes().get(i);
            String field = "spec.latency.classes[" + i + "]";
            v.notEmpty(each.name(), field + ".name");
            v.name(each.name(), field + ".name");
            v.require(each.name() == null || names.add(each.name()), field, "Duplicate value");
            v.require(each.weight() > 0, field + ".weight", Sentences.WEIGHT);
        }
    }

    private static void scaling(GPUPoolSpec spec, Violations v) {
        Scaling s = spec.scaling();
        v.notNegative(s.minGpus(), "spec.scaling.minGpus");
        v.notNegative(s.warmSpare(), "spec.scaling.warmSpare");
        v.duration(s.startupHint(), "spec.scaling.startupHint");
        v.positive(s.capacityHint(), "spec.scaling.capacityHint");
        v.quantity(s.price(), "spec.scaling.price", Sentences.MONEY);
        if (s.budget() != null && v.present(s.budget().amount(), "spec.scaling.budget.amount")) {
            v.quantity(s.budget().amount(), "spec.scaling.budget.amount", Sentences.MONEY);
            v.name(s.budget().group(), "spec.scaling.budget.group");
        }
        v.require(
                s.budget() == null || s.price() != null,
                "spec.scaling.budget",
                Sentences.BUDGET_PRICE);
        v.notNegative(spec.replicas(), "spec.replicas");
        v.require(
                spec.replicas() == null || s.mode() == Mode.MANUAL,
                "spec.replicas",
                Sentences.REPLICAS_MODE);
        v.require(
                spec.replicas() != null || s.mode() != Mode.MANUAL,
                "spec",
                Sentences.REPLICAS_MISSING);
        schedule(s, v);
        if (!v.present(s.maxGpus(), "spec.scaling.maxGpus")) {
            return;
        }
        v.positive(s.maxGpus(), "spec.scaling.maxGpus");
        v.require(s.minGpus() <= s.maxGpus(), "spec.scaling.minGpus", Sentences.MIN_MAX);
        v.require(s.warmSpare() <= s.maxGpus(), "spec.scaling.warmSpare", Sentences.SPARE_MAX);
        v.require(
                s.schedule().stream()
                        .allMatch(e -> e.minGpus() == null || e.minGpus() <= s.maxGpus()),
                "spec.scaling.schedule",
                Sentences.SCHEDULE_MIN_MAX);
        int perPod = spec.runtime().gpusPerPod();
        if (perPod > 0) {
            v.require(s.minGpus() % perPod == 0, "spec.scaling.minGpus", Sentences.MIN_MULTIPLE);
            v.require(s.maxGpus() % perPod == 0, "spec.scaling.maxGpus", Sentences.MAX_MULTIPLE);
            v.require(
                    spec.replicas() == null || (long) spec.replicas() * perPod <= s.maxGpus(),
                    "spec.replicas",
                    Sentences.REPLICAS_MAX);
        }
    }

    private static void schedule(Scaling scaling, Violations v) {
        v.size(scaling.schedule(), 32, "spec.scaling.schedule");
        Set<String> names = new HashSet<>();
        for (int i = 0; i < scaling.schedule().size(); i++) {
            ScheduleEntry entry = scaling.schedule().get(i);
            String field = "spec.scaling.schedule[" + i + "]";
            v.notEmpty(entry.name(), field + ".name");
            v.require(entry.name() == null || names.add(entry.name()), field, "Duplicate value");
            time(entry.from(), field + ".from", v);
            time(entry.to(), field + ".to", v);
            if (v.present(entry.minGpus(), field + ".minGpus")) {
                v.notNegative(entry.minGpus(), field + ".minGpus");
            }
        }
    }

    private static void time(String value, String field, Violations v) {
        if (v.present(value, field)) {
            v.require(TIME.matcher(value).matches(), field, Sentences.SCHEDULE_TIME);
        }
    }
}
