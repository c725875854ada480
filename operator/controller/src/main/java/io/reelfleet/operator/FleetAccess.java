package io.reelfleet.operator;

import io.reelfleet.operator.fleet.Fleets;
import java.time.Clock;

/** What reconcilers see of the operator that runs them. */
public interface FleetAccess {

    /** The loops. */
    Fleets fleets();

    /** The settings. */
    Settings settings();

    /** The time that status goes by. */
    Clock clock();
}
