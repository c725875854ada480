package io.reelfleet.operator.allocator;

import com.google.protobuf.Timestamp;
import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.MoveRecord;
import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.Worker;
import io.reelfleet.operator.fleet.MoveView;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionView;
import io.reelfleet.operator.fleet.WorkerView;
import java.time.Instant;
import java.util.Collection;

/** The loop's views as the allocator's messages. */
final class Messages {
    private Messages() {}

    static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }

    /**
     * @param url of the session
     */
    static Session session(SessionView v, String url) {
        return Session.newBuilder()
                .setSpec(v.wish().spec())
                .setPhase(v.phase().title())
                .setWorker(v.worker())
                .setEpoch(v.epoch())
                .setUrl(url)
                .setMessage(v.message())
                .setDesired(v.wish().active() ? Desired.DESIRED_ACTIVE : Desired.DESIRED_SUSPENDED)
                .setNextChunk(v.nextChunk())
                .setOpenedAt(timestamp(v.wish().openedAt()))
                .setMoves(v.moves())
                .setSource(v.wish().source().title())
                .build();
    }

    static Fleet fleet(Collection<PoolView> pools, long term, Instant now) {
        Fleet.Builder fleet = Fleet.newBuilder().setAt(timestamp(now)).setTerm(term);
        pools.forEach(p -> fleet.addPools(pool(p)));
        return fleet.build();
    }

    private static Pool pool(PoolView v) {
        Pool.Builder pool =
                Pool.newBuilder()
                        .setName(v.pool().name())
                        .setModel(v.pool().model())
                        .setWorkersWanted(v.workersWanted())
                        .setWorkersReady(v.workersReady())
                        .setSessionsActive(v.sessionsIn(SessionView.Phase.RUNNING))
                        .setSessionsSuspended(v.sessionsIn(SessionView.Phase.SUSPENDED))
                        .setSessionsQueued(v.sessionsIn(SessionView.Phase.QUEUED))
                        .setLatencyTargetS(v.pool().settings().latencyTargetMillis() / 1000.0)
                        .setChunksGenerated(v.totals().chunksGenerated())
                        .setChunksLate(v.totals().chunksLate())
                        .setWorkerSeconds(v.totals().workerSeconds())
                        .setSuspends(v.totals().suspends())
                        .setResumes(v.totals().resumes())
                        .setMigrations(v.totals().migrations())
                        .setChunkLatencyP50S(v.latency().p50())
                        .setChunkLatencyP99S(v.latency().p99())
                        .setChunkLatencyWorstS(v.latency().worst())
                        .setReason(
                                v.problem() == null
                                        ? v.reason()
                                        : v.reason() + "; " + v.problem().message());
        v.workers().forEach(w -> pool.addWorkers(worker(w)));
        v.moves().forEach(m -> pool.addMoves(move(m)));
        return pool.build();
    }

    private static MoveRecord move(MoveView v) {
        MoveRecord.Builder move =
                MoveRecord.newBuilder()
                        .setId(v.id())
                        .setOrderedAt(timestamp(v.orderedAt()))
                        .setSessionUid(v.session())
                        .setSessionName(v.name())
                        .setFrom(v.from())
                        .setTo(v.to())
                        .setReason(v.reason())
                        .setTransport(v.transport().title())
                        .setOutcome(v.outcome().title())
                        .setSentence(v.sentence());
        if (v.figures() != null) {
            move.getFiguresBuilder()
                    .setBytesBefore(v.figures().bytesBefore())
                    .setBytesAfter(v.figures().bytesAfter())
                    .setStoodStillMs(v.figures().stoodStillS() * 1000)
                    .setDurationMs(v.figures().seconds() * 1000);
        }
        return move.build();
    }

    private static Worker worker(WorkerView v) {
        Worker.Builder worker =
                Worker.newBuilder()
                        .setName(v.name())
                        .setPhase(v.phase())
                        .setSessionsActive(v.sessionsActive())
                        .setSessionsSuspended(v.sessionsSuspended())
                        .setChunkLatencyP99S(v.chunkLatencyP99S())
                        .setRequestedAt(timestamp(v.requestedAt()))
                        .setEndpoint(v.endpoint())
                        .setDeviceBytesUsed(v.deviceBytesUsed())
                        .setDeviceBytesLimit(v.deviceBytesLimit());
        if (v.readyAt() != null) {
            worker.setReadyAt(timestamp(v.readyAt()));
        }
        return worker.build();
    }
}
