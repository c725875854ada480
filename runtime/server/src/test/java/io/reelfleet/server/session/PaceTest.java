package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.session.v1.Pacing;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class PaceTest {
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
    private static final double INTERVAL = 0.75;
    private static final PaceSettings SETTINGS = new PaceSettings(3, Duration.ofSeconds(10));

    @Test
    void realtimeIsOneChunkPerIntervalHoweverLongEachTook() {
        Pace pace = pace(Pacing.PACING_REALTIME);
        assertThat(pace.due(0, 0)).hasValue(START);

        pace.begun(START);
        pace.generated(at(0.7));
        assertThat(pace.due(1, 0)).hasValue(at(0.75));
        pace.begun(at(2.5));
        pace.generated(at(3));
        assertThat(pace.due(2, 0)).as("behind, and catching up").hasValue(at(1.5));
    }

    @Test
    void realtimeStartsAnewAfterASuspensionAndWhenHopelesslyBehind() {
        Pace pace = pace(Pacing.PACING_REALTIME);
        pace.generated(at(0.1));
        pace.shift(at(0.5), at(60.5));
        assertThat(pace.due(1, 0)).as("0.25 s were left").hasValue(at(60.75));

        pace.shift(at(61), at(70));
        assertThat(pace.due(1, 0)).as("was due when it was suspended").hasValue(at(70));
        pace.generated(at(200));
        assertThat(pace.due(2, 0)).hasValue(at(200));
    }

    @Test
    void sessionsThatArriveTogetherKeepTheOrderOfTheirFirstTurn() {
        Pace one = pace(Pacing.PACING_REALTIME);
        Pace two = pace(Pacing.PACING_REALTIME);
        one.begun(at(0));
        one.generated(at(0.3));
        two.begun(at(0.3));
        two.generated(at(0.6));

        assertThat(one.due(1, 0)).hasValue(at(0.75));
        assertThat(two.due(1, 0)).hasValue(at(1.05));
    }

    @Test
    void aViewerGetsTheBufferAndNoMore() {
        Pace pace = pace(Pacing.PACING_VIEWER);
        assertThat(pace.active(at(1))).isFalse();
        assertThat(pace.due(0, 0)).isEmpty();

        pace.heartbeat("v", 0, at(1));
        assertThat(pace.active(at(1))).isTrue();
        assertThat(pace.due(0, 0)).hasValue(at(1));
        assertThat(pace.due(3, 3 * INTERVAL)).hasValue(at(1));
        assertThat(pace.due(4, 4 * INTERVAL)).as("once 0.75 s are played").hasValue(at(1.75));
        assertThat(pace.due(9, 9 * INTERVAL)).as("not foreseeable").isEmpty();
        assertThat(pace.active(at(11.1))).isFalse();
        assertThat(pace.due(0, 0)).isEmpty();
    }

    @Test
    void unpacedIsDueWhenTheChunkBeforeIsStored() {
        Pace pace = pace(Pacing.PACING_UNPACED);
        pace.generated(at(1));
        pace.stored(at(1.1));
        assertThat(pace.due(1, 0)).hasValue(at(1.1));
    }

    private static Pace pace(Pacing pacing) {
        return Pace.of(pacing, SETTINGS, INTERVAL, START);
    }

    private static Instant at(double seconds) {
        return START.plus(Pace.seconds(seconds));
    }
}
