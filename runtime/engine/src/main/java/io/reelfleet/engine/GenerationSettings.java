package io.reelfleet.engine;

import io.reelfleet.engine.cache.KvPolicy;
import io.reelfleet.engine.model.FewStepSchedule;
import io.reelfleet.engine.model.TransformerConfig;
import io.reelfleet.engine.model.VaeConfig;
import io.reelfleet.engine.weights.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * How a model generates: {@code reelfleet.json} at the folder's root where it is there, else Wan's
 * and Self-Forcing's defaults with the shift of {@code scheduler/scheduler_config.json}; overrides
 * win over both.
 */
record GenerationSettings(
        String name,
        int width,
        int height,
        int fps,
        int framesPerChunk,
        int windowFrames,
        int sinkFrames,
        KvPolicy policy,
        double guidance,
        KvPositions positions,
        FewStepSchedule schedule,
        int textLen,
        int maxPromptTokens,
        List<String> controls) {
    private static final int PIXELS_PER_TOKEN = VaeConfig.SPATIAL * TransformerConfig.PATCH;
    private static final int MAX_SIDE = 8192;
    private static final int MAX_WINDOW = 4096;

    /** Numbers in one Java array or tensor of a step. */
    private static final long MAX_NUMBERS = 1 << 30;

    int latentHeight() {
        return height / VaeConfig.SPATIAL;
    }

    int latentWidth() {
        return width / VaeConfig.SPATIAL;
    }

    /** For another length of text and another schedule: those of a reference. */
    GenerationSettings with(int otherTextLen, FewStepSchedule other) {
        return new GenerationSettings(
                name,
                width,
                height,
                fps,
                framesPerChunk,
                windowFrames,
                sinkFrames,
                policy,
                guidance,
                positions,
                other,
                otherTextLen,
                otherTextLen,
                controls);
    }

    /**
     * Refuses sizes whose chunks no array can hold.
     *
     * @param channels of the latents
     * @param headDim channels of an attention head
     */
    void check(Path folder, int channels, int headDim) throws ModelException {
        long pixels = (long) width * height;
        long video = 3 * pixels * 4 * framesPerChunk;
        long latents = (long) latentHeight() * latentWidth() * framesPerChunk * channels;
        long positions = pixels / (PIXELS_PER_TOKEN * PIXELS_PER_TOKEN) * headDim * windowFrames;
        long most = Math.max(Math.max(video, latents), positions);
        if (most > MAX_NUMBERS) {
            throw new ModelException(
                    folder.resolve("reelfleet.json")
                            + ": with width "
                            + width
                            + ", height "
                            + height
                            + ", frames_per_chunk "
                            + framesPerChunk
                            + " and window_frames "
                            + windowFrames
                            + " a chunk takes "
                            + most
                            + (most == video
                                    ? " bytes of video"
                                    : most == latents
                                            ? " numbers of latents"
                                            : " numbers of positions")
                            + "; at most "
                            + MAX_NUMBERS
                            + " can be handled");
        }
    }

    static GenerationSettings read(Path folder, GenerationOverrides overrides)
            throws ModelException {
        return read(folder, overrides, overrides.framesPerChunk());
    }

    /**
     * @param frames latent frames per chunk instead of the folder's; null for those
     */
    static GenerationSettings read(Path folder, GenerationOverrides overrides, Integer frames)
            throws ModelException {
        Path file = folder.resolve("reelfleet.json");
        Json json = Files.exists(file) ? Json.read(file) : Json.absent(file);
        int framesPerChunk =
                positive(
                        file,
                        "frames_per_chunk",
                        or(frames, json.integer("frames_per_chunk", 1, 64, 3)));
        int window = or(overrides.windowFrames(), json.integer("window_frames", 1, MAX_WINDOW, 21));
        int sink = or(overrides.sinkFrames(), json.integer("sink_frames", 0, MAX_WINDOW, 0));
        if (window > MAX_WINDOW || sink < 0 || window < sink + framesPerChunk) {
            throw new ModelException(
                    file
                            + ": window_frames is "
                            + window
                            + "; it must hold the "
                            + sink
                            + " sink_frames and a chunk of "
                            + framesPerChunk
                            + ", and be at most "
                            + MAX_WINDOW);
        }
        int textLen = json.integer("text_len", 1, 4096, 512);
        List<String> controls = json.texts("controls");
        return new GenerationSettings(
                json.text(
                        "name", String.valueOf(folder.toAbsolutePath().normalize().getFileName())),
                side(file, "width", or(overrides.width(), json.integer("width", 1, MAX_SIDE, 832))),
                side(
                        file,
                        "height",
                        or(overrides.height(), json.integer("height", 1, MAX_SIDE, 480))),
                positive(file, "fps", or(overrides.fps(), json.integer("fps", 1, 1000, 16))),
                framesPerChunk,
                window,
                sink,
                policy(json, overrides, window, sink, framesPerChunk),
                json.positive("guidance_scale", 100, 1),
                positions(json, overrides),
                schedule(folder, json, overrides),
                textLen,
                json.integer("max_prompt_tokens", 1, textLen, textLen),
                controls == null ? List.of("prompt") : controls);
    }

    private static KvPolicy policy(
            Json json, GenerationOverrides overrides, int window, int sink, int framesPerChunk)
            throws ModelException {
        int retrieved =
                or(overrides.retrievedFrames(), json.integer("retrieved_frames", 0, MAX_WINDOW, 0));
        if (retrieved == 0) {
            return new KvPolicy.RollingWindow(sink);
        }
        if (sink + retrieved + framesPerChunk >= window) {
            throw json.wrong(
                    "retrieved_frames",
                    "less than window_frames ("
                            + window
                            + ") without the sink and a chunk of "
                            + framesPerChunk);
        }
        return new KvPolicy.DynamicSinks(
                sink,
                retrieved,
                or(
                        overrides.bankFrames(),
                        json.integer("bank_frames", retrieved, 1 << 20, Math.max(retrieved, 64))));
    }

    /** True where every step runs once with the prompt and once with the negative prompt. */
    boolean guided() {
        return guidance != 1;
    }

    private static int or(Integer override, int value) {
        return override == null ? value : override;
    }

    private static int positive(Path file, String field, int value) throws ModelException {
        if (value < 1) {
            throw new ModelException(
                    file + ": " + field + " is " + value + "; it must be positive");
        }
        return value;
    }

    private static int side(Path file, String field, int value) throws ModelException {
        if (value < PIXELS_PER_TOKEN || value > MAX_SIDE || value % PIXELS_PER_TOKEN != 0) {
            throw new ModelException(
                    file
                            + ": "
                            + field
                            + " is "
                            + value
                            + "; it must be a multiple of "
                            + PIXELS_PER_TOKEN
                            + " and at most "
                            + MAX_SIDE);
        }
        return value;
    }

    private static KvPositions positions(Json json, GenerationOverrides overrides)
            throws ModelException {
        if (overrides.positions() != null) {
            return overrides.positions();
        }
        return switch (json.text("positions", "relative")) {
            case "relative" -> KvPositions.RELATIVE;
            case "absolute" -> KvPositions.ABSOLUTE;
            default -> throw json.wrong("positions", "\"relative\" or \"absolute\"");
        };
    }

    private static FewStepSchedule schedule(Path folder, Json json, GenerationOverrides overrides)
            throws ModelException {
        double[] timesteps = json.numbers("timesteps");
        double[] sigmas = json.numbers("sigmas");
        if (timesteps != null && overrides.steps() == null) {
            if (sigmas == null) {
                sigmas = java.util.Arrays.stream(timesteps).map(t -> t / 1000).toArray();
            }
            return FewStepSchedule.given(timesteps, sigmas, json.path().toString());
        }
        int steps = or(overrides.steps(), 4);
        if (steps < 1 || steps > 60) {
            throw new ModelException("steps is " + steps + "; it must be from 1 to 60");
        }
        Path scheduler = folder.resolve("scheduler").resolve("scheduler_config.json");
        double shift = 5;
        if (Files.exists(scheduler)) {
            Json config = Json.read(scheduler);
            shift = config.positive(config.has("flow_shift") ? "flow_shift" : "shift", 5);
        }
        FewStepSchedule shifted = FewStepSchedule.shifted(steps, shift);
        // A shift of any size squeezes the steps together until they do not fall any more.
        return FewStepSchedule.given(shifted.timesteps(), shifted.sigmas(), scheduler.toString());
    }
}
