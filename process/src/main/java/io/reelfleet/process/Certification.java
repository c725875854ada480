package io.reelfleet.process;

import io.reelfleet.trust.Enrolment;
import java.util.Optional;
import java.util.function.Function;

/**
 * In a cluster the operator certifies a part's pod ({@code reelfleet.trust.endpoint}); elsewhere
 * this does nothing.
 */
public final class Certification {

    private Certification() {}

    /**
     * Waits until this part has its certificate, which is renewed from then on.
     *
     * @throws StartupProblem when a setting is missing
     */
    public static void await(Function<String, Optional<String>> config) {
        enrolment(config).ifPresent(Certification::start);
    }

    /** Does not wait for it. */
    public static void begin(Function<String, Optional<String>> config) {
        enrolment(config)
                .ifPresent(
                        e -> Thread.ofPlatform().daemon().name("enrolment").start(() -> start(e)));
    }

    private static Optional<Enrolment> enrolment(Function<String, Optional<String>> config) {
        try {
            return Enrolment.from(config, System.err::println);
        } catch (IllegalArgumentException e) {
            throw new StartupProblem(e.getMessage(), e);
        }
    }

    private static void start(Enrolment enrolment) {
        try {
            enrolment.start();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StartupProblem("interrupted while waiting for a certificate", e);
        }
    }
}
