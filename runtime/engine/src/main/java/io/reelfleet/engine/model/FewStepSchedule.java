package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;

/**
 * The denoising steps of a chunk.
 *
 * @param timesteps as the transformer sees them, falling from 1000
 * @param sigmas share of noise before each step
 */
public record FewStepSchedule(double[] timesteps, double[] sigmas) {
    /**
     * {@code steps} steps, evenly spaced before the shift of flow matching, {@code sigma = shift s
     * / (1 + (shift - 1) s)}: four steps at shift 5 are Self-Forcing's 1000, 937.5, 833.3, 625.
     */
    public static FewStepSchedule shifted(int steps, double shift) {
        double[] even = new double[steps];
        for (int i = 0; i < steps; i++) {
            even[i] = 1.0 - (double) i / steps;
        }
        return shifted(even, shift);
    }

    /**
     * Steps at given shares of noise before the shift.
     *
     * @param shares falling, at most 1
     */
    public static FewStepSchedule shifted(double[] shares, double shift) {
        double[] timesteps = new double[shares.length];
        double[] sigmas = new double[shares.length];
        for (int i = 0; i < shares.length; i++) {
            // In float32, as the public schedulers keep them.
            sigmas[i] = (float) (shift * shares[i] / (1 + (shift - 1) * shares[i]));
            timesteps[i] = (float) (sigmas[i] * 1000);
        }
        return new FewStepSchedule(timesteps, sigmas);
    }

    /** Given steps, checked: as many sigmas as timesteps, both falling, none at zero. */
    public static FewStepSchedule given(double[] timesteps, double[] sigmas, String where)
            throws ModelException {
        if (timesteps.length == 0 || timesteps.length != sigmas.length || timesteps.length > 60) {
            throw new ModelException(
                    where + ": timesteps and sigmas must have the same length, from 1 to 60");
        }
        for (int i = 0; i < timesteps.length; i++) {
            boolean falls =
                    i == 0 || (timesteps[i] < timesteps[i - 1] && sigmas[i] < sigmas[i - 1]);
            if (!falls || !(timesteps[i] > 0) || !(sigmas[i] > 0) || sigmas[i] > 1) {
                throw new ModelException(
                        where
                                + ": timesteps and sigmas must fall and stay above 0, sigmas at"
                                + " most 1");
            }
        }
        return new FewStepSchedule(timesteps.clone(), sigmas.clone());
    }

    /** Number of denoising steps. */
    public int steps() {
        return timesteps.length;
    }
}
