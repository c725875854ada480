package io.reelfleet.engine.checkpoint;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.model.CausalVideoTransformer;
import io.reelfleet.engine.model.OriginalNames;
import io.reelfleet.engine.model.TransformerConfig;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.SafetensorsWriter;
import io.reelfleet.engine.weights.SafetensorsWriter.Source;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Turns a checkpoint of the causal transformer, as Self-Forcing and LongLive publish theirs, into a
 * model folder: the transformer from the checkpoint, everything else from a base folder.
 */
public final class CheckpointImport {
    /**
     * What to import.
     *
     * @param checkpoint the {@code .pt} file
     * @param base a model folder with the configuration, VAE, text encoder and tokenizer
     * @param out the folder to write; it must not exist
     * @param key the entry of the checkpoint that holds the transformer; null: the first of {@code
     *     generator_ema}, {@code generator}, {@code model}, {@code state_dict} that is there, else
     *     the checkpoint itself
     * @param lora a {@code .pt} file with low-rank deltas to add to the weights, or null
     * @param loraAlpha the deltas are scaled by this over their rank; null: what the file says,
     *     else not scaled
     */
    public record Request(
            Path checkpoint, Path base, Path out, String key, Path lora, Double loraAlpha) {}

    /**
     * What was imported.
     *
     * @param key the entry that held the transformer; empty: the checkpoint itself
     * @param tensors tensors written
     * @param merged weights that a delta was added to
     * @param bytes bytes of the tensors
     */
    public record Result(String key, int tensors, int merged, long bytes) {}

    /** A low-rank delta: {@code scale * up [out, rank] x down [rank, in]}. */
    private record Delta(String name, TensorRef down, TensorRef up, double scale) {}

    private static final List<String> KEYS =
            List.of("generator_ema", "generator", "model", "state_dict");
    private static final List<String> LORA_KEYS = List.of("generator_lora", "lora", "state_dict");

    /** What training frameworks put in front of the names. */
    private static final List<String> PREFIXES =
            List.of("_fsdp_wrapped_module.", "_orig_mod.", "module.", "base_model.", "model.");

    private static final long SHARD_BYTES = 2L << 30;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final Request request;
    private final TorchCheckpoint checkpoint;

    private CheckpointImport(Request request, TorchCheckpoint checkpoint) {
        this.request = request;
        this.checkpoint = checkpoint;
    }

    /** Imports; on an error nothing is left behind. */
    public static Result run(Request request) throws ModelException {
        if (Files.exists(request.out())) {
            throw new ModelException(
                    request.out() + " exists already: name another folder with --out");
        }
        for (String part : List.of("vae", "text_encoder", "tokenizer")) {
            if (!Files.isDirectory(request.base().resolve(part))) {
                throw new ModelException(
                        request.base()
                                + " has no folder "
                                + part
                                + ": --base must be a model folder");
            }
        }
        Path part = request.out().resolveSibling(request.out().getFileName() + ".part");
        try (TorchCheckpoint checkpoint = TorchCheckpoint.open(request.checkpoint())) {
            Result result = new CheckpointImport(request, checkpoint).write(part);
            Files.move(part, request.out(), StandardCopyOption.ATOMIC_MOVE);
            return result;
        } catch (IOException e) {
            throw new ModelException(request.out() + " cannot be written: " + e.getMessage(), e);
        } finally {
            delete(part);
        }
    }

