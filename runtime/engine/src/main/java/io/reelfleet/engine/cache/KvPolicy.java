package io.reelfleet.engine.cache;

/**
 * Which of a session's frames a chunk attends to, beside the newest ones and itself. A strategy of
 * the cache, not part of the state: pages hold keys before RoPE, so any choice of frames can be
 * read.
 */
public sealed interface KvPolicy {
    /** First frames that never leave the window. */
    int sink();

    /** Places of the window that are kept for frames that left it. */
    int retrieved();

    /** The sink and the newest frames. */
    record RollingWindow(int sink) implements KvPolicy {
        @Override
        public int retrieved() {
            return 0;
        }
    }

    /**
     * The sink, the newest frames, and of those that left the window the ones most like the newest:
     * a place that is seen again is remembered. What left lies in a bank in host memory.
     *
     * @param retrieved frames brought back for every chunk
     * @param bankFrames most frames in the bank; the oldest goes first
     */
    record DynamicSinks(int sink, int retrieved, int bankFrames) implements KvPolicy {}
}
