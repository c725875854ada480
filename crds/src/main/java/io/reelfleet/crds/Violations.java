package io.reelfleet.crds;

import io.fabric8.kubernetes.api.model.Quantity;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Collects what the rules find. */
final class Violations {
    static final String REQUIRED = "Required value";

    private static final Pattern NAME = Pattern.compile(Sentences.NAME_PATTERN);
    private static final Pattern SHA256 = Pattern.compile(Sentences.SHA256_PATTERN);

    private final List<Violation> found = new ArrayList<>();

    /** Unless it holds, the field is refused with that sentence. */
    void require(boolean holds, String field, String sentence) {
        if (!holds) {
            found.add(new Violation(field, sentence));
        }
    }

    /** Says whether there is a value; when there is none the field is refused as missing. */
    boolean present(Object value, String field) {
        require(value != null, field, REQUIRED);
        return value != null;
    }

    void positive(Number value, String field) {
        require(value == null || value.longValue() > 0, field, Sentences.POSITIVE);
    }

    void notNegative(Number value, String field) {
        require(value == null || value.longValue() >= 0, field, Sentences.NOT_NEGATIVE);
    }

    void duration(String value, String field) {
        require(value == null || Durations.valid(value), field, Sentences.DURATION);
    }

    void name(String value, String field) {
        require(value == null || isName(value), field, Sentences.NAME);
    }

    void sha256(String value, String field) {
        require(value == null || SHA256.matcher(value).matches(), field, Sentences.SHA256);
    }

    void quantity(Quantity value, String field, String sentence) {
        require(value == null || isNotNegative(value), field, sentence);
    }

    void length(String value, int max, String field) {
        require(
                value == null || value.length() <= max,
                field,
                "Too long: may not be more than " + max + " bytes");
    }

    void notEmpty(String value, String field) {
        if (present(value, field)) {
            require(!value.isEmpty(), field, field + " in body should be at least 1 chars long");
        }
    }

    void size(List<?> value, int max, String field) {
        require(
                value.size() <= max,
                field,
                "Too many: " + value.size() + ": must have at most " + max + " items");
    }

    static boolean isName(String value) {
        return NAME.matcher(value).matches();
    }

    List<Violation> found() {
        return List.copyOf(found);
    }

    private static boolean isNotNegative(Quantity value) {
        try {
            return value.getNumericalAmount().signum() >= 0;
        } catch (RuntimeException e) {
            return false;
        }
    }
}
