package io.reelfleet.engine.weights;

import com.fasterxml.jackson.databind.JsonNode;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Device;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * All weights of one component of a model: a single safetensors file or shards with an index.
 *
 * <p>{@link #take} checks name, type, shape and that every number is finite, and hands out the
 * device's precision. {@link #finish} complains about tensors that nobody took.
 */
public final class Weights implements AutoCloseable {
    private record Place(SafetensorsFile file, TensorEntry entry) {}

    private final Path folder;

    /** Where {@link #take} puts tensors; null for the host, in float32. */
    private final Device device;

    private final List<SafetensorsFile> files = new ArrayList<>();
    private final Map<String, Place> places = new LinkedHashMap<>();
    private final TreeSet<String> untouched = new TreeSet<>();

    private Weights(Path folder, Device device) {
        this.folder = folder;
        this.device = device;
    }

    /**
     * Opens {@code folder/<stem>.safetensors}, or the shards that {@code
     * folder/<stem>.safetensors.index.json} names.
     *
     * @param rename the name under which this code knows a tensor, given the one in the file
     */
    public static Weights open(Path folder, String stem, UnaryOperator<String> rename)
            throws ModelException {
        return open(folder, stem, rename, null);
    }

    /**
     * As {@link #open(Path, String, UnaryOperator)}, for a device: {@link #take} hands out tensors
     * there.
     */
    public static Weights open(
            Path folder, String stem, UnaryOperator<String> rename, Device device)
            throws ModelException {
        Weights weights = new Weights(folder, device);
        try {
            Path index = folder.resolve(stem + ".safetensors.index.json");
            if (Files.exists(index)) {
                weights.openShards(index);
            } else {
                Path file = folder.resolve(stem + ".safetensors");
                checkThere(folder, file);
                weights.add(SafetensorsFile.open(file), null);
            }
            weights.renamed(rename);
            weights.checkSize();
            return weights;
        } catch (ModelException | RuntimeException | Error e) {
            weights.close();
            throw e;
        }
    }

    /** Folders that still have PyTorch's own files are common: say what makes a model of them. */
    private static void checkThere(Path folder, Path file) throws ModelException {
        if (Files.exists(file) || !Files.isDirectory(folder)) {
            return;
        }
        try (Stream<Path> list = Files.list(folder)) {
            Optional<Path> pickle =
                    list.filter(path -> path.toString().matches(".*\\.(bin|pt|pth|ckpt)"))
                            .sorted()
                            .findFirst();
            if (pickle.isPresent()) {
                throw new ModelException(
                        file
                                + " is missing; "
                                + pickle.get().getFileName()
                                + " beside it is a PyTorch checkpoint (a pickle, which may hold programs):"
                                + " turn it into a model folder by ./reelfleet model import");
            }
        } catch (IOException | UncheckedIOException e) {
            throw new ModelException(folder + " cannot be read: " + e.getMessage(), e);
        }
    }

    private void openShards(Path index) throws ModelException {
        JsonNode map = Json.read(index).get("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw new ModelException(index + ": weight_map must name each tensor's file");
        }
        Map<String, List<String>> byFile = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : map.properties()) {
            String file = field.getValue().asText();
            if (!field.getValue().isTextual()
                    || file.isEmpty()
                    || file.contains("/")
                    || file.contains("\\")
                    || file.contains("..")
                    || file.chars().anyMatch(Character::isISOControl)) {
                throw new ModelException(
                        index
                                + ": tensor "
                                + field.getKey()
                                + " must name a file in the same folder, not "
                                + field.getValue());
            }
            byFile.computeIfAbsent(file, k -> new ArrayList<>()).add(field.getKey());
        }
        for (Map.Entry<String, List<String>> shard : byFile.entrySet()) {
            Path path = folder.resolve(shard.getKey());
            if (!Files.isRegularFile(path)) {
                throw new ModelException(
                        path
                                + " is missing: "
                                + index.getFileName()
                                + " names it for tensor "
                                + shard.getValue().getFirst());
            }
            add(SafetensorsFile.open(path), shard.getValue());
        }
    }

    private void add(SafetensorsFile file, List<String> wanted) throws ModelException {
        files.add(file);
        for (String name : wanted == null ? file.entries().keySet() : wanted) {
            TensorEntry entry = file.entries().get(name);
            if (entry == null) {
                throw new ModelException(
                        file.path() + " lacks tensor " + name + ", which the index places there");
            }
            places.put(name, new Place(file, entry));
        }
        if (wanted != null && wanted.size() != file.entries().size()) {
            Set<String> there = Set.copyOf(wanted);
            for (String name : file.entries().keySet()) {
                if (!there.contains(name)) {
                    throw new ModelException(
                            file.path() + " holds tensor " + name + ", which the index lacks");
                }
            }
        }
    }

    private void renamed(UnaryOperator<String> rename) throws ModelException {
        Map<String, Place> old = new LinkedHashMap<>(places);
        places.clear();
        for (Map.Entry<String, Place> place : old.entrySet()) {
            String name = rename.apply(place.getKey());
            if (places.put(name, place.getValue()) != null) {
                throw new ModelException(
                        folder + ": tensor " + place.getKey() + " is there under two names");
            }
        }
        untouched.addAll(places.keySet());
    }

    /** Before anything is read: a file may say that it is larger than any memory. */
    private void checkSize() throws ModelException {
        long bytes = files.stream().mapToLong(SafetensorsFile::tensorBytes).sum();
        long machine =
                ((com.sun.management.OperatingSystemMXBean)
                                java.lang.management.ManagementFactory.getOperatingSystemMXBean())
                        .getTotalMemorySize();
        if (bytes > machine) {
            throw new ModelException(
                    folder
                            + " holds tensors of "
                            + bytes
                            + " bytes, more than this machine's memory of "
                            + machine);
        }
    }

    /** True if the tensor is there. */
    public boolean has(String name) {
        return places.containsKey(name);
    }

    /** The tensor on the device in its precision; the innermost scope owns it. */
    public Tensor take(String name, long... shape) throws ModelException {
        Tensor checked = checked(name, shape);
        return device == null ? checked.to(torch.ScalarType.Float) : device.place(checked);
    }

    /** The tensor on the device in float32, whatever its precision; the innermost scope owns it. */
    public Tensor takeFloats(String name, long... shape) throws ModelException {
        Tensor checked = checked(name, shape);
        return device == null ? checked.to(torch.ScalarType.Float) : device.placeFloats(checked);
    }

    private Tensor checked(String name, long... shape) throws ModelException {
        Place place = place(name);
        TensorEntry entry = place.entry();
        if (!entry.type().isFloat()) {
            throw new ModelException(
                    place.file().path()
                            + ": tensor "
                            + entry.name()
                            + " has type "
                            + entry.type()
                            + "; weights must be F32, F16 or BF16");
        }
        List<Long> expected = new ArrayList<>();
        for (long size : shape) {
            expected.add(size);
        }
        if (!entry.shape().equals(expected)) {
            throw new ModelException(
                    place.file().path()
                            + ": tensor "
                            + entry.name()
                            + " has shape "
                            + entry.shape()
                            + ", the configuration asks for "
                            + expected);
        }
        untouched.remove(name);
        Tensor tensor = place.file().read(entry);
        try (PointerScope _ = new PointerScope()) {
            if (!torch.isfinite(tensor).all().item_bool()) {
                throw new ModelException(
                        place.file().path()
                                + ": tensor "
                                + entry.name()
                                + " holds values that are not finite numbers");
            }
        }
        return tensor;
    }

    /** Shape of a tensor that must be there. */
    public List<Long> shape(String name) throws ModelException {
        return place(name).entry().shape();
    }

    /**
     * Any tensor in its own type, unchecked but for its bounds: for expected values rather than
     * weights.
     */
    public Tensor raw(String name) throws ModelException {
        untouched.remove(name);
        Place place = place(name);
        return place.file().read(place.entry());
    }

    /** Names of all tensors. */
    public Iterable<String> names() {
        return places.keySet();
    }

    /** Number of elements of all tensors. */
    public long elements() {
        return places.values().stream().mapToLong(p -> p.entry().elements()).sum();
    }

    private Place place(String name) throws ModelException {
        Place place = places.get(name);
        if (place == null) {
            throw new ModelException(folder + " lacks tensor " + name);
        }
        return place;
    }

    /** Marks tensors that this code has no use for, and says so by name. */
    public void ignore(String prefix) {
        untouched.removeIf(name -> name.startsWith(prefix));
    }

    /** Refuses weights that no part of the model took: the configuration and the files disagree. */
    public void finish() throws ModelException {
        if (!untouched.isEmpty()) {
            throw new ModelException(
                    folder
                            + " holds tensor "
                            + untouched.getFirst()
                            + (untouched.size() > 1
                                    ? " and " + (untouched.size() - 1) + " more"
                                    : "")
                            + " that the configuration has no place for");
        }
    }

    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }
}
