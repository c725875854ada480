package io.reelfleet.engine.checkpoint;

import io.reelfleet.engine.ModelException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * A file that {@code torch.save} wrote: a zip with a pickle and one file per storage. The pickle is
 * read by {@link PickleReader}; storages are read when asked for, and must have the sizes that the
 * pickle says.
 */
final class TorchCheckpoint implements AutoCloseable {
    private static final long MAX_PICKLE_BYTES = 64 << 20;
    private static final int MAX_FILES = 1_000_000;

    private final Path path;
    private final ZipFile zip;
    private final String folder;
    private final Map<String, Object> root;

    private TorchCheckpoint(Path path, ZipFile zip, String folder, Map<String, Object> root) {
        this.path = path;
        this.zip = zip;
        this.folder = folder;
        this.root = root;
    }

    /** Opens and reads the pickle; no tensor yet. */
    static TorchCheckpoint open(Path path) throws ModelException {
        if (!Files.isRegularFile(path)) {
            throw new ModelException(path + " is missing");
        }
        ZipFile zip;
        try {
            zip = new ZipFile(path.toFile());
        } catch (ZipException e) {
            throw new ModelException(
                    path
                            + " is not a checkpoint of torch.save (a zip file): it is damaged, or older than PyTorch"
                            + " 1.6; load it there and save it again",
                    e);
        } catch (IOException e) {
            throw new ModelException(path + " cannot be read: " + e.getMessage(), e);
        }
        try {
            ZipEntry pickle = pickle(path, zip);
            String folder =
                    pickle.getName().substring(0, pickle.getName().length() - "data.pkl".length());
            checkByteOrder(path, zip, folder);
            Object root =
                    PickleReader.read(
                            path + ": " + pickle.getName(),
                            bytes(path, zip, pickle, MAX_PICKLE_BYTES));
            if (!(root instanceof Map<?, ?> map)) {
                throw new ModelException(path + " does not hold a dict of tensors");
            }
            @SuppressWarnings("unchecked")
            Map<String, Object> entries = (Map<String, Object>) map;
            return new TorchCheckpoint(path, zip, folder, entries);
        } catch (ModelException | RuntimeException e) {
            closeQuietly(zip);
            throw e;
        }
    }

    private static ZipEntry pickle(Path path, ZipFile zip) throws ModelException {
        if (zip.size() > MAX_FILES) {
            throw new ModelException(path + " has more than " + MAX_FILES + " files in it");
        }
        return zip.stream()
                .filter(entry -> entry.getName().matches("[^/]+/data\\.pkl"))
                .findFirst()
                .map(ZipEntry.class::cast)
                .orElseThrow(
                        () ->
                                new ModelException(
                                        path
                                                + " is a zip file without a data.pkl: torch.save did not write it"));
    }

    private static void checkByteOrder(Path path, ZipFile zip, String folder)
            throws ModelException {
        ZipEntry entry = zip.getEntry(folder + "byteorder");
        if (entry != null) {
            String order =
                    new String(
                            bytes(path, zip, entry, 16),
                            java.nio.charset.StandardCharsets.US_ASCII);
            if (!order.equals("little")) {
                throw new ModelException(
                        path + " was written in byte order " + order + ", not little");
            }
        }
    }

    private static byte[] bytes(Path path, ZipFile zip, ZipEntry entry, long limit)
            throws ModelException {
        if (entry.getMethod() != ZipEntry.STORED || entry.getSize() > limit) {
            throw new ModelException(
                    path
                            + ": "
                            + entry.getName()
                            + (entry.getSize() > limit
                                    ? " has " + entry.getSize() + " bytes, allowed are " + limit
                                    : " is compressed, which torch.save does not do"));
        }
        try (InputStream in = zip.getInputStream(entry)) {
            byte[] bytes = in.readNBytes(Math.toIntExact(entry.getSize()));
            if (bytes.length != entry.getSize()) {
                throw new ModelException(path + ": " + entry.getName() + " is truncated");
            }
            return bytes;
        } catch (IOException | IllegalArgumentException e) {
            throw new ModelException(
                    path + ": " + entry.getName() + " cannot be read: " + e.getMessage(), e);
        }
    }

    Path path() {
        return path;
    }

    /** What was saved. */
    Map<String, Object> root() {
        return root;
    }

    /**
     * A tensor's elements in row-major order, little-endian.
     *
     * @param name how errors call it
     */
    byte[] read(String name, TensorRef tensor) throws ModelException {
        int size = tensor.type().bytes();
        ZipEntry entry = zip.getEntry(folder + "data/" + tensor.storage());
        if (entry == null) {
            throw new ModelException(
                    path
                            + ": tensor "
                            + name
                            + " lies in storage "
                            + tensor.storage()
                            + ", which is missing");
        }
        if (tensor.storageElements() > Integer.MAX_VALUE / 16
                || entry.getSize() != tensor.storageElements() * size) {
            throw new ModelException(
                    path
                            + ": tensor "
                            + name
                            + " lies in a storage of "
                            + tensor.storageElements()
                            + " "
                            + tensor.type()
                            + ", but its file has "
                            + entry.getSize()
                            + " bytes");
        }
        byte[] storage = bytes(path, zip, entry, Integer.MAX_VALUE - 16);
        int count = Math.toIntExact(tensor.elements() * size);
        int first = Math.toIntExact(tensor.offset() * size);
        if (tensor.contiguous()) {
            return count == storage.length
                    ? storage
                    : java.util.Arrays.copyOfRange(storage, first, first + count);
        }
        byte[] ordered = new byte[count];
        long[] at = new long[tensor.shape().size()];
        for (int to = 0; to < count; to += size) {
            long from = tensor.offset();
            for (int i = 0; i < at.length; i++) {
                from += at[i] * tensor.strides().get(i);
            }
            System.arraycopy(storage, Math.toIntExact(from * size), ordered, to, size);
            for (int i = at.length - 1; i >= 0 && ++at[i] == tensor.shape().get(i); i--) {
                at[i] = 0;
            }
        }
        return ordered;
    }

    private static void closeQuietly(ZipFile zip) {
        try {
            zip.close();
        } catch (IOException e) {
            // It was only read.
        }
    }

    @Override
    public void close() {
        closeQuietly(zip);
    }
}
