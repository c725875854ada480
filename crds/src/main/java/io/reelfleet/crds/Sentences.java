package io.reelfleet.crds;

/**
 * What a person reads when a resource is refused, and the limits and patterns behind it. The API
 * server says these sentences through the CEL rules of the custom resource definitions, the
 * allocator through {@link SessionRules} and {@link PoolRules}.
 */
final class Sentences {
    /** Longest prompt, in characters. */
    static final int PROMPT_LIMIT = 4096;

    /**
     * Longest value that is stored at all; above it the API server answers with its own "Too long".
     */
    static final int PROMPT_HARD_LIMIT = 16384;

    static final String DURATION_PATTERN =
            "^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?([0-9]{1,9}ms)?$";
    static final String DURATION_RULE = "self != '' && self.matches('" + DURATION_PATTERN + "')";
    static final String DURATION = "is not a duration; write one such as 750ms, 30s, 5m or 1h30m";

    static final String NAME_PATTERN = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
    static final String NAME_RULE = "self.matches('" + NAME_PATTERN + "')";
    static final String NAME =
            "is not a name that Kubernetes takes; write at most 63 small letters, digits and dashes, beginning and ending with"
                    + " a letter or digit";

    static final String SHA256_PATTERN = "^[0-9a-f]{64}$";
    static final String SHA256_RULE = "self.matches('" + SHA256_PATTERN + "')";
    static final String SHA256 =
            "is not a SHA-256; write its 64 hexadecimal digits in small letters";

    static final String QUANTITY_RULE =
            "isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))";
    static final String MONEY = "is not an amount of money; write 0 or more, such as \"2.50\"";
    static final String BYTES = "is not an amount of memory; write one such as 8Gi";

    // VideoSession

    static final String POOL_NAME =
            "names no pool; write the name of a GPUPool, as kubectl get gpool shows it";
    static final String PROMPT_LENGTH =
            "is longer than 4096 characters; write a prompt of at most 4096 characters";
    static final String PROMPT_MISSING =
            "the session has no prompt; write what the video shows in spec.prompt, or name a session to go on from in spec.from";
    static final String SEED = "is negative; write a seed of 0 or more";
    static final String CONTROL_VALUE =
            "a control has exactly one value; write one of text, numbers and image";
    static final String CONTROL_TEXT =
            "a control of kind prompt or negativePrompt is a sentence; write it in text, and neither numbers nor image";
    static final String CONTROL_NUMBERS =
            "a control of kind camera, trajectory or light is a list of numbers; write it in numbers, and neither text nor"
                    + " image";
    static final String CONTROL_IMAGE =
            "a control of kind reference is an image; write image.uri, and neither text nor numbers";
    static final String CONTROL_ACTION =
            "a control of kind action has a name or numbers; write text or numbers, and no image";
    static final String CONTROL_ENTITY =
            "a control of kind entity has a prompt or an image; write text or image, and no numbers";
    static final String CONTROL_ROLE =
            "a control of kind reference or entity needs a role; write in role what its value stands for";
    static final String CONTROL_FROM = "is negative; write the number of a chunk, 0 or more";
    static final String CONTROL_INTERVAL =
            "the control ends before it begins; write a toChunk above fromChunk, or leave it out";
    static final String CONTROL_FIRST_PROMPT =
            "the prompt at chunk 0 is spec.prompt; write it there, and give controls of kind prompt a fromChunk of 1 or more";
    static final int IMAGE_URI_LIMIT = 131072;
    static final String IMAGE_URI =
            "is not the address of an image; write one beginning with data:image/, https:// or file:/";
    static final String CONTROL_REFRESH = "refresh is for prompts; leave it out of other controls";
    static final String REWIND_CHUNK =
            "is negative; write the number of the stored chunk that is generated again, 0 or more";
    static final String MAX_CHUNKS =
            "is not a number of chunks; write 1 or more, or leave it out for no limit";
    static final String FROM_CHUNK =
            "is negative; write the number of the last chunk to take over, 0 or more";
    static final String TTL = "is negative; write a number of seconds of 0 or more";
    static final String SESSION_NAME_LENGTH =
            "the name is longer than 63 characters; write a shorter metadata.name";
    static final String POOL_FIXED =
            "a session stays in its pool; delete it and make a new one for another spec.poolRef";
    static final String SEED_FIXED =
            "a session keeps its seed; delete it and make a new one for another spec.seed";
    static final String FROM_FIXED =
            "a session keeps its origin; delete it and make a new one for another spec.from";
    static final String CLASSES_FIXED =
            "a session keeps its classes; delete it and make a new one for another spec.priorityClass or spec.latencyClass";

    // GPUPool

    static final String MODEL_URI =
            "is not the address of a model; write one beginning with builtin:, file:/, pvc:, s3:// or oci://, such as"
                    + " builtin:shapes";
    static final String MODEL_SECRET =
            "a model of this uri is public to the pool; leave spec.model.secretRef out, or write an s3:// or oci:// uri";
    static final String MODEL_FIXED =
            "a pool keeps its model, since its sessions' state belongs to it; make another GPUPool for another spec.model";
    static final String POSITIVE = "is not positive; write a whole number of 1 or more";
    static final String NOT_NEGATIVE = "is negative; write a whole number of 0 or more";
    static final String SINK_WINDOW =
            "the sink does not fit into the window; write a sinkFrames below windowFrames";
    static final String RETRIEVED_WINDOW =
            "sink and retrieved frames leave no room in the window; write a retrievedFrames below windowFrames less sinkFrames";
    static final String BANK =
            "bankFrames are where retrieved frames come from; write retrievedFrames too, and bankFrames of at least as many";
    static final String LATE_BUDGET =
            "is not a share; write a number from 0 to 1, such as 0.01 for one chunk in a hundred";
    static final String WEIGHT =
            "is not a weight; write a number above 0, such as 2 for a session that loads a GPU like two ordinary ones";
    static final String MIN_MAX = "minGpus is above maxGpus; write a minGpus of at most maxGpus";
    static final String MIN_MULTIPLE =
            "pods come whole: write a spec.scaling.minGpus that is a multiple of spec.runtime.gpusPerPod";
    static final String MAX_MULTIPLE =
            "pods come whole: write a spec.scaling.maxGpus that is a multiple of spec.runtime.gpusPerPod";
    static final String SPARE_MAX =
            "warmSpare is above maxGpus; write a warmSpare of at most maxGpus";
    static final String BUDGET_PRICE =
            "a budget needs a price; write spec.scaling.price, the price of one billing unit for an hour";
    static final String REPLICAS_MODE =
            "replicas are set by hand in mode Manual only; write spec.scaling.mode: Manual, or leave spec.replicas out";
    static final String REPLICAS_MISSING =
            "mode Manual leaves the number to you; write spec.replicas, the number of pods";
    static final String REPLICAS_MAX =
            "replicas need more GPUs than the pool may have; write a spec.replicas of at most spec.scaling.maxGpus divided by"
                    + " spec.runtime.gpusPerPod";
    static final String SCHEDULE_TIME = "is not a time of day; write one such as 08:30";
    static final String SCHEDULE_MIN_MAX =
            "minGpus is above maxGpus in the schedule; write a minGpus of at most spec.scaling.maxGpus";
    static final String STORE_URI =
            "is not the address of a store; write one beginning with s3://, pvc: or file:/";
    static final String NAMESPACE_ENTRY =
            "is not a namespace; write the name of one, or \"*\" for all of them";
    static final String POOL_NAME_LENGTH =
            "the name is longer than 50 characters; write a shorter metadata.name, since worker pods are named after it";

    private Sentences() {}
}
