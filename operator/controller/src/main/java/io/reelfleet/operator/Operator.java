package io.reelfleet.operator;

import io.grpc.Status;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownEvent;
import io.reelfleet.operator.allocator.Allocator;
import io.reelfleet.operator.allocator.FileRegistry;
import io.reelfleet.operator.allocator.Gate;
import io.reelfleet.operator.allocator.SessionRegistry;
import io.reelfleet.operator.allocator.TokenFileGate;
import io.reelfleet.operator.fleet.FleetListener;
import io.reelfleet.operator.fleet.FleetLoop;
import io.reelfleet.operator.fleet.FleetSettings;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.PoolDefinition;
import io.reelfleet.operator.leadership.FileLeadership;
import io.reelfleet.operator.leadership.Leadership;
import io.reelfleet.operator.tokens.ViewerTokens;
import io.reelfleet.operator.workers.GrpcWorkerLink;
import io.reelfleet.operator.workers.ProcessWorkers;
import io.reelfleet.operator.workers.WorkerChannels;
import io.reelfleet.operator.workers.WorkerLink;
import io.reelfleet.operator.workers.WorkerProvider;
import io.reelfleet.scheduler.LeastLoadedPolicy;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Inject;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;
import org.jboss.logging.Logger;

/** The operator put together: what its settings ask for, started in order, ended in order. */
@ApplicationScoped
public class Operator {
    private static final Logger LOG = Logger.getLogger(Operator.class);
    private static final Duration WORKER_GRACE = Duration.ofSeconds(10);

