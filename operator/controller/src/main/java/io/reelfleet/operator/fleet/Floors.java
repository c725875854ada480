package io.reelfleet.operator.fleet;

import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.scheduler.PoolSettings;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;

/** A pool's limits as they are at one instant: its schedule and its budget. */
final class Floors {
    private static final double HOURS_PER_DAY = 24;

    /** The longest month: a budget must not run out on the 31st. */
    private static final double DAYS_PER_MONTH = 31;

    private Floors() {}

    /** The settings with the minimum that the schedule asks for now, and what the budget allows. */
    static PoolSettings at(PoolSettings settings, GPUPoolSpec spec, Instant now) {
        if (spec == null || spec.scaling() == null) {
            return settings;
        }
        int most = Math.min(settings.maxWorkers(), affordable(spec.scaling()));
        int least = settings.minWorkers();
        for (GPUPoolSpec.ScheduleEntry entry : spec.scaling().schedule()) {
            if (inForce(entry, now)) {
                least = Math.max(least, entry.minGpus());
            }
        }
        return settings.with().limits(Math.min(least, most), most).build();
    }

    static boolean inForce(GPUPoolSpec.ScheduleEntry entry, Instant now) {
        LocalTime time = ZonedDateTime.ofInstant(now, ZoneId.of(entry.timeZone())).toLocalTime();
        LocalTime from = LocalTime.parse(entry.from());
        LocalTime to = LocalTime.parse(entry.to());
        return from.isBefore(to)
                ? !time.isBefore(from) && time.isBefore(to)
                : !time.isBefore(from) || time.isBefore(to);
    }

    /** The most workers that the budget pays for if they ran all the time. */
    static int affordable(GPUPoolSpec.Scaling scaling) {
        if (scaling.budget() == null || scaling.price() == null) {
            return Integer.MAX_VALUE;
        }
        double price = price(scaling);
        return price <= 0
                ? Integer.MAX_VALUE
                : (int) Math.min(1e6, perHour(scaling.budget()) / price + 1e-9);
    }

    /** Of a worker for an hour. */
    static double price(GPUPoolSpec.Scaling scaling) {
        return scaling.price().getNumericalAmount().doubleValue();
    }

    /** What a budget allows in an hour. */
    static double perHour(GPUPoolSpec.Budget budget) {
        double hours =
                switch (budget.period()) {
                    case HOUR -> 1;
                    case DAY -> HOURS_PER_DAY;
                    case MONTH -> HOURS_PER_DAY * DAYS_PER_MONTH;
                };
        return budget.amount().getNumericalAmount().doubleValue() / hours;
    }
}
