package io.reelfleet.server;

import com.google.protobuf.Timestamp;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.Hello;
import io.reelfleet.api.runtime.v1.ReportRequest;
import io.reelfleet.api.runtime.v1.UnendedLog;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.migration.Retention;
import io.reelfleet.server.session.SessionLoop;
import jakarta.inject.Singleton;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;

/**
 * Reports to the one operator that leads: one at once, then on every change and at least each
 * second.
 *
 * <p>Chunk statistics wait here while nobody subscribes, the newest ones, so that an operator that
 * comes back misses little.
 */
@Singleton
class ReportStream {
    private static final long LONGEST_SILENCE_MS = 1000;
    private static final long SHORTEST_PAUSE_MS = 20;
    private static final int MOST_STATS_KEPT = 4096;

    private final Object lock = new Object();
    private final Deque<ChunkStat> stats = new ArrayDeque<>();
    private ServerCallStreamObserver<WorkerReport> subscriber;
    private long sequence;
    private boolean changed;
    private boolean closed;
    private SessionLoop loop;
    private Instant endsBy;
    private Supplier<Hello> hello;
    private Supplier<List<Retention.Unended>> unended;

    void serve(
            SessionLoop newLoop,
            Supplier<Hello> newHello,
            Supplier<List<Retention.Unended>> newUnended) {
        synchronized (lock) {
            unended = newUnended;
            loop = newLoop;
            hello = newHello;
        }
        Thread.ofPlatform().daemon().name("reports").start(this::run);
    }

    /** Takes a subscription in place of the one before. */
    void subscribe(ReportRequest request, ServerCallStreamObserver<WorkerReport> observer) {
        synchronized (lock) {
            if (subscriber != null) {
                end(
                        subscriber,
                        Status.ABORTED.withDescription(
                                "operator %s subscribed with term %d"
                                        .formatted(request.getOperator(), request.getTerm())));
            }
            subscriber = observer;
            sequence = 0;
            changed = true;
            lock.notifyAll();
        }
        observer.setOnCancelHandler(
                () -> {
                    synchronized (lock) {
                        if (subscriber == observer) {
                            subscriber = null;
                        }
                    }
                });
    }

    /** The worker has been told to end, and will then, empty or not. */
    void endsBy(Instant at) {
        synchronized (lock) {
            endsBy = at;
            changed = true;
            lock.notifyAll();
        }
    }

    /** Whether the worker has been told to end. */
    boolean ending() {
        synchronized (lock) {
            return endsBy != null;
        }
    }

    void wake() {
        synchronized (lock) {
            changed = true;
            lock.notifyAll();
        }
    }

    void add(ChunkStat stat) {
        synchronized (lock) {
            stats.addLast(stat);
            if (stats.size() > MOST_STATS_KEPT) {
                stats.removeFirst();
            }
            changed = true;
            lock.notifyAll();
        }
    }

    void close() {
        synchronized (lock) {
            closed = true;
            if (subscriber != null) {
                end(subscriber, Status.UNAVAILABLE.withDescription("the worker is stopping"));
                subscriber = null;
            }
            lock.notifyAll();
        }
    }

    private void run() {
        try {
            while (true) {
                synchronized (lock) {
                    if (!changed && !closed) {
                        lock.wait(LONGEST_SILENCE_MS);
                    }
                    if (closed) {
                        return;
                    }
                    changed = false;
                    if (subscriber != null && !subscriber.isCancelled() && subscriber.isReady()) {
                        subscriber.onNext(report());
                    }
                }
                // Changes that come together are told together.
                Thread.sleep(SHORTEST_PAUSE_MS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private WorkerReport report() {
        List<ChunkStat> finished = new ArrayList<>(stats);
        stats.clear();
        SessionLoop.Memory memory = loop.memory();
        Instant now = Instant.now();
        WorkerReport.Builder report =
                WorkerReport.newBuilder()
                        .setHello(hello.get())
                        .setSequence(sequence++)
                        .setSentAt(timestamp(now))
                        .setPhase(phase(loop.phase()))
                        .setMessage(loop.message())
                        .addAllSessions(loop.sessions())
                        .addAllChunks(finished)
                        .addAllMoves(loop.moves())
                        .setDeviceBytesUsed(memory.deviceUsed())
                        .setHostBytesUsed(memory.hostUsed());
        for (Retention.Unended log : unended.get()) {
            report.addUnended(
                    UnendedLog.newBuilder().setSessionUid(log.uid()).setEpoch(log.epoch()));
        }
        if (endsBy != null) {
            report.setEndsBy(timestamp(endsBy));
        }
        return report.build();
    }

    private static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }

    private static WorkerPhase phase(SessionLoop.Phase phase) {
        return switch (phase) {
            case LOADING -> WorkerPhase.WORKER_PHASE_LOADING;
            case READY -> WorkerPhase.WORKER_PHASE_READY;
            case DRAINING -> WorkerPhase.WORKER_PHASE_DRAINING;
            case FAILED -> WorkerPhase.WORKER_PHASE_FAILED;
        };
    }

    private static void end(ServerCallStreamObserver<WorkerReport> observer, Status status) {
        if (!observer.isCancelled()) {
            observer.onError(status.asRuntimeException());
        }
    }
}
