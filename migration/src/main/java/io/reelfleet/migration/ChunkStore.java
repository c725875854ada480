package io.reelfleet.migration;

import java.util.List;
import java.util.Optional;

/**
 * Objects that are created once and never changed, named by keys such as {@code
 * sessions/<uid>/log/0000000007}.
 *
 * <p>The one promise that everything else rests on: of any number of concurrent {@link
 * #createIfAbsent} calls for a key, from any number of machines, exactly one returns true, and from
 * then on every reader sees its bytes, whole. {@link StoreProbe} checks at start that a store keeps
 * it. Stores are safe for use by many threads.
 */
public interface ChunkStore extends AutoCloseable {

    /**
     * Stores {@code bytes} under {@code key} unless something is there already.
     *
     * @return true when this call created the object; it is durable then. False when the key was
     *     taken.
     * @throws StoreException when the outcome is unknown or the store refuses; the object may or
     *     may not exist afterwards
     */
    boolean createIfAbsent(String key, byte[] bytes) throws StoreException;

    /** The object's bytes, or empty when nothing was ever stored under this key. */
    Optional<byte[]> read(String key) throws StoreException;

    /** All keys that start with {@code prefix}, sorted. */
    List<String> list(String prefix) throws StoreException;

    /** Removes every object whose key starts with {@code prefix}; no such object is no error. */
    void delete(String prefix) throws StoreException;

    /**
     * Removes these objects one after the other, in this order; what is not there is no error.
     *
     * @throws StoreException when the store refuses; those before the refused one are gone
     */
    default void deleteAll(List<String> keys) throws StoreException {
        for (String key : keys) {
            delete(key);
        }
    }

    /**
     * The names between {@code prefix}, which ends with a slash, and the next slash: the folders
     * there are. Sorted.
     */
    default List<String> folders(String prefix) throws StoreException {
        return list(prefix).stream()
                .map(key -> key.substring(prefix.length()))
                .filter(rest -> rest.indexOf('/') > 0)
                .map(rest -> rest.substring(0, rest.indexOf('/')))
                .distinct()
                .toList();
    }

    /** Where it is, for messages: the URI it was opened with. */
    String location();

    @Override
    default void close() {}
}
