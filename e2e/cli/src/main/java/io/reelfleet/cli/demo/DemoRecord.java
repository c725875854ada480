package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.MoveRecord;
import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.replay.FittedTrace;
import java.time.Instant;
import java.util.List;

/**
 * What a demo was and what its operator said; the chunks are in the session logs.
 *
 * @param settings as asked
 * @param calibration as measured
 * @param fitted the sessions that were to come
 * @param sessions those that were opened
 * @param refusals what the allocator refused
 * @param samples one per second
 * @param pool the operator's last word
 * @param moves the operator's record of each move, from the oldest to the newest
 * @param begin when the first session could come
 * @param seconds how long it lasted
 * @param stopped whether a person ended it early
 */
record DemoRecord(
        Demo.Settings settings,
        Calibration calibration,
        FittedTrace fitted,
        List<Driver.Driven> sessions,
        List<String> refusals,
        List<Sample> samples,
        Pool pool,
        List<MoveRecord> moves,
        Instant begin,
        double seconds,
        boolean stopped) {}
