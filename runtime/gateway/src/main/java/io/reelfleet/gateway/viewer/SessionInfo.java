package io.reelfleet.gateway.viewer;

import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.ChunkRun;
import java.util.List;

/**
 * What a viewer may know of a session beside its pictures.
 *
 * @param state waiting (no chunk yet), live, ended
 * @param prompt in force in the newest chunk
 * @param worker that owns it now, and under which epoch
 * @param seconds of video stored
 */
record SessionInfo(
        String type,
        String uid,
        String name,
        String state,
        String prompt,
        long seed,
        String pacing,
        String worker,
        long epoch,
        long nextChunk,
        double seconds,
        double fps,
        int width,
        int height,
        String endReason,
        String endMessage) {

    static SessionInfo of(String uid, ChunkIndex log) {
        SessionSpec spec =
                log.owner().map(o -> o.owner().getSpec()).orElse(SessionSpec.getDefaultInstance());
        List<ChunkRun> runs = log.runs();
        String state = "live";
        if (log.end().isPresent()) {
            state = "ended";
        } else if (runs.isEmpty()) {
            state = "waiting";
        }
        return new SessionInfo(
                "session",
                uid,
                spec.getName(),
                state,
                prompt(log.controls().isEmpty() ? spec.getControlsList() : log.controls()),
                spec.getSeed(),
                spec.getPacing().name().replace("PACING_", "").toLowerCase(java.util.Locale.ROOT),
                log.owner().map(o -> o.owner().getWorker()).orElse(""),
                log.owner().map(ChunkIndex.Ownership::epoch).orElse(0L),
                log.nextChunk(),
                log.seconds(),
                runs.isEmpty() ? 0 : runs.getLast().fps(),
                log.width(),
                log.height(),
                log.end().map(End::getReason).orElse(""),
                log.end().map(End::getMessage).orElse(""));
    }

    static String prompt(List<Control> controls) {
        String prompt = "";
        for (Control control : controls) {
            if (control.getKind().equals("prompt")) {
                prompt = control.getText();
            }
        }
        return prompt;
    }
}
