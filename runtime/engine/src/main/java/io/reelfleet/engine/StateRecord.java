package io.reelfleet.engine;

import java.util.List;
import java.util.Objects;

/**
 * One piece of a session's state: a page, or a small tensor.
 *
 * @param name what it is, unique in a session: {@code kv/<latent frame>/<layer>}, {@code vae/<i>},
 *     {@code cross/<layer>}, {@code latents}, {@code clean/<chunk>}, {@code firstframe}; with
 *     dynamic sinks {@code bankkeys/}, {@code bankvalues/} and {@code banklike/<latent frame>};
 *     with guidance also all that has to do with the cache as {@code negkv/...} and so on
 * @param version grows whenever the bytes under this name change; equal versions have equal bytes
 * @param dtype {@code F32} or {@code BF16}, little-endian, row-major
 * @param shape of the bytes, such as {@code [2, tokens x dim]} of a page (keys before RoPE, values)
 * @param bytes how many there are
 */
public record StateRecord(String name, long version, String dtype, List<Long> shape, long bytes) {
    public StateRecord {
        Objects.requireNonNull(name, "name");
        shape = List.copyOf(shape);
    }
}