    private Result write(Path part) throws ModelException, IOException {
        delete(part);
        Path baseConfig = request.base().resolve("transformer").resolve("config.json");
        Path originalConfig = request.base().resolve("original").resolve("config.json");
        Path configFile = Files.exists(baseConfig) ? baseConfig : originalConfig;
        TransformerConfig config = TransformerConfig.read(configFile);
        String key = key(checkpoint, request.key(), KEYS);
        Map<String, TensorRef> tensors = tensors(checkpoint, key);
        Map<String, Delta> deltas = new LinkedHashMap<>();
        try (TorchCheckpoint lora =
                request.lora() == null ? null : TorchCheckpoint.open(request.lora())) {
            if (lora != null) {
                deltas = deltas(lora);
                checkDeltas(tensors, deltas);
            }
            Path folder = part.resolve("transformer");
            Files.createDirectories(folder);
            Files.copy(configFile, folder.resolve("config.json"));
            long bytes = writeShards(folder, tensors, deltas, lora);
            // Names, shapes and numbers against the configuration: a wrong one is named before the
            // folder exists.
            try (Device device = Device.cpu()) {
                CausalVideoTransformer.loadFrom(device, folder, config, 2, 2).close();
            }
            copyRest(part);
            return new Result(key, tensors.size(), deltas.size(), bytes);
        }
    }

    private static String key(TorchCheckpoint from, String asked, List<String> usual)
            throws ModelException {
        if (asked != null) {
            if (!(from.root().get(asked) instanceof Map)) {
                throw new ModelException(
                        from.path() + " has no dict " + asked + "; it holds " + some(from.root()));
            }
            return asked;
        }
        return usual.stream().filter(k -> from.root().get(k) instanceof Map).findFirst().orElse("");
    }

    private static String some(Map<String, Object> map) {
        List<String> keys = map.keySet().stream().limit(8).toList();
        return String.join(", ", keys) + (map.size() > keys.size() ? ", ..." : "");
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> entries(TorchCheckpoint from, String key) {
        return key.isEmpty() ? from.root() : (Map<String, Object>) from.root().get(key);
    }

    /** The transformer's tensors under their published names. */
    private static Map<String, TensorRef> tensors(TorchCheckpoint from, String key)
            throws ModelException {
        Map<String, TensorRef> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, Object> entry : entries(from, key).entrySet()) {
            if (!(entry.getValue() instanceof TensorRef tensor)) {
                throw new ModelException(
                        from.path()
                                + ": "
                                + (key.isEmpty() ? "" : key + ".")
                                + entry.getKey()
                                + " is not a tensor; name the dict with the transformer by --key, one of "
                                + some(from.root()));
            }
            String name = OriginalNames.published(bare(entry.getKey()));
            if (!tensor.type().isFloat()) {
                throw new ModelException(
                        from.path()
                                + ": tensor "
                                + entry.getKey()
                                + " has type "
                                + tensor.type()
                                + "; weights must be F32, F16 or BF16");
            }
            if (tensors.put(name, tensor) != null) {
                throw new ModelException(
                        from.path() + ": tensor " + entry.getKey() + " is there under two names");
            }
        }
        if (tensors.isEmpty()) {
            throw new ModelException(from.path() + " holds no tensors");
        }
        return tensors;
    }

    private static String bare(String name) {
        String rest = name;
        for (boolean found = true; found; ) {
            found = false;
            for (String prefix : PREFIXES) {
                if (rest.startsWith(prefix)) {
                    rest = rest.substring(prefix.length());
                    found = true;
                }
            }
        }
        return rest.replace("._fsdp_wrapped_module.", ".")
                .replace("._checkpoint_wrapped_module.", ".");
    }

