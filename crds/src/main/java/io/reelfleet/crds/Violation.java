package io.reelfleet.crds;

/**
 * Why a resource is refused.
 *
 * @param field path such as {@code spec.seed}
 * @param message what is wrong and what to write instead, as the API server says it
 */
public record Violation(String field, String message) {
    @Override
    public String toString() {
        return field + ": " + message;
    }
}
