package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** What a session is before anything has happened to it. */
class LiveSessionTest {

    @Test
    void aReportThatIsMadeAtOnceNamesTheSessionAndItsEpoch() {
        SessionSpec spec = SessionSpec.newBuilder().setUid("s1").setName("s1").build();

        LiveSession session = new LiveSession(spec, 3, null, Instant.EPOCH);

        assertThat(session.report)
                .isEqualTo(
                        SessionReport.newBuilder()
                                .setSpec(spec)
                                .setEpoch(3)
                                .setState(SessionState.SESSION_STATE_LOADING)
                                .build());
    }
}
