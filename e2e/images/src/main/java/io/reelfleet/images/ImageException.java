package io.reelfleet.images;

import java.io.Serial;

/** Images cannot be built; the message is one sentence for the person who asked. */
final class ImageException extends Exception {
    @Serial private static final long serialVersionUID = 1L;

    ImageException(String sentence) {
        super(sentence);
    }

    ImageException(String sentence, Throwable cause) {
        super(sentence, cause);
    }
}
