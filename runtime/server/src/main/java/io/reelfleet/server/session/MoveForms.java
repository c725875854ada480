package io.reelfleet.server.session;

import com.google.protobuf.Timestamp;
import io.reelfleet.api.migration.v1.Position;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.StatePosition;
import io.reelfleet.engine.StateRecord;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.Outcome;
import java.time.Instant;

/** The engine's and the protocol's records as messages, and back. */
final class MoveForms {
    private MoveForms() {}

    static Record record(StateRecord record, int crc32c) {
        return Record.newBuilder()
                .setName(record.name())
                .setVersion(record.version())
                .setDtype(record.dtype())
                .addAllShape(record.shape())
                .setBytes(record.bytes())
                .setCrc32C(crc32c)
                .build();
    }

    static StateRecord record(Record record) {
        return new StateRecord(
                record.getName(),
                record.getVersion(),
                record.getDtype(),
                record.getShapeList(),
                record.getBytes());
    }

    static Position position(StatePosition position) {
        return Position.newBuilder()
                .setSeed(position.seed())
                .setChunk(position.chunk())
                .setStep(position.step())
                .setMidChunk(position.midChunk())
                .setDecoderStarted(position.decoderStarted())
                .setPromptInForce(position.promptInForce())
                .setPendingPrompt(position.pendingPrompt())
                .setRefreshPending(position.pendingSwitch() == PromptSwitch.REFRESH_CACHE)
                .setNegativePrompt(position.negativePrompt())
                .setNegativePending(position.negativePending())
                .setRewrites(position.rewrites())
                .addAllCachedFrames(position.window().cached())
                .addAllRetrievedFrames(position.window().retrieved())
                .addAllUnguidedCachedFrames(position.unguidedWindow().cached())
                .addAllUnguidedRetrievedFrames(position.unguidedWindow().retrieved())
                .build();
    }

    static StatePosition position(Position position) {
        return new StatePosition(
                position.getSeed(),
                position.getChunk(),
                position.getStep(),
                position.getMidChunk(),
                position.getDecoderStarted(),
                position.getPromptInForce(),
                position.getPendingPrompt(),
                position.getRefreshPending() ? PromptSwitch.REFRESH_CACHE : PromptSwitch.KEEP_CACHE,
                position.getNegativePrompt(),
                position.getNegativePending(),
                position.getRewrites(),
                new StatePosition.Window(
                        position.getCachedFramesList(), position.getRetrievedFramesList()),
                new StatePosition.Window(
                        position.getUnguidedCachedFramesList(),
                        position.getUnguidedRetrievedFramesList()));
    }

    static Move move(io.reelfleet.api.runtime.v1.Move move) {
        return new Move(move.getId(), move.getSource(), move.getTarget(), move.getEpoch());
    }

    static io.reelfleet.api.runtime.v1.Move move(Move move, String uid) {
        return io.reelfleet.api.runtime.v1.Move.newBuilder()
                .setId(move.id())
                .setSessionUid(uid)
                .setSource(move.source())
                .setTarget(move.target())
                .setEpoch(move.epoch())
                .build();
    }

    static MoveOutcome outcome(Outcome outcome) {
        return switch (outcome) {
            case PREPARED -> MoveOutcome.MOVE_OUTCOME_PREPARED;
            case COMMITTED -> MoveOutcome.MOVE_OUTCOME_COMMITTED;
            case NOT_HERE -> MoveOutcome.MOVE_OUTCOME_NOT_HERE;
            case KEPT -> MoveOutcome.MOVE_OUTCOME_KEPT;
            case GONE -> MoveOutcome.MOVE_OUTCOME_GONE;
        };
    }

    static Timestamp timestamp(Instant at) {
        return SessionLoop.timestamp(at);
    }

    static Instant instant(Timestamp at) {
        return Instant.ofEpochSecond(at.getSeconds(), at.getNanos());
    }
}
