package io.reelfleet.engine;

/**
 * A model folder that cannot be used; the message is one sentence that names the file or tensor and
 * what is wrong with it.
 *
 * <p>Names and values in it come from the files, which anybody may have written: control characters
 * are shown as {@code ?} and what is very long is cut, so that a message stays one line of a
 * terminal or a log.
 */
public final class ModelException extends Exception {
    private static final long serialVersionUID = 1L;
    private static final int MAX_MESSAGE = 1000;

    public ModelException(String message) {
        super(oneLine(message));
    }

    public ModelException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    private static String oneLine(String message) {
        StringBuilder line = new StringBuilder(Math.min(message.length(), MAX_MESSAGE + 3));
        for (int i = 0; i < message.length() && i < MAX_MESSAGE; i++) {
            char c = message.charAt(i);
            boolean breaks = Character.isISOControl(c) || c == '\u2028' || c == '\u2029';
            line.append(breaks ? '?' : c);
        }
        return line.append(message.length() > MAX_MESSAGE ? "..." : "").toString();
    }
}
