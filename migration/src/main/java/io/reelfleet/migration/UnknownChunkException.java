package io.reelfleet.migration;

/**
 * Somebody named a session or chunk that is not stored, or no longer. The message is a sentence for
 * who asked; nothing was changed.
 */
public final class UnknownChunkException extends Exception {
    private static final long serialVersionUID = 1;

    UnknownChunkException(String sentence) {
        super(sentence);
    }
}
