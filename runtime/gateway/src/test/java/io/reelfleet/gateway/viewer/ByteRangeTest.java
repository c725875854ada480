package io.reelfleet.gateway.viewer;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.gateway.viewer.ByteRange.Asked;
import org.junit.jupiter.api.Test;

class ByteRangeTest {

    @Test
    void readsWhatPlayersSend() {
        assertThat(ByteRange.of("bytes=0-9", 100)).isEqualTo(part(0, 10));
        assertThat(ByteRange.of("bytes=90-", 100)).isEqualTo(part(90, 100));
        assertThat(ByteRange.of("bytes=-30", 100)).isEqualTo(part(70, 100));
        assertThat(ByteRange.of("bytes=-300", 100)).isEqualTo(part(0, 100));
        assertThat(ByteRange.of("bytes=50-900", 100)).isEqualTo(part(50, 100));
    }

    @Test
    void sendsTheWholeForWhatItDoesNotKnow() {
        for (String header :
                new String[] {
                    null,
                    "",
                    "bytes=",
                    "bytes=-",
                    "lines=1-2",
                    "bytes=0-1,5-6",
                    "bytes=9-3",
                    "bytes=x-y"
                }) {
            assertThat(ByteRange.of(header, 100)).isEqualTo(new Asked.Whole());
        }
    }

    @Test
    void saysWhenThereIsNothingThere() {
        assertThat(ByteRange.of("bytes=100-", 100)).isEqualTo(new Asked.Unsatisfiable());
        assertThat(ByteRange.of("bytes=-0", 100)).isEqualTo(new Asked.Unsatisfiable());
    }

    private static Asked part(int start, int end) {
        return new Asked.Part(new ByteRange(start, end));
    }
}
