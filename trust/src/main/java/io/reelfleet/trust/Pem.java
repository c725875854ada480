package io.reelfleet.trust;

import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** The text form of keys and certificates (RFC 7468). */
final class Pem {

    private static final int LINE = 64;
    private static final int LONGEST = 65_536;

    private Pem() {}

    static String write(String label, byte[] der) {
        String body =
                Base64.getMimeEncoder(LINE, "\n".getBytes(StandardCharsets.US_ASCII))
                        .encodeToString(der);
        return "-----BEGIN " + label + "-----\n" + body + "\n-----END " + label + "-----\n";
    }

    /** The first block with this label. */
    static byte[] read(String label, String pem) {
        String begin = "-----BEGIN " + label + "-----";
        String end = "-----END " + label + "-----";
        int from = pem.indexOf(begin);
        int to = pem.indexOf(end, Math.max(from, 0));
        if (pem.length() > LONGEST || from < 0 || to < 0) {
            throw new IllegalArgumentException(
                    "Expected a PEM block '" + label + "' of at most 64 KiB.");
        }
        return Base64.getMimeDecoder().decode(pem.substring(from + begin.length(), to));
    }
}
