package io.reelfleet.crds;

import java.util.List;

/** What people get wrong, and the field and the sentence they must be told. */
record BadInput(String what, String yaml, String field, String sentence) {

    /** Sessions, each with one thing wrong. */
    static List<BadInput> sessions() {
        return List.of(
                session("a negative seed", "seed: -1", "spec.seed", Sentences.SEED),
                session(
                        "a prompt over the limit",
                        "prompt: " + "x".repeat(4097),
                        "spec.prompt",
                        Sentences.PROMPT_LENGTH),
                session("no prompt", "prompt: ''", "spec", Sentences.PROMPT_MISSING),
                session(
                        "a pool without a name",
                        "poolRef: {name: ''}",
                        "spec.poolRef.name",
                        Sentences.POOL_NAME),
                session(
                        "a namespace that cannot be",
                        "poolRef: {name: p, namespace: A_b}",
                        "spec.poolRef.namespace",
                        Sentences.NAME),
                session(
                        "a poolRef without a name",
                        "poolRef: {}",
                        "spec.poolRef.name",
                        "Required value"),
                session(
                        "an unknown control",
                        "controls: [{kind: zoom, text: in}]",
                        "spec.controls[0].kind",
                        "Unsupported value: \"zoom\": supported values: \"action\", \"camera\", \"entity\", \"light\","
                                + " \"negativePrompt\", \"prompt\", \"reference\", \"trajectory\""),
                session(
                        "an unknown pacing",
                        "pacing: Viewr",
                        "spec.pacing",
                        "Unsupported value: \"Viewr\": supported values: \"Realtime\", \"Unpaced\", \"Viewer\""),
                session(
                        "a control with two values",
                        "controls: [{kind: action, text: jump, numbers: [1]}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_VALUE),
                session(
                        "a control without a value",
                        "controls: [{kind: action}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_VALUE),
                session(
                        "a prompt of numbers",
                        "controls: [{kind: prompt, fromChunk: 3, numbers: [1]}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_TEXT),
                session(
                        "a camera of words",
                        "controls: [{kind: camera, text: left}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_NUMBERS),
                session(
                        "a reference of words",
                        "controls: [{kind: reference, role: style, text: oil}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_IMAGE),
                session(
                        "an action of a picture",
                        "controls: [{kind: action, image: {uri: 'https://b/i.png'}}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_ACTION),
                session(
                        "an entity of numbers",
                        "controls: [{kind: entity, role: hero, numbers: [1]}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_ENTITY),
                session(
                        "an entity without a role",
                        "controls: [{kind: entity, text: a cat}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_ROLE),
                session(
                        "a control before the first chunk",
                        "controls: [{kind: light, fromChunk: -1, numbers: [1]}]",
                        "spec.controls[0].fromChunk",
                        Sentences.CONTROL_FROM),
                session(
                        "a control that ends before it begins",
                        "controls: [{kind: light, fromChunk: 5, toChunk: 5, numbers: [1]}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_INTERVAL),
                session(
                        "the first prompt as a control",
                        "controls: [{kind: prompt, text: a circle}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_FIRST_PROMPT),
                session(
                        "two controls for the same chunk",
                        "controls: [{kind: light, numbers: [1]}, {kind: light, numbers: [2]}]",
                        "spec.controls[1]",
                        "Duplicate value"),
                session(
                        "a long prompt in a control",
                        "controls: [{kind: prompt, fromChunk: 1, text: " + "x".repeat(4097) + "}]",
                        "spec.controls[0].text",
                        Sentences.PROMPT_LENGTH),
                session(
                        "a negative chunk to go back to",
                        "rewind: {id: a, chunk: -1}",
                        "spec.rewind.chunk",
                        Sentences.REWIND_CHUNK),
                session(
                        "a rewind without an id",
                        "rewind: {chunk: 3}",
                        "spec.rewind.id",
                        "Required value"),
                session(
                        "an image in a bucket",
                        "controls: [{kind: reference, role: first-frame, image: {uri: 's3://b/i.png'}}]",
                        "spec.controls[0].image.uri",
                        Sentences.IMAGE_URI),
                session(
                        "a refresh of something else than a prompt",
                        "controls: [{kind: negativePrompt, text: x, refresh: true}]",
                        "spec.controls[0]",
                        Sentences.CONTROL_REFRESH),
                session(
                        "an image of no known kind of address",
                        "controls: [{kind: reference, role: style, image: {uri: 'ftp://x'}}]",
                        "spec.controls[0].image.uri",
                        Sentences.IMAGE_URI),
                session(
                        "a short checksum",
                        "controls: [{kind: reference, role: style, image: {uri: 'https://b/i', sha256: abc}}]",
                        "spec.controls[0].image.sha256",
                        Sentences.SHA256),
                session("no chunks", "maxChunks: 0", "spec.maxChunks", Sentences.MAX_CHUNKS),
                session(
                        "a duration in words",
                        "maxDuration: ten minutes",
                        "spec.maxDuration",
                        Sentences.DURATION),
                session(
                        "an empty duration",
                        "maxDuration: ''",
                        "spec.maxDuration",
                        Sentences.DURATION),
                session(
                        "a class that cannot be",
                        "priorityClass: Very High",
                        "spec.priorityClass",
                        Sentences.NAME),
                session(
                        "a latency class that cannot be",
                        "latencyClass: Very High",
                        "spec.latencyClass",
                        Sentences.NAME),
                session(
                        "a fork of a negative chunk",
                        "from: {session: a, chunk: -1}",
                        "spec.from.chunk",
                        Sentences.FROM_CHUNK),
                session(
                        "a fork of nothing",
                        "from: {session: '', chunk: 1}",
                        "spec.from.session",
                        "should be at least 1 chars long"),
                session(
                        "a negative ttl",
                        "ttlSecondsAfterFinished: -1",
                        "spec.ttlSecondsAfterFinished",
                        Sentences.TTL),
                new BadInput(
                        "a long name",
                        document("VideoSession", "n".repeat(64), SESSION),
                        "",
                        Sentences.SESSION_NAME_LENGTH));
    }

    /** Pools, each with one thing wrong. */
    static List<BadInput> pools() {
        return List.of(
                pool(
                        "minGpus above maxGpus",
                        "scaling: {minGpus: 3, maxGpus: 2}",
                        "spec.scaling.minGpus",
                        Sentences.MIN_MAX),
                pool(
                        "no maxGpus",
                        "scaling: {minGpus: 3}",
                        "spec.scaling.maxGpus",
                        "Required value"),
                pool(
                        "a negative minGpus",
                        "scaling: {minGpus: -1, maxGpus: 2}",
                        "spec.scaling.minGpus",
                        Sentences.NOT_NEGATIVE),
                pool(
                        "a maxGpus of 0",
                        "scaling: {maxGpus: 0}",
                        "spec.scaling.maxGpus",
                        Sentences.POSITIVE),
                pool(
                        "half a pod at least",
                        "scaling: {minGpus: 1, maxGpus: 4}\n  runtime: {gpusPerPod: 2}",
                        "spec.scaling.minGpus",
                        Sentences.MIN_MULTIPLE),
                pool(
                        "half a pod at most",
                        "scaling: {minGpus: 2, maxGpus: 5}\n  runtime: {gpusPerPod: 2}",
                        "spec.scaling.maxGpus",
                        Sentences.MAX_MULTIPLE),
                pool(
                        "a warm spare above the maximum",
                        "scaling: {maxGpus: 2, warmSpare: 3}",
                        "spec.scaling.warmSpare",
                        Sentences.SPARE_MAX),
                pool(
                        "replicas without Manual",
                        "replicas: 1",
                        "spec.replicas",
                        Sentences.REPLICAS_MODE),
                pool(
                        "Manual without replicas",
                        "scaling: {mode: Manual, maxGpus: 2}",
                        "spec",
                        Sentences.REPLICAS_MISSING),
                pool(
                        "replicas above the maximum",
                        "replicas: 3\n  scaling: {mode: Manual, maxGpus: 2}",
                        "spec.replicas",
                        Sentences.REPLICAS_MAX),
                pool(
                        "a budget without a price",
                        "scaling: {maxGpus: 2, budget: {amount: '5'}}",
                        "spec.scaling.budget",
                        Sentences.BUDGET_PRICE),
                pool(
                        "a budget's group whose name is none",
                        "scaling: {maxGpus: 2, price: '1', budget: {amount: '5', group: The Studio}}",
                        "spec.scaling.budget.group",
                        Sentences.NAME),
                pool(
                        "a price in words",
                        "scaling: {maxGpus: 2, price: cheap}",
                        "spec.scaling.price",
                        Sentences.MONEY),
                pool(
                        "a negative price",
                        "scaling: {maxGpus: 2, price: '-1'}",
                        "spec.scaling.price",
                        Sentences.MONEY),
                pool(
                        "a start-up in words",
                        "scaling: {maxGpus: 2, startupHint: soon}",
                        "spec.scaling.startupHint",
                        Sentences.DURATION),
                pool(
                        "a capacity of 0",
                        "scaling: {maxGpus: 2, capacityHint: 0}",
                        "spec.scaling.capacityHint",
                        Sentences.POSITIVE),
                pool(
                        "a time that is none",
                        "scaling: {maxGpus: 2, schedule: [{name: day, from: '25:00', to: '18:00', minGpus: 1}]}",
                        "spec.scaling.schedule[0].from",
                        Sentences.SCHEDULE_TIME),
                pool(
                        "a schedule above the maximum",
                        "scaling: {maxGpus: 2, schedule: [{name: day, from: '08:00', to: '18:00', minGpus: 3}]}",
                        "spec.scaling.schedule",
                        Sentences.SCHEDULE_MIN_MAX),
                pool(
                        "a model at no known address",
                        "model: {name: m, uri: shapes}",
                        "spec.model.uri",
                        Sentences.MODEL_URI),
                pool(
                        "a model without a uri",
                        "model: {name: m}",
                        "spec.model.uri",
                        "Required value"),
                pool(
                        "a secret for a model on disk",
                        "model: {name: m, uri: 'file:/m', secretRef: {name: s}}",
                        "spec.model.secretRef",
                        Sentences.MODEL_SECRET),
                pool(
                        "a short revision",
                        "model: {name: m, uri: 'file:/m', revision: abc}",
                        "spec.model.revision",
                        Sentences.SHA256),
                pool(
                        "a sink as long as the window",
                        "model: {name: m, uri: 'file:/m', windowFrames: 3, sinkFrames: 3}",
                        "spec.model",
                        Sentences.SINK_WINDOW),
                pool(
                        "more retrieved frames than the window has places",
                        "model: {name: m, uri: 'file:/m', windowFrames: 6, sinkFrames: 3, retrievedFrames: 3}",
                        "spec.model",
                        Sentences.RETRIEVED_WINDOW),
                pool(
                        "a bank that nothing comes back from",
                        "model: {name: m, uri: 'file:/m', bankFrames: 30}",
                        "spec.model",
                        Sentences.BANK),
                pool(
                        "no frames",
                        "model: {name: m, uri: 'file:/m', fps: 0}",
                        "spec.model.fps",
                        Sentences.POSITIVE),
                pool(
                        "a late target",
                        "latency: {target: fast}",
                        "spec.latency.target",
                        Sentences.DURATION),
                pool(
                        "a late budget in per cent",
                        "latency: {lateBudget: 1.5}",
                        "spec.latency.lateBudget",
                        Sentences.LATE_BUDGET),
                pool(
                        "a latency class that weighs nothing",
                        "latency: {classes: [{name: hd, weight: 0}]}",
                        "spec.latency.classes[0].weight",
                        Sentences.WEIGHT),
                pool(
                        "a latency class whose name is none",
                        "latency: {classes: [{name: Very High}]}",
                        "spec.latency.classes[0].name",
                        Sentences.NAME),
                pool(
                        "a latency class twice",
                        "latency: {classes: [{name: hd}, {name: hd, weight: 2}]}",
                        "spec.latency.classes[1]",
                        "Duplicate value"),
                pool(
                        "no GPUs in a pod",
                        "runtime: {gpusPerPod: 0}",
                        "spec.runtime.gpusPerPod",
                        Sentences.POSITIVE),
                pool(
                        "no threads",
                        "runtime: {threads: 0}",
                        "spec.runtime.threads",
                        Sentences.POSITIVE),
                pool(
                        "no moves",
                        "placement: {maxMigrations: 0}",
                        "spec.placement.maxMigrations",
                        Sentences.POSITIVE),
                pool(
                        "an idle time in words",
                        "offload: {idleTimeout: long}",
                        "spec.offload.idleTimeout",
                        Sentences.DURATION),
                pool(
                        "memory in words",
                        "offload: {hostMemoryLimit: lots}",
                        "spec.offload.hostMemoryLimit",
                        Sentences.BYTES),
                pool(
                        "a store at no known address",
                        "store: {uri: 'nfs://x'}",
                        "spec.store.uri",
                        Sentences.STORE_URI),
                pool(
                        "a retention in words",
                        "retention: {afterFinished: ever}",
                        "spec.retention.afterFinished",
                        Sentences.DURATION),
                pool(
                        "no live chunks",
                        "retention: {liveChunks: 0}",
                        "spec.retention.liveChunks",
                        Sentences.POSITIVE),
                pool(
                        "a namespace that cannot be",
                        "allowedNamespaces: [Team_A]",
                        "spec.allowedNamespaces",
                        Sentences.NAMESPACE_ENTRY),
                new BadInput(
                        "a long name",
                        document("GPUPool", "n".repeat(51), POOL),
                        "",
                        Sentences.POOL_NAME_LENGTH));
    }

    /** Changes of a live session that are refused: the field's line, and the sentence. */
    static List<BadInput> sessionUpdates() {
        return List.of(
                session("another pool", "poolRef: {name: other}", "spec", Sentences.POOL_FIXED),
                session("another seed", "seed: 8", "spec", Sentences.SEED_FIXED),
                session("an origin", "from: {session: a, chunk: 1}", "spec", Sentences.FROM_FIXED),
                session("another class", "priorityClass: high", "spec", Sentences.CLASSES_FIXED),
                session("a latency class", "latencyClass: fast", "spec", Sentences.CLASSES_FIXED));
    }

    static final String SESSION = "poolRef: {name: shapes}\n  prompt: a red circle\n  seed: 7";
    static final String POOL =
            "model: {name: shapes, uri: 'builtin:shapes'}\n  scaling: {maxGpus: 2}";

    static String document(String kind, String name, String spec) {
        return "apiVersion: reelfleet.io/v1alpha1\nkind: "
                + kind
                + "\nmetadata: {name: "
                + name
                + "}\nspec:\n  "
                + spec
                + "\n";
    }

    static BadInput session(String what, String line, String field, String sentence) {
        return new BadInput(
                what, document("VideoSession", "s", with(SESSION, line)), field, sentence);
    }

    static BadInput pool(String what, String line, String field, String sentence) {
        return new BadInput(what, document("GPUPool", "p", with(POOL, line)), field, sentence);
    }

    /** The base's lines, those of the same field left out, and the new ones. */
    private static String with(String base, String lines) {
        StringBuilder spec = new StringBuilder(lines);
        for (String line : base.split("\n  ")) {
            String field = line.substring(0, line.indexOf(':') + 1);
            if (lines.lines().noneMatch(l -> l.strip().startsWith(field))) {
                spec.append("\n  ").append(line);
            }
        }
        return spec.toString();
    }

    @Override
    public String toString() {
        return what;
    }
}