    private Map<String, Delta> deltas(TorchCheckpoint lora) throws ModelException {
        String key = key(lora, null, LORA_KEYS);
        Map<String, TensorRef> downs = new LinkedHashMap<>();
        Map<String, TensorRef> ups = new LinkedHashMap<>();
        Map<String, Double> alphas = new LinkedHashMap<>();
        for (Map.Entry<String, Object> entry : entries(lora, key).entrySet()) {
            String name = bare(entry.getKey()).replace(".default.weight", ".weight");
            if (!(entry.getValue() instanceof TensorRef tensor)) {
                throw new ModelException(lora.path() + ": " + entry.getKey() + " is not a tensor");
            }
            int cut = Math.max(name.lastIndexOf(".lora_"), name.lastIndexOf(".alpha"));
            String kind = cut < 0 ? "" : name.substring(cut + 1);
            String target =
                    cut < 0 ? name : OriginalNames.published(name.substring(0, cut) + ".weight");
            switch (kind) {
                case "lora_A.weight", "lora_down.weight" -> downs.put(target, tensor);
                case "lora_B.weight", "lora_up.weight" -> ups.put(target, tensor);
                case "alpha" -> alphas.put(target, (double) floats(lora, name, tensor)[0]);
                default ->
                        throw new ModelException(
                                lora.path()
                                        + ": tensor "
                                        + entry.getKey()
                                        + " is no low-rank delta (lora_A and lora_B, or lora_down and lora_up)");
            }
        }
        Map<String, Delta> deltas = new LinkedHashMap<>();
        for (Map.Entry<String, TensorRef> down : downs.entrySet()) {
            TensorRef up = ups.remove(down.getKey());
            if (up == null
                    || up.shape().size() != 2
                    || down.getValue().shape().size() != 2
                    || !up.shape().get(1).equals(down.getValue().shape().getFirst())) {
                throw new ModelException(
                        lora.path()
                                + ": the two halves of the delta for "
                                + down.getKey()
                                + " do not fit");
            }
            double rank = up.shape().get(1);
            Double alpha =
                    request.loraAlpha() != null ? request.loraAlpha() : alphas.get(down.getKey());
            deltas.put(
                    down.getKey(),
                    new Delta(
                            down.getKey(), down.getValue(), up, alpha == null ? 1 : alpha / rank));
        }
        if (!ups.isEmpty() || deltas.isEmpty()) {
            throw new ModelException(
                    lora.path()
                            + (deltas.isEmpty() && ups.isEmpty()
                                    ? " holds no low-rank deltas"
                                    : ": the delta for "
                                            + ups.keySet().iterator().next()
                                            + " has one half only"));
        }
        return deltas;
    }

    private void checkDeltas(Map<String, TensorRef> tensors, Map<String, Delta> deltas)
            throws ModelException {
        for (Delta delta : deltas.values()) {
            TensorRef weight = tensors.get(delta.name());
            List<Long> shape = List.of(delta.up().shape().getFirst(), delta.down().shape().get(1));
            if (weight == null || !weight.shape().equals(shape)) {
                throw new ModelException(
                        request.lora()
                                + ": the delta for "
                                + delta.name()
                                + " has shape "
                                + shape
                                + ", but the checkpoint "
                                + (weight == null
                                        ? "has no such tensor"
                                        : "has " + weight.shape()));
            }
        }
    }

    private long writeShards(
            Path folder,
            Map<String, TensorRef> tensors,
            Map<String, Delta> deltas,
            TorchCheckpoint lora)
            throws IOException, ModelException {
        List<List<Source>> shards = new ArrayList<>();
        long inShard = SHARD_BYTES;
        long all = 0;
        for (Map.Entry<String, TensorRef> entry : tensors.entrySet()) {
            TensorRef tensor = entry.getValue();
            Delta delta = deltas.get(entry.getKey());
            Source source =
                    new Source(
                            entry.getKey(),
                            tensor.type(),
                            tensor.shape(),
                            () ->
                                    delta == null
                                            ? checkpoint.read(entry.getKey(), tensor)
                                            : merged(tensor, delta, lora));
            if (inShard + source.length() > SHARD_BYTES) {
                shards.add(new ArrayList<>());
                inShard = 0;
            }
            shards.getLast().add(source);
            inShard += source.length();
            all += source.length();
        }
        ObjectNode index = JSON.createObjectNode();
        index.putObject("metadata").put("total_size", all);
        ObjectNode map = index.putObject("weight_map");
        for (int i = 0; i < shards.size(); i++) {
            String name =
                    shards.size() == 1
                            ? "diffusion_pytorch_model.safetensors"
                            : String.format(
                                    java.util.Locale.ROOT,
                                    "diffusion_pytorch_model-%05d-of-%05d.safetensors",
                                    i + 1,
                                    shards.size());
            shards.get(i).forEach(source -> map.put(source.name(), name));
            SafetensorsWriter.write(folder.resolve(name), shards.get(i));
        }
        if (shards.size() > 1) {
            Files.writeString(
                    folder.resolve("diffusion_pytorch_model.safetensors.index.json"),
                    index.toPrettyString());
        }
        return all;
    }

