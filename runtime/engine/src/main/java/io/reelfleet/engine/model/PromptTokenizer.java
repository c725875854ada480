package io.reelfleet.engine.model;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.reelfleet.engine.ModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The model's tokenizer, from {@code tokenizer/tokenizer.json}. */
public final class PromptTokenizer implements AutoCloseable {
    static {
        // DJL would otherwise report its use to a server, and look for models on the network.
        System.setProperty("OPT_OUT_TRACKING", "true");
        System.setProperty("ai.djl.offline", "true");
        // DJL unpacks its native library into the home directory, which a container may not have.
        String cache = "ENGINE_CACHE_DIR";
        boolean chosen = System.getenv(cache) != null || System.getProperty(cache) != null;
        if (!chosen && !Files.isWritable(Path.of(System.getProperty("user.home")))) {
            Path temporary = Path.of(System.getProperty("java.io.tmpdir"), "reelfleet-natives");
            System.setProperty(cache, temporary.toString());
        }
    }

    private final HuggingFaceTokenizer tokenizer;

    private PromptTokenizer(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** Loads {@code model/tokenizer/tokenizer.json}. */
    public static PromptTokenizer load(Path model) throws ModelException {
        Path file = model.resolve("tokenizer").resolve("tokenizer.json");
        if (!Files.isRegularFile(file)) {
            throw new ModelException(file + " is missing");
        }
        try {
            return new PromptTokenizer(
                    HuggingFaceTokenizer.builder()
                            .optTokenizerPath(file)
                            .optAddSpecialTokens(true)
                            .optTruncation(false)
                            .optPadding(false)
                            .build());
        } catch (IOException | RuntimeException e) {
            throw new ModelException(file + " is not a tokenizer: " + e.getMessage(), e);
        }
    }

    /** Tokens of {@code text}, with the end mark. */
    public long[] encode(String text) {
        return tokenizer.encode(text).getIds();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