    private final Clock clock = Clock.systemUTC();
    private final ExecutorService commands = Executors.newVirtualThreadPerTaskExecutor();
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("operator-timer").factory());

    @Inject FleetMetrics metrics;

    private volatile Allocator allocator;
    private volatile int exitCode;
    private Settings settings;
    private Fleets fleets;
    private Leadership leadership;
    private ProcessWorkers processes;
    private SessionRegistry registry;

    /** The allocator; refuses while the operator starts. */
    public Allocator allocator() {
        Allocator a = allocator;
        if (a == null) {
            throw Status.UNAVAILABLE
                    .withDescription("the operator is starting; try again in a moment")
                    .asRuntimeException();
        }
        return a;
    }

    /** What the process should end with. */
    int exitCode() {
        return exitCode;
    }

    /** Whether everything has been put together. */
    public boolean started() {
        return allocator != null;
    }

    /** Whether this operator leads. */
    public boolean leads() {
        return fleets != null && fleets.term() > 0;
    }

    /**
     * Starts everything.
     *
     * @throws StartupProblem with a sentence for the person who started it
     */
    void start() {
        Config config = ConfigProvider.getConfig();
        settings = Settings.read(key -> config.getOptionalValue(key, String.class));
        followParent();
        ViewerTokens tokens = ViewerTokens.open(settings.tokensKeyFile().orElseThrow(), clock);
        Gate gate = gate();
        WorkerProvider provider = provider();
        WorkerChannels channels = new WorkerChannels(settings.tlsDir());
        WorkerLink.Dialer dialer = GrpcWorkerLink.dialer(channels::open, settings.name(), timer);
        SecureRandom random = new SecureRandom();
        fleets =
                new Fleets(
                        (pool, term) ->
                                new FleetLoop(
                                        pool,
                                        FleetSettings.of(settings.workerTimeout()),
                                        new LeastLoadedPolicy(),
                                        provider,
                                        dialer,
                                        commands,
                                        clock,
                                        () -> FleetLoop.randomName(random),
                                        listener(),
                                        term,
                                        this::deposed));
        registry = registry();
        leadership = leadership();
        Allocator ready =
                new Allocator(
                        fleets,
                        gate,
                        registry,
                        tokens,
                        () -> leadership,
                        settings.gatewayUrl(),
                        clock);
        leadership.join(this::lead, this::deposed);
        allocator = ready;
        metrics.follow(fleets, timer);
        settings.endpointFile().ifPresent(file -> writeEndpoint(file, config));
    }

    private void lead(long term) {
        List<PoolDefinition> pools = new ArrayList<>();
        if (!settings.kubernetes()) {
            pools.addAll(PoolsFile.read(settings.poolsFile().orElseThrow(), settings));
        }
        fleets.lead(term, pools, registry.load())
                .forEach(
                        s ->
                                LOG.warnf(
                                        "session %s is of pool %s, which is not there: it waits for that pool",
                                        s.spec().getUid(), s.spec().getPool()));
    }

    private Leadership leadership() {
        return new FileLeadership(settings.processesDir().orElseThrow(), settings.name());
    }

    private Gate gate() {
        return TokenFileGate.open(settings.apiTokenFile().orElseThrow());
    }

    private SessionRegistry registry() {
        Path folder = settings.processesDir().orElseThrow().resolve("sessions");
        try {
            return new FileRegistry(folder);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.processes.dir: " + folder + " cannot be made: " + e.getMessage());
        }
    }

    private WorkerProvider provider() {
        List<String> command = new ArrayList<>();
        command.add(settings.java());
        command.addAll(settings.javaOptions());
        Map<String, String> common = new LinkedHashMap<>();
        common.put("quarkus.http.port", "0");
        common.put("quarkus.management.port", "0");
        common.put("reelfleet.listen-host", "127.0.0.1");
        common.put("reelfleet.worker.advertise", "127.0.0.1");
        settings.parentPid()
                .ifPresent(pid -> common.put("reelfleet.parent-pid", Long.toString(pid)));
        Optional<WorkerCertificates> certificates =
                settings.authorityDir().map(dir -> WorkerCertificates.open(dir, clock));
        try {
            processes =
                    new ProcessWorkers(
                            settings.processesDir().orElseThrow(),
                            command,
                            settings.serverJar().orElseThrow(),
                            common,
                            certificates.map(c -> (ProcessWorkers.Certificates) c).orElse(null),
                            WORKER_GRACE);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.processes.dir "
                            + settings.processesDir().orElseThrow()
                            + " cannot be made: "
                            + e.getMessage());
        }
        return processes;
    }

    private FleetListener listener() {
        return new FleetListener() {
            @Override
            public void changed(String pool, Set<String> sessions) {
                commands.execute(() -> forgetFinished(sessions));
            }

            @Override
            public void happened(Occurrence occurrence) {}
        };
    }

    /** What has finished is not to be opened again by the next operator. */
    private void forgetFinished(Set<String> sessions) {
        for (String uid : sessions) {
            fleets.session(uid)
                    .filter(s -> s.phase().finished())
                    .ifPresent(s -> registry.remove(uid));
        }
    }

    private void followParent() {
        settings.parentPid()
                .ifPresent(
                        pid ->
                                ProcessHandle.of(pid)
                                        .ifPresentOrElse(
                                                parent ->
                                                        parent.onExit()
                                                                .thenRun(
                                                                        () -> Quarkus.asyncExit(0)),
                                                () -> Quarkus.asyncExit(0)));
    }

    private void deposed() {
        LOG.error("another operator leads now; this one ends");
        exitCode = 1;
        Quarkus.asyncExit(1);
    }

    private void writeEndpoint(Path file, Config config) {
        EndpointFile.write(
                file,
                config.getOptionalValue("reelfleet.listen-host", String.class).orElse("127.0.0.1"),
                config.getValue("quarkus.http.port", Integer.class),
                config.getOptionalValue("quarkus.management.port", Integer.class).orElse(0));
    }

    void stop(@Observes ShutdownEvent event) {
        allocator = null;
        if (fleets != null) {
            fleets.stop();
        }
        if (processes != null && settings.stopWorkers()) {
            processes.stopAll();
        }
        if (leadership != null) {
            leadership.close();
        }
        timer.shutdownNow();
        commands.shutdownNow();
    }
}