    /**
     * The weight with its delta, summed in double precision and rounded once to the weight's type.
     */
    private byte[] merged(TensorRef weight, Delta delta, TorchCheckpoint lora)
            throws ModelException {
        float[] values = floats(checkpoint, delta.name(), weight);
        float[] down = floats(lora, delta.name(), delta.down());
        float[] up = floats(lora, delta.name(), delta.up());
        int out = Math.toIntExact(delta.up().shape().getFirst());
        int rank = Math.toIntExact(delta.up().shape().get(1));
        int in = Math.toIntExact(delta.down().shape().get(1));
        double[] row = new double[in];
        for (int o = 0; o < out; o++) {
            java.util.Arrays.fill(row, 0);
            for (int r = 0; r < rank; r++) {
                double factor = up[o * rank + r];
                for (int i = 0; i < in; i++) {
                    row[i] += factor * down[r * in + i];
                }
            }
            for (int i = 0; i < in; i++) {
                values[o * in + i] = (float) (values[o * in + i] + delta.scale() * row[i]);
            }
        }
        return SafetensorsWriter.bytes(values, weight.type());
    }

    private static float[] floats(TorchCheckpoint from, String name, TensorRef tensor)
            throws ModelException {
        ByteBuffer bytes = ByteBuffer.wrap(from.read(name, tensor)).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[Math.toIntExact(tensor.elements())];
        if (tensor.type() == DType.F32) {
            bytes.asFloatBuffer().get(values);
            return values;
        }
        if (tensor.type() != DType.F16 && tensor.type() != DType.BF16) {
            throw new ModelException(
                    from.path()
                            + ": tensor "
                            + name
                            + " has type "
                            + tensor.type()
                            + "; deltas must be F32, F16 or BF16");
        }
        ShortBuffer halves = bytes.asShortBuffer();
        for (int i = 0; i < values.length; i++) {
            short half = halves.get(i);
            values[i] =
                    tensor.type() == DType.F16
                            ? Float.float16ToFloat(half)
                            : Float.intBitsToFloat(half << 16);
        }
        return values;
    }

    /** Everything but the transformer, linked where the file system allows, else copied. */
    private void copyRest(Path part) throws IOException {
        try (Stream<Path> walk = Files.walk(request.base())) {
            for (Path file : walk.filter(Files::isRegularFile).sorted().toList()) {
                Path name = request.base().relativize(file);
                String first = name.getName(0).toString();
                boolean wanted =
                        name.getNameCount() == 1
                                ? first.equals("model_index.json")
                                : List.of("vae", "text_encoder", "tokenizer", "scheduler")
                                        .contains(first);
                if (wanted) {
                    Path target = part.resolve(name.toString());
                    Files.createDirectories(target.getParent());
                    try {
                        Files.createLink(target, file.toRealPath());
                    } catch (IOException | UnsupportedOperationException e) {
                        Files.copy(file, target);
                    }
                }
            }
        }
        Path settings = request.base().resolve("reelfleet.json");
        if (Files.exists(settings)) {
            ObjectNode node = (ObjectNode) JSON.readTree(Files.readAllBytes(settings));
            node.put("name", request.out().getFileName().toString());
            Files.writeString(part.resolve("reelfleet.json"), node.toPrettyString());
        }
    }

    private static void delete(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            org.slf4j.LoggerFactory.getLogger(CheckpointImport.class)
                    .warn("{} could not be removed: {}", folder, e.getMessage());
        }
    }
}
