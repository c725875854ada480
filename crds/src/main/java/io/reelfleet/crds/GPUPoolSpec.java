package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.model.annotation.SpecReplicas;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** What a pool offers. Absent fields take the defaults that the API server would write. */
@ValidationRule(
        value = "self.scaling.minGpus % self.runtime.gpusPerPod == 0",
        message = Sentences.MIN_MULTIPLE,
        fieldPath = ".scaling.minGpus")
@ValidationRule(
        value = "self.scaling.maxGpus % self.runtime.gpusPerPod == 0",
        message = Sentences.MAX_MULTIPLE,
        fieldPath = ".scaling.maxGpus")
@ValidationRule(
        value = "!has(self.replicas) || self.scaling.mode == 'Manual'",
        message = Sentences.REPLICAS_MODE,
        fieldPath = ".replicas")
@ValidationRule(
        value =
                "!has(self.replicas) || self.replicas * self.runtime.gpusPerPod <= self.scaling.maxGpus",
        message = Sentences.REPLICAS_MAX,
        fieldPath = ".replicas")
@ValidationRule(
        value = "has(self.replicas) || self.scaling.mode != 'Manual'",
        message = Sentences.REPLICAS_MISSING)
public record GPUPoolSpec(
        @JsonPropertyDescription("What is generated with. Fixed, save for its secretRef.") @Required
                Model model,
        @JsonPropertyDescription("The pods that workers run in.") @Default("{}") Runtime runtime,
        @JsonPropertyDescription("What users are promised.") @Default("{}") Latency latency,
        @JsonPropertyDescription("How many GPUs there are.") @Required Scaling scaling,
        @JsonPropertyDescription("Pods, in mode Manual only: what kubectl scale sets.")
                @SpecReplicas
                @ValidationRule(value = "self >= 0", message = Sentences.NOT_NEGATIVE)
                Integer replicas,
        @JsonPropertyDescription("Which worker has which session.") @Default("{}")
                Placement placement,
        @JsonPropertyDescription("What becomes of idle sessions' state.") @Default("{}")
                Offload offload,
        @JsonPropertyDescription("Where chunks are stored; the operator's own store when absent.")
                Store store,
        @JsonPropertyDescription("How long chunks are kept.") @Default("{}") Retention retention,
        @JsonPropertyDescription(
                        "Namespaces beside the pool's own whose sessions may use it; \"*\" admits all of them.")
                @Size(max = 256)
                @ValidationRule(
                        value =
                                "self.all(n, n == '*' || n.matches('"
                                        + Sentences.NAME_PATTERN
                                        + "'))",
                        message = Sentences.NAMESPACE_ENTRY)
                List<@Size(max = 253) String> allowedNamespaces) {

    public GPUPoolSpec {
        runtime = runtime == null ? new Runtime(null, null, null, null, null, null) : runtime;
        latency = latency == null ? new Latency(null, null, null) : latency;
        placement = placement == null ? new Placement(null, null) : placement;
        offload = offload == null ? new Offload(null, null) : offload;
        retention = retention == null ? new Retention(null, null) : retention;
        allowedNamespaces = allowedNamespaces == null ? List.of() : List.copyOf(allowedNamespaces);
    }

    /** A Secret of the pool's namespace. */
    public record SecretRef(
            @JsonPropertyDescription("Its name.") @Required @Size(min = 1, max = 253)
                    String name) {}

    /** The model; what is absent is as the model's own configuration has it. */
    @ValidationRule(
            value =
                    "!has(self.secretRef) || self.uri.startsWith('s3://') || self.uri.startsWith('oci://')",
            message = Sentences.MODEL_SECRET,
            fieldPath = ".secretRef")
    @ValidationRule(
            value =
                    "!has(self.sinkFrames) || !has(self.windowFrames) || self.sinkFrames < self.windowFrames",
            message = Sentences.SINK_WINDOW)
    @ValidationRule(
            value =
                    "!has(self.retrievedFrames) || !has(self.windowFrames) || (has(self.sinkFrames) ? self.sinkFrames : 0) + self.retrievedFrames < self.windowFrames",
            message = Sentences.RETRIEVED_WINDOW)
    @ValidationRule(
            value =
                    "!has(self.bankFrames) || (has(self.retrievedFrames) && self.bankFrames >= self.retrievedFrames)",
            message = Sentences.BANK)
    @ValidationRule(
            value =
                    "self.uri == oldSelf.uri"
                            + " && has(self.revision) == has(oldSelf.revision) && (!has(self.revision) || self.revision == oldSelf.revision)"
                            + " && has(self.precision) == has(oldSelf.precision) && (!has(self.precision) || self.precision == oldSelf.precision)"
                            + " && has(self.denoisingSteps) == has(oldSelf.denoisingSteps) && (!has(self.denoisingSteps) || self.denoisingSteps == oldSelf.denoisingSteps)"
                            + " && has(self.framesPerChunk) == has(oldSelf.framesPerChunk) && (!has(self.framesPerChunk) || self.framesPerChunk == oldSelf.framesPerChunk)"
                            + " && has(self.size) == has(oldSelf.size) && (!has(self.size) || self.size == oldSelf.size)"
                            + " && has(self.fps) == has(oldSelf.fps) && (!has(self.fps) || self.fps == oldSelf.fps)"
                            + " && has(self.windowFrames) == has(oldSelf.windowFrames) && (!has(self.windowFrames) || self.windowFrames == oldSelf.windowFrames)"
                            + " && has(self.sinkFrames) == has(oldSelf.sinkFrames) && (!has(self.sinkFrames) || self.sinkFrames == oldSelf.sinkFrames)"
                            + " && has(self.retrievedFrames) == has(oldSelf.retrievedFrames) && (!has(self.retrievedFrames) || self.retrievedFrames == oldSelf.retrievedFrames)"
                            + " && has(self.bankFrames) == has(oldSelf.bankFrames) && (!has(self.bankFrames) || self.bankFrames == oldSelf.bankFrames)",
            message = Sentences.MODEL_FIXED)
    public record Model(
            @JsonPropertyDescription("What people call it.") @Required @Size(min = 1, max = 253)
                    String name,
            @JsonPropertyDescription(
                            "Folder of the model in the published (diffusers) layout: builtin:shapes, file:/dir, pvc:claim/dir,"
                                    + " s3://bucket/prefix, oci://registry/repository.")
                    @Required
                    @Size(max = 2048)
                    @ValidationRule(
                            value = "self.matches('^(builtin:|file:/|pvc:|s3://|oci://).+')",
                            message = Sentences.MODEL_URI)
                    String uri,
            @JsonPropertyDescription(
                            "SHA-256 over the model's files; a worker refuses another one.")
                    @Size(max = 256)
                    @ValidationRule(value = Sentences.SHA256_RULE, message = Sentences.SHA256)
                    String revision,
            @JsonPropertyDescription("Of weights and activations.") Precision precision,
            @JsonPropertyDescription("Denoising steps per chunk.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer denoisingSteps,
            @JsonPropertyDescription("Latent frames per chunk.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer framesPerChunk,
            @JsonPropertyDescription("Of a video frame, in pixels.") FrameSize size,
            @JsonPropertyDescription("Video frames per second.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer fps,
            @JsonPropertyDescription("Latent frames in the KV window, sink included.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer windowFrames,
            @JsonPropertyDescription("Latent frames that stay in the window for ever.")
                    @ValidationRule(value = "self >= 0", message = Sentences.NOT_NEGATIVE)
                    Integer sinkFrames,
            @JsonPropertyDescription(
                            "Dynamic sinks: places of the window for frames that left it and are most like the newest one; 0 for a rolling window.")
                    @ValidationRule(value = "self >= 0", message = Sentences.NOT_NEGATIVE)
                    Integer retrievedFrames,
            @JsonPropertyDescription(
                            "Most frames that left the window and are kept in host memory, of which retrievedFrames come back.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer bankFrames,
            @JsonPropertyDescription("Credentials for an s3:// or oci:// uri.")
                    SecretRef secretRef) {}

    /** Number format of weights and activations. */
    public enum Precision {
        @JsonProperty("fp32")
        FP32,
        @JsonProperty("bf16")
        BF16,
        @JsonProperty("fp16")
        FP16
    }

    /** Width and height, in pixels. */
    public record FrameSize(
            @Required @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer width,
            @Required @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer height) {}

    /** The pods that workers run in: one worker per GPU. */
    public record Runtime(
            @JsonPropertyDescription("The runtime image; the operator's default when absent.")
                    @Size(max = 1024)
                    String image,
            @JsonPropertyDescription("GPUs, and so workers, in one pod.")
                    @Default("1")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer gpusPerPod,
            @JsonPropertyDescription(
                            "Cuda: each pod asks for gpusPerPod nvidia.com/gpu. Cpu: a worker computes on its share of the pod's"
                                    + " cores.")
                    @Default("Cuda")
                    Device device,
            @JsonPropertyDescription(
                            "Threads a worker computes with; several workers on shared cores want 1.")
                    @Default("1")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer threads,
            @JsonPropertyDescription("Of one worker container.") Resources resources,
            @JsonPropertyDescription(
                            "A PodTemplateSpec laid over the operator's own: labels, node selector, tolerations, volumes; a container"
                                    + " named worker is merged with the worker's.")
                    PodTemplateSpec podTemplate) {
        public Runtime {
            gpusPerPod = gpusPerPod == null ? Integer.valueOf(1) : gpusPerPod;
            device = device == null ? Device.CUDA : device;
            threads = threads == null ? Integer.valueOf(1) : threads;
        }
    }

    /** What a worker computes on. */
    public enum Device {
        @JsonProperty("Cuda")
        CUDA,
        @JsonProperty("Cpu")
        CPU
    }

    /** Requests and limits of a container. */
    public record Resources(
            @Size(max = 32) Map<String, Quantity> requests,
            @Size(max = 32) Map<String, Quantity> limits) {
        public Resources {
            requests = requests == null ? Map.of() : Map.copyOf(requests);
            limits = limits == null ? Map.of() : Map.copyOf(limits);
        }
    }

    /** What users are promised. */
    public record Latency(
            @JsonPropertyDescription(
                            "A chunk is late when it is delivered this long after it was due.")
                    @Default("750ms")
                    @Size(max = 64)
                    @ValidationRule(value = Sentences.DURATION_RULE, message = Sentences.DURATION)
                    String target,
            @JsonPropertyDescription("Share of chunks that may be late.")
                    @Default("0.01")
                    @ValidationRule(
                            value = "self >= 0.0 && self <= 1.0",
                            message = Sentences.LATE_BUDGET)
                    Double lateBudget,
            @JsonPropertyDescription("What sessions may name in spec.latencyClass.") @Size(max = 32)
                    List<LatencyClass> classes) {
        public Latency {
            target = target == null ? "750ms" : target;
            lateBudget = lateBudget == null ? Double.valueOf(0.01) : lateBudget;
            classes = classes == null ? List.of() : List.copyOf(classes);
        }

        /** {@link #target} as a duration. */
        public Duration targetDuration() {
            return Durations.parse(target);
        }
    }

    /** What sessions of a class take, and when it is their turn. */
    public record LatencyClass(
            @Required
                    @Size(min = 1, max = 253)
                    @ValidationRule(value = Sentences.NAME_RULE, message = Sentences.NAME)
                    String name,
            @JsonPropertyDescription(
                            "Load of one of its sessions in ordinary ones: 2 leaves room for half as many on a GPU.")
                    @Default("1")
                    @ValidationRule(value = "self > 0.0", message = Sentences.WEIGHT)
                    Double weight,
            @JsonPropertyDescription(
                            "Who goes first when GPUs are short, for sessions without a priorityClass: higher goes first.")
                    @Default("0")
                    Integer priority) {
        public LatencyClass {
            weight = weight == null ? Double.valueOf(1) : weight;
            priority = priority == null ? Integer.valueOf(0) : priority;
        }
    }

    /** How many GPUs there are. */
    @ValidationRule(
            value = "self.minGpus <= self.maxGpus",
            message = Sentences.MIN_MAX,
            fieldPath = ".minGpus")
    @ValidationRule(
            value = "self.warmSpare <= self.maxGpus",
            message = Sentences.SPARE_MAX,
            fieldPath = ".warmSpare")
    @ValidationRule(
            value = "!has(self.budget) || has(self.price)",
            message = Sentences.BUDGET_PRICE,
            fieldPath = ".budget")
    @ValidationRule(
            value = "!has(self.schedule) || self.schedule.all(s, s.minGpus <= self.maxGpus)",
            message = Sentences.SCHEDULE_MIN_MAX,
            fieldPath = ".schedule")
    public record Scaling(
            @JsonPropertyDescription(
                            "Predictive: as the load will be. Reactive: as the load is. Manual: as spec.replicas says.")
                    @Default("Predictive")
                    Mode mode,
            @JsonPropertyDescription(
                            "Fewest GPUs, a multiple of gpusPerPod; 0 lets an unused pool cost nothing.")
                    @Default("0")
                    @ValidationRule(value = "self >= 0", message = Sentences.NOT_NEGATIVE)
                    Integer minGpus,
            @JsonPropertyDescription("Most GPUs, a multiple of gpusPerPod.")
                    @Required
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer maxGpus,
            @JsonPropertyDescription(
                            "How long a worker takes to become ready, until it has been measured.")
                    @Size(max = 64)
                    @ValidationRule(value = Sentences.DURATION_RULE, message = Sentences.DURATION)
                    String startupHint,
            @JsonPropertyDescription(
                            "Most active sessions one GPU is given; measured when absent, by type of GPU.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer capacityHint,
            @JsonPropertyDescription("What is paid for: single GPUs, or nodes with all of theirs.")
                    @Default("Gpu")
                    BillingUnit billingUnit,
            @JsonPropertyDescription("Price of one billing unit for an hour, in your currency.")
                    @ValidationRule(value = Sentences.QUANTITY_RULE, message = Sentences.MONEY)
                    Quantity price,
            @JsonPropertyDescription("Most that may be spent.") Budget budget,
            @JsonPropertyDescription("GPUs kept ready beyond what the load needs.")
                    @Default("0")
                    @ValidationRule(value = "self >= 0", message = Sentences.NOT_NEGATIVE)
                    Integer warmSpare,
            @JsonPropertyDescription("Times of day with a higher floor, by name.") @Size(max = 32)
                    List<ScheduleEntry> schedule) {
        public Scaling {
            mode = mode == null ? Mode.PREDICTIVE : mode;
            minGpus = minGpus == null ? Integer.valueOf(0) : minGpus;
            billingUnit = billingUnit == null ? BillingUnit.GPU : billingUnit;
            warmSpare = warmSpare == null ? Integer.valueOf(0) : warmSpare;
            schedule = schedule == null ? List.of() : List.copyOf(schedule);
        }
    }

    /** Who decides how many GPUs there are. */
    public enum Mode {
        @JsonProperty("Predictive")
        PREDICTIVE,
        @JsonProperty("Reactive")
        REACTIVE,
        @JsonProperty("Manual")
        MANUAL
    }

    /** What is paid for. */
    public enum BillingUnit {
        @JsonProperty("Gpu")
        GPU,
        @JsonProperty("Node")
        NODE
    }

    /** Most that may be spent in a period. */
    public record Budget(
            @Required @ValidationRule(value = Sentences.QUANTITY_RULE, message = Sentences.MONEY)
                    Quantity amount,
            @Default("Day") Period period,
            @JsonPropertyDescription(
                            "Pools of one namespace that name the same group share one budget; the smallest amount that one of them names holds.")
                    @Size(max = 63)
                    @ValidationRule(value = Sentences.NAME_RULE, message = Sentences.NAME)
                    String group) {
        public Budget {
            period = period == null ? Period.DAY : period;
        }
    }

    /** What a budget is for. */
    public enum Period {
        @JsonProperty("Hour")
        HOUR,
        @JsonProperty("Day")
        DAY,
        @JsonProperty("Month")
        MONTH
    }

    /** A daily time with a higher floor. */
    public record ScheduleEntry(
            @Required @Size(min = 1, max = 63) String name,
            @JsonPropertyDescription("Time of day it begins, such as 08:30.")
                    @Required
                    @Size(max = 16)
                    @ValidationRule(value = TIME_RULE, message = Sentences.SCHEDULE_TIME)
                    String from,
            @JsonPropertyDescription("Time of day it ends; before from means on the next day.")
                    @Required
                    @Size(max = 16)
                    @ValidationRule(value = TIME_RULE, message = Sentences.SCHEDULE_TIME)
                    String to,
            @JsonPropertyDescription("IANA time zone.") @Default("UTC") @Size(max = 64)
                    String timeZone,
            @JsonPropertyDescription("Fewest GPUs then.")
                    @Required
                    @ValidationRule(value = "self >= 0", message = Sentences.NOT_NEGATIVE)
                    Integer minGpus) {
        static final String TIME_RULE = "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')";

        public ScheduleEntry {
            timeZone = timeZone == null ? "UTC" : timeZone;
        }
    }

    /** Which worker has which session. */
    public record Placement(
            @JsonPropertyDescription("Whether sessions may move while they run.")
                    @Default("Enabled")
                    Migration migration,
            @JsonPropertyDescription("Most moves at once.")
                    @Default("2")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Integer maxMigrations) {
        public Placement {
            migration = migration == null ? Migration.ENABLED : migration;
            maxMigrations = maxMigrations == null ? Integer.valueOf(2) : maxMigrations;
        }
    }

    /** Whether sessions may move while they run. */
    public enum Migration {
        @JsonProperty("Enabled")
        ENABLED,
        @JsonProperty("Disabled")
        DISABLED
    }

    /** What becomes of idle sessions' state. */
    public record Offload(
            @JsonPropertyDescription("An idle session leaves the GPU after this long.")
                    @Default("30s")
                    @Size(max = 64)
                    @ValidationRule(value = Sentences.DURATION_RULE, message = Sentences.DURATION)
                    String idleTimeout,
            @JsonPropertyDescription(
                            "Most host memory of one worker for suspended state; a quarter of the pod's memory when absent.")
                    @ValidationRule(value = Sentences.QUANTITY_RULE, message = Sentences.BYTES)
                    Quantity hostMemoryLimit) {
        public Offload {
            idleTimeout = idleTimeout == null ? "30s" : idleTimeout;
        }

        /** {@link #idleTimeout} as a duration. */
        public Duration idleTimeoutDuration() {
            return Durations.parse(idleTimeout);
        }
    }

    /** Where chunks are stored. */
    public record Store(
            @JsonPropertyDescription("s3://bucket/prefix, pvc:claim/dir or file:/dir.")
                    @Required
                    @Size(max = 2048)
                    @ValidationRule(
                            value = "self.matches('^(s3://|pvc:|file:/).+')",
                            message = Sentences.STORE_URI)
                    String uri,
            @JsonPropertyDescription("Credentials for s3://.") SecretRef secretRef) {}

    /** How long chunks are kept. */
    public record Retention(
            @JsonPropertyDescription(
                            "For how long after a session has finished or was deleted. What a fork refers to stays as long as the fork.")
                    @Default("24h")
                    @Size(max = 64)
                    @ValidationRule(value = Sentences.DURATION_RULE, message = Sentences.DURATION)
                    String afterFinished,
            @JsonPropertyDescription(
                            "Newest chunks of a live session that are kept, and those that it needs to go on; all of them when absent.")
                    @ValidationRule(value = "self > 0", message = Sentences.POSITIVE)
                    Long liveChunks) {
        public Retention {
            afterFinished = afterFinished == null ? "24h" : afterFinished;
        }
    }
}
