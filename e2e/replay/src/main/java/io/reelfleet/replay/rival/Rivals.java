package io.reelfleet.replay.rival;

import io.reelfleet.replay.bound.DemandCurve;
import io.reelfleet.scheduler.Policy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** All rivals by name, {@code placement+scaler}. */
public final class Rivals {
    /** The share of busy time for which the smaller fixed fleet is large enough. */
    static final double FIXED_SHARE = 0.95;

    private Rivals() {}

    /**
     * A rival.
     *
     * @param name placement+scaler
     * @param freeMoves whether it lives in a world where state moves in no time
     * @param fresh makes one for one run
     */
    public record Entry(String name, boolean freeMoves, Supplier<Policy> fresh) {}

    /**
     * Every published rival and the oracle placement, for a trace.
     *
     * @param curve tells the static ones what they need; the others see nothing of it
     * @param seed of those that draw
     */
    public static List<Entry> all(DemandCurve curve, int capacity, long seed) {
        Map<String, Supplier<Placement>> placements = new LinkedHashMap<>();
        placements.put("round-robin", Placements.RoundRobin::new);
        placements.put("least-loaded", Placements.LeastLoaded::new);
        placements.put("least-memory", Placements.LeastMemory::new);
        placements.put("power-of-two", () -> new Placements.PowerOfTwo(seed));
        placements.put("place-at-resume", Placements.PlaceAtResume::new);
        placements.put("llumnix", Placements.Llumnix::new);
        placements.put("oracle", Placements.Oracle::new);

        Map<String, Integer> fleets = fixedFleets(curve, capacity);
        int peak = fleets.get("static-peak");
        int fixed = fleets.get("fixed-p95");
        Map<String, Supplier<Scaler>> scalers = new LinkedHashMap<>();
        scalers.put("static-peak", () -> new Scalers.Static(peak));
        scalers.put("fixed-p95", () -> new Scalers.Static(fixed));
        scalers.put("hpa", Scalers.Hpa::new);
        scalers.put("kpa", Scalers.Kpa::new);
        scalers.put("ray-serve", Scalers.RayServe::new);
        scalers.put("agones", Scalers.Agones::new);
        scalers.put("dynamo", Scalers.Dynamo::new);

        List<Entry> all = new ArrayList<>();
        placements.forEach(
                (placement, p) ->
                        scalers.forEach(
                                (scaler, s) ->
                                        all.add(
                                                new Entry(
                                                        placement + "+" + scaler,
                                                        placement.equals("oracle"),
                                                        () -> new Rival(p.get(), s.get())))));
        all.add(new Entry("turboserve+turboserve", false, () -> turboServe(true)));
        all.add(new Entry("turboserve-no-migration+turboserve", false, () -> turboServe(false)));
        all.add(
                new Entry(
                        "turboserve+static-peak",
                        false,
                        () -> new Rival(new TurboServe(true), new Scalers.Static(peak))));
        all.add(
                new Entry(
                        "turboserve+fixed-p95",
                        false,
                        () -> new Rival(new TurboServe(true), new Scalers.Static(fixed))));
        return all;
    }

    /**
     * The fixed numbers of GPUs: for the peak, and for what is not exceeded in 95 % of the busy
     * time.
     */
    public static Map<String, Integer> fixedFleets(DemandCurve curve, int capacity) {
        Map<String, Integer> fleets = new LinkedHashMap<>();
        fleets.put("static-peak", Math.ceilDiv(curve.peak(), capacity));
        fleets.put("fixed-p95", Math.ceilDiv(curve.percentile(FIXED_SHARE), capacity));
        return fleets;
    }

    /** Hindsight hold+buffer with the settings that are best for the trace, under the oracle. */
    public static Policy hindsight(HoldAndBuffer.Settings settings) {
        return new Rival(new Placements.Oracle(), new Scalers.Hold(settings));
    }

    private static Policy turboServe(boolean migrates) {
        TurboServe both = new TurboServe(migrates);
        return new Rival(both, both);
    }
}
