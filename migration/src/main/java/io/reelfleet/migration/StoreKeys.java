package io.reelfleet.migration;

import java.util.regex.Pattern;

/**
 * What keys look like: path segments without surprises, so that a key can never point outside its
 * store.
 */
final class StoreKeys {
    private static final Pattern KEY =
            Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*");
    private static final Pattern SESSION_UID = Pattern.compile("[a-z0-9-]{1,63}");

    private StoreKeys() {}

    static String check(String key) {
        if (!KEY.matcher(key).matches()) {
            throw new IllegalArgumentException("not a key of the chunk store: " + key);
        }
        return key;
    }

    static String checkPrefix(String prefix) {
        if (!prefix.isEmpty()) {
            check(prefix.endsWith("/") ? prefix.substring(0, prefix.length() - 1) : prefix);
        }
        return prefix;
    }

    /** Key of entry {@code n} of a session's log. */
    static String logEntry(String sessionUid, long n) {
        return logPrefix(sessionUid) + "%010d".formatted(n);
    }

    static String logPrefix(String sessionUid) {
        return sessionPrefix(sessionUid) + "log/";
    }

    /** Says where entry {@code n}, a Trim, is to be found. */
    static String trim(String sessionUid, long n) {
        return trimsPrefix(sessionUid) + "%010d".formatted(n);
    }

    static String trimsPrefix(String sessionUid) {
        return sessionPrefix(sessionUid) + "trims/";
    }

    /** Keeps a session's chunks for a fork. */
    static String fork(String sessionUid, String fork) {
        sessionPrefix(fork);
        return forksPrefix(sessionUid) + fork;
    }

    static String forksPrefix(String sessionUid) {
        return sessionPrefix(sessionUid) + "forks/";
    }

    /** There once the session's time is over: nobody may fork it any more. */
    static String leaving(String sessionUid) {
        return sessionPrefix(sessionUid) + "leaving";
    }

    static boolean isSessionUid(String text) {
        return SESSION_UID.matcher(text).matches();
    }

    static String sessionPrefix(String sessionUid) {
        if (!SESSION_UID.matcher(sessionUid).matches()) {
            throw new IllegalArgumentException(
                    "not a session uid: '%s'; write 1 to 63 of a-z, 0-9 and -"
                            .formatted(sessionUid));
        }
        return "sessions/" + sessionUid + "/";
    }
}
