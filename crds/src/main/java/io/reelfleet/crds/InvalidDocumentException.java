package io.reelfleet.crds;

import java.io.Serial;

/** A document that cannot be read; its message is one sentence for the person who wrote it. */
public final class InvalidDocumentException extends RuntimeException {
    @Serial private static final long serialVersionUID = 1L;

    InvalidDocumentException(String sentence) {
        super(sentence);
    }
}
