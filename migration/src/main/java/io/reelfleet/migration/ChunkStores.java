package io.reelfleet.migration;

import java.net.URI;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Opens the chunk store that a URI names. */
public final class ChunkStores {
    private ChunkStores() {}

    /**
     * Opens {@code file:/dir} or {@code s3://bucket/prefix}.
     *
     * @throws StoreException with a sentence that names {@code reelfleet.store} when the URI names
     *     no store or it cannot be reached
     */
    public static ChunkStore open(String uri) throws StoreException {
        URI parsed;
        try {
            parsed = URI.create(uri.strip());
        } catch (IllegalArgumentException e) {
            throw unknown(uri, e);
        }
        if (parsed.getScheme() == null) {
            throw unknown(uri, null);
        }
        return switch (parsed.getScheme()) {
            case "file" -> new FilesystemStore(folder(uri, parsed));
            case "s3" -> {
                if (parsed.getHost() == null) {
                    throw unknown(uri, null);
                }
                yield S3Store.open(parsed);
            }
            default -> throw unknown(uri, null);
        };
    }

    private static Path folder(String uri, URI parsed) throws StoreException {
        if (parsed.getPath() == null || !parsed.getPath().startsWith("/")) {
            throw unknown(uri, null);
        }
        try {
            return Path.of(parsed.getPath());
        } catch (InvalidPathException e) {
            throw unknown(uri, e);
        }
    }

    private static StoreException unknown(String uri, Throwable cause) {
        return new StoreException(
                "reelfleet.store is '%s': write file:/dir (an absolute folder) or s3://bucket/prefix"
                        .formatted(uri),
                cause);
    }
}
