package io.reelfleet.operator.stub;

import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.ServerCredentials;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.AdmitResponse;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.CommandResponse;
import io.reelfleet.api.runtime.v1.DrainRequest;
import io.reelfleet.api.runtime.v1.FindForkRequest;
import io.reelfleet.api.runtime.v1.FindForkResponse;
import io.reelfleet.api.runtime.v1.Hello;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.ReportRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.UpdateRequest;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.runtime.v1.WorkerServiceGrpc;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Also a program of its own: it reads the worker's settings and writes its endpoint file. */
public final class StubWorker implements AutoCloseable {

    /** What it answers to a prompt with "TOO LONG" in it. */
    public static final String PROMPT_TOO_LONG =
            "the prompt has 300 tokens, the model takes 64: write a shorter one";

    private static final class Held {
        private SessionSpec spec;
        private long epoch;
        private SessionState state = SessionState.SESSION_STATE_RUNNING;
        private long nextChunk;
    }

    private final String name;
    private final Server server;
    private final Map<String, Held> sessions = new LinkedHashMap<>();
    private final List<String> commands = new CopyOnWriteArrayList<>();
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().factory());
    private StreamObserver<WorkerReport> subscriber;
    private long term;
    private WorkerPhase phase = WorkerPhase.WORKER_PHASE_READY;
    private String message = "";
    private String error = "";

    /** A worker that listens in clear text. */
    public StubWorker(String name, String host, int port) throws IOException {
        this(name, host, port, InsecureServerCredentials.create());
    }

    /** A worker that listens. */
    StubWorker(String name, String host, int port, ServerCredentials credentials)
            throws IOException {
        this.name = name;
        this.server =
                NettyServerBuilder.forAddress(new InetSocketAddress(host, port), credentials)
                        .addService(new Service())
                        .build()
                        .start();
        timer.scheduleAtFixedRate(this::generate, 200, 200, TimeUnit.MILLISECONDS);
    }

    /** The program. */
    public static void main(String[] args) throws Exception {
        String complaint = System.getProperty("stub.complaint");
        if (complaint != null) {
            System.err.println(complaint);
            System.exit(1);
        }
        StubWorker worker =
                new StubWorker(System.getProperty("reelfleet.worker.name"), "127.0.0.1", 0);
        Path file = Path.of(System.getProperty("reelfleet.endpoint-file"));
        Path next = file.resolveSibling(file.getFileName() + ".new");
        Files.writeString(
                next,
                "{\"pid\":%d,\"host\":\"127.0.0.1\",\"port\":%d}"
                        .formatted(ProcessHandle.current().pid(), worker.port()));
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        String parent = System.getProperty("reelfleet.parent-pid");
        if (parent != null) {
            ProcessHandle.of(Long.parseLong(parent))
                    .ifPresent(p -> p.onExit().thenRun(() -> Runtime.getRuntime().halt(0)));
        }
        worker.server.awaitTermination();
    }

    /** Where it listens. */
    public int port() {
        return server.getPort();
    }

    /** What it was told, as "verb uid epoch". */
    public List<String> commands() {
        return List.copyOf(commands);
    }

    /** The sessions it has. */
    public synchronized List<String> sessions() {
        return List.copyOf(sessions.keySet());
    }

    /** From now on it says that it cannot work, and why. */
    synchronized void fail(String sentence) {
        phase = WorkerPhase.WORKER_PHASE_FAILED;
        message = sentence;
    }

    /** From now on its sessions say what went wrong, such as that their disk is full. */
    public synchronized void say(String lastError) {
        error = lastError;
    }

    /** Ends at once, as a crash does. */
    @Override
    public void close() {
        timer.shutdownNow();
        server.shutdownNow();
    }

    private synchronized void generate() {
        WorkerReport.Builder chunks = WorkerReport.newBuilder();
        sessions.forEach(
                (uid, h) -> {
                    if (h.state == SessionState.SESSION_STATE_RUNNING) {
                        chunks.addChunks(
                                ChunkStat.newBuilder()
                                        .setSessionUid(uid)
                                        .setChunk(h.nextChunk++)
                                        .setLatencyS(0.1));
                        if (h.spec.getMaxChunks() > 0 && h.nextChunk >= h.spec.getMaxChunks()) {
                            h.state = SessionState.SESSION_STATE_COMPLETED;
                        }
                    }
                });
        report(chunks);
    }

    private synchronized void report(WorkerReport.Builder r) {
        if (subscriber == null) {
            return;
        }
        r.setHello(
                        Hello.newBuilder()
                                .setWorker(name)
                                .setProtocolVersion(1)
                                .setModel("stub")
                                .setDevice("stub GPU")
                                .addControls("prompt")
                                .setChunkIntervalS(0.75))
                .setPhase(phase)
                .setMessage(message);
        sessions.forEach(
                (uid, h) ->
                        r.addSessions(
                                SessionReport.newBuilder()
                                        .setSpec(h.spec)
                                        .setEpoch(h.epoch)
                                        .setState(h.state)
                                        .setActive(true)
                                        .setLastError(error)
                                        .setNextChunk(h.nextChunk)));
        try {
            subscriber.onNext(r.build());
        } catch (RuntimeException e) {
            subscriber = null;
        }
    }

    private final class Service extends WorkerServiceGrpc.WorkerServiceImplBase {

        @Override
        public void report(ReportRequest request, StreamObserver<WorkerReport> observer) {
            synchronized (StubWorker.this) {
                if (request.getTerm() < term) {
                    observer.onError(
                            Status.FAILED_PRECONDITION
                                    .withDescription("STALE_TERM " + term)
                                    .asRuntimeException());
                    return;
                }
                term = request.getTerm();
                subscriber = observer;
                StubWorker.this.report(WorkerReport.newBuilder());
            }
        }

        private boolean obeys(CommandHeader header, StreamObserver<?> observer, String verb) {
            commands.add(verb + " " + header.getSessionUid() + " " + header.getEpoch());
            if (header.getTerm() < term) {
                observer.onError(
                        Status.FAILED_PRECONDITION
                                .withDescription("STALE_TERM " + term)
                                .asRuntimeException());
                return false;
            }
            term = header.getTerm();
            return true;
        }

        @Override
        public void admit(AdmitRequest request, StreamObserver<AdmitResponse> observer) {
            synchronized (StubWorker.this) {
                if (!obeys(request.getHeader(), observer, "admit")) {
                    return;
                }
                if (request.getSpec().getControls(0).getText().contains("TOO LONG")) {
                    observer.onError(
                            Status.INVALID_ARGUMENT
                                    .withDescription(PROMPT_TOO_LONG)
                                    .asRuntimeException());
                    return;
                }
                Held h = new Held();
                h.spec = request.getSpec();
                h.epoch = request.getHeader().getEpoch();
                sessions.put(request.getSpec().getUid(), h);
                observer.onNext(AdmitResponse.newBuilder().setEpoch(h.epoch).build());
                observer.onCompleted();
            }
        }

        private void change(
                String verb,
                CommandHeader header,
                StreamObserver<CommandResponse> observer,
                java.util.function.Consumer<Held> change) {
            synchronized (StubWorker.this) {
                if (!obeys(header, observer, verb)) {
                    return;
                }
                Held h = sessions.get(header.getSessionUid());
                if (h == null) {
                    observer.onError(
                            Status.NOT_FOUND
                                    .withDescription("no such session")
                                    .asRuntimeException());
                    return;
                }
                change.accept(h);
                observer.onNext(
                        CommandResponse.newBuilder()
                                .setState(h.state)
                                .setNextChunk(h.nextChunk)
                                .build());
                observer.onCompleted();
            }
        }

        @Override
        public void suspend(SessionCommand request, StreamObserver<CommandResponse> observer) {
            change(
                    "suspend",
                    request.getHeader(),
                    observer,
                    h -> h.state = SessionState.SESSION_STATE_SUSPENDED);
        }

        @Override
        public void resume(SessionCommand request, StreamObserver<CommandResponse> observer) {
            change(
                    "resume",
                    request.getHeader(),
                    observer,
                    h -> h.state = SessionState.SESSION_STATE_RUNNING);
        }

        @Override
        public void update(UpdateRequest request, StreamObserver<CommandResponse> observer) {
            change("update", request.getHeader(), observer, h -> h.spec = request.getSpec());
        }

        @Override
        public void release(ReleaseRequest request, StreamObserver<CommandResponse> observer) {
            change(
                    request.getEnd() ? "end" : "release",
                    request.getHeader(),
                    observer,
                    h -> sessions.remove(h.spec.getUid()));
        }

        @Override
        public void findFork(FindForkRequest request, StreamObserver<FindForkResponse> observer) {
            observer.onNext(
                    FindForkResponse.newBuilder()
                            .setSentence(
                                    "spec.from.session: the store has no " + request.getSourceUid())
                            .build());
            observer.onCompleted();
        }

        @Override
        public void drain(DrainRequest request, StreamObserver<CommandResponse> observer) {
            synchronized (StubWorker.this) {
                commands.add("drain");
                phase = WorkerPhase.WORKER_PHASE_DRAINING;
                observer.onNext(CommandResponse.getDefaultInstance());
                observer.onCompleted();
            }
        }
    }
}
