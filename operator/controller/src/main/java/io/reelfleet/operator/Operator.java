package io.reelfleet.operator;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.grpc.Status;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownEvent;
import io.reelfleet.operator.allocator.Allocation;
import io.reelfleet.operator.allocator.Allocator;
import io.reelfleet.operator.allocator.FileRegistry;
import io.reelfleet.operator.allocator.Gate;
import io.reelfleet.operator.allocator.LeadersAllocator;
import io.reelfleet.operator.allocator.SessionRegistry;
import io.reelfleet.operator.allocator.TokenFileGate;
import io.reelfleet.operator.eviction.EvictionWebhook;
import io.reelfleet.operator.fleet.Deciding;
import io.reelfleet.operator.fleet.FleetListener;
import io.reelfleet.operator.fleet.FleetLoop;
import io.reelfleet.operator.fleet.FleetSettings;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.MoveView;
import io.reelfleet.operator.fleet.PoolDefinition;
import io.reelfleet.operator.fleet.SessionWish;
import io.reelfleet.operator.fleet.Shared;
import io.reelfleet.operator.fleet.SharedBudgets;
import io.reelfleet.operator.kubernetes.ClusterListener;
import io.reelfleet.operator.kubernetes.ClusterState;
import io.reelfleet.operator.kubernetes.ConfigMapRegistry;
import io.reelfleet.operator.kubernetes.Deletions;
import io.reelfleet.operator.kubernetes.KeySecret;
import io.reelfleet.operator.kubernetes.PriorityClasses;
import io.reelfleet.operator.kubernetes.ReviewGate;
import io.reelfleet.operator.kubernetes.Wake;
import io.reelfleet.operator.leadership.FileLeadership;
import io.reelfleet.operator.leadership.Leadership;
import io.reelfleet.operator.leadership.LeaseLeadership;
import io.reelfleet.operator.tokens.ViewerTokens;
import io.reelfleet.operator.workers.GrpcWorkerLink;
import io.reelfleet.operator.workers.PodWorkers;
import io.reelfleet.operator.workers.ProcessWorkers;
import io.reelfleet.operator.workers.WorkerChannels;
import io.reelfleet.operator.workers.WorkerLink;
import io.reelfleet.operator.workers.WorkerProvider;
import io.reelfleet.process.EndpointFile;
import io.reelfleet.process.MonotonicClock;
import io.reelfleet.process.Parent;
import io.reelfleet.process.Ports;
import io.reelfleet.process.StartupProblem;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import jakarta.enterprise.inject.Instance;
import jakarta.inject.Inject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;
import org.jboss.logging.Logger;

/** The operator put together: what its settings ask for, started in order, ended in order. */
@ApplicationScoped
public class Operator implements FleetAccess {
    private static final Logger LOG = Logger.getLogger(Operator.class);
    private static final Duration WORKER_GRACE = Duration.ofSeconds(10);
    private static final long PRIORITIES_SECONDS = 30;

    private final Clock clock = Clock.systemUTC();

    /** The fleet's time: whoever sets this machine's clock makes no worker silent. */
    private final Clock patience = new MonotonicClock();

    private final ExecutorService commands = Executors.newVirtualThreadPerTaskExecutor();
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("operator-timer").factory());

    @Inject FleetMetrics metrics;
    @Inject Wake wake;
    @Inject Deletions deletions;

    /** Only an operator with an API server asks for these. */
    @Inject Instance<KubernetesClient> clients;

    @Inject Instance<io.javaoperatorsdk.operator.Operator> reconcilers;

    private volatile Allocator allocator;
    private LeadersAllocator leadersAllocator;
    private WorkerProvider provider;
    private volatile int exitCode;
    private Settings settings;
    private Fleets fleets;
    private Leadership leadership;
    private ProcessWorkers processes;
    private SessionRegistry registry;
    private volatile Optional<EvictionWebhook> evictions = Optional.empty();

    /** The allocator, which a standby only leads to; refuses while the operator starts. */
    public Allocation allocator() {
        Allocator own = ownAllocator();
        return leads() ? own : leadersAllocator;
    }

    /** This operator's own allocator; refuses while the operator starts, and where it stands by. */
    public Allocator ownAllocator() {
        Allocator a = allocator;
        if (a == null) {
            throw Status.UNAVAILABLE
                    .withDescription("the operator is starting; try again in a moment")
                    .asRuntimeException();
        }
        return a;
    }

    /** Who is asked before pods are evicted; empty where nobody is. */
    public Optional<EvictionWebhook> evictions() {
        return evictions;
    }

    /** What the process should end with. */
    int exitCode() {
        return exitCode;
    }

    /** Whether everything has been put together. */
    public boolean started() {
        return allocator != null;
    }

    @Override
    public Fleets fleets() {
        return fleets;
    }

    @Override
    public Settings settings() {
        return settings;
    }

    @Override
    public Clock clock() {
        return clock;
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
        settings.parentPid().ifPresent(pid -> Parent.follow(pid, () -> Quarkus.asyncExit(0)));
        ViewerTokens tokens = tokens();
        evictions =
                settings.cluster()
                        .evictionWebhook()
                        .map(
                                name ->
                                        new EvictionWebhook(
                                                name,
                                                tokens.derive("evictions"),
                                                this::evictionAsked));
        Gate gate = gate();
        provider = settings.processes() ? processWorkers() : podWorkers();
        FleetListener listener = listener();
        WorkerChannels channels = new WorkerChannels(settings.tlsDir());
        WorkerLink.Dialer dialer = GrpcWorkerLink.dialer(channels::open, settings.name(), timer);
        SecureRandom random = new SecureRandom();
        Optional<Path> records =
                config.getOptionalValue("reelfleet.decisions.dir", String.class).map(Path::of);
        PriorityClasses priorities = new PriorityClasses(settings.priorityClasses());
        Shared shared = new Shared(priorities, new SharedBudgets());
        fleets =
                new Fleets(
                        (pool, term) ->
                                new FleetLoop(
                                        pool,
                                        FleetSettings.of(
                                                settings.workerTimeout(),
                                                settings.moveHold(),
                                                settings.moveBytesPerSecond()),
                                        Deciding.byPool(records),
                                        provider,
                                        dialer,
                                        commands,
                                        patience,
                                        () -> FleetLoop.randomName(random),
                                        listener,
                                        term,
                                        this::deposed,
                                        shared));
        if (processes != null) {
            processes.follow(fleets::workersChanged);
        }
        registry = registry();
        leadership = leadership(config);
        leadersAllocator = new LeadersAllocator(leadership::leaderEndpoint, channels::open);
        Allocator ready =
                new Allocator(fleets, gate, registry, tokens, settings.gatewayUrl(), clock);
        leadership.join(this::lead, this::deposed);
        allocator = ready;
        metrics.follow(fleets, timer);
        if (settings.kubernetes()) {
            timer.scheduleWithFixedDelay(
                    () -> commands.execute(() -> priorities.look(clients.get())),
                    0,
                    PRIORITIES_SECONDS,
                    TimeUnit.SECONDS);
        }
        renewCertificates();
        evictions.ifPresent(this::announce);
        settings.endpointFile().ifPresent(file -> writeEndpoint(file, config));
    }

    /** Again from time to time: somebody may have put the chart's own configuration back. */
    private void announce(EvictionWebhook webhook) {
        timer.scheduleWithFixedDelay(
                () ->
                        commands.execute(
                                () -> webhook.announce(clients.get(), authorityPem().orElse(""))),
                0,
                10,
                TimeUnit.MINUTES);
    }

    private void lead(long term) {
        List<PoolDefinition> pools = new ArrayList<>();
        List<SessionWish> sessions = new ArrayList<>(registry.load());
        if (settings.kubernetes()) {
            ClusterState.Known known = ClusterState.read(clients.get(), settings);
            pools.addAll(known.pools());
            sessions.addAll(known.sessions());
        } else {
            pools.addAll(PoolsFile.read(settings.poolsFile().orElseThrow(), settings));
        }
        fleets.lead(term, pools, sessions)
                .forEach(
                        s ->
                                LOG.warnf(
                                        "session %s is of pool %s, which is not there: it waits for that pool",
                                        s.spec().getUid(), s.spec().getPool()));
        if (settings.kubernetes()) {
            reconcilers.get().start();
            timer.scheduleWithFixedDelay(() -> deletions.look(fleets), 1, 1, TimeUnit.SECONDS);
        }
    }

    private Leadership leadership(Config config) {
        return settings.processes()
                ? new FileLeadership(settings.processesDir().orElseThrow(), settings.name())
                : new LeaseLeadership(
                        clients.get(),
                        settings.namespace(),
                        settings.cluster().lease(),
                        settings.name(),
                        settings.cluster()
                                .podIp()
                                .map(
                                        ip ->
                                                bracketed(ip)
                                                        + ":"
                                                        + Ports.ofApplication(
                                                                key ->
                                                                        config.getOptionalValue(
                                                                                key,
                                                                                String.class))),
                        LeaseLeadership.Timing.USUAL,
                        clock);
    }

    private static String bracketed(String ip) {
        return ip.indexOf(':') >= 0 ? "[" + ip + "]" : ip;
    }

    private ViewerTokens tokens() {
        if (settings.tokensKeyFile().isPresent()) {
            return ViewerTokens.open(settings.tokensKeyFile().get(), clock);
        }
        String secret = settings.cluster().tokensSecret().orElseThrow();
        Map<String, String> keys =
                KeySecret.complete(
                        clients.get(),
                        settings.namespace(),
                        secret,
                        "reelfleet.tokens.secret",
                        Operator::withKeys);
        return ViewerTokens.of(
                keys.getOrDefault("private.pem", ""),
                "reelfleet.tokens.secret: the Secret " + secret,
                clock);
    }

    private Optional<String> evictionAsked(String namespace, String pod, boolean dryRun) {
        return provider instanceof PodWorkers pods
                ? pods.evictionAsked(namespace, pod, dryRun)
                : Optional.empty();
    }

    /** Viewers' tokens are signed with the pair; gateways encrypt their cookies with the third. */
    private static Map<String, String> withKeys(Map<String, String> there) {
        Map<String, String> whole = new HashMap<>(there);
        if (!there.containsKey("private.pem")) {
            ViewerTokens.Keys fresh = ViewerTokens.generate();
            whole.put("private.pem", fresh.privatePem());
            whole.put("public.pem", fresh.publicPem());
        }
        if (!there.containsKey("cookie.key")) {
            byte[] key = new byte[32];
            new SecureRandom().nextBytes(key);
            whole.put("cookie.key", Base64.getEncoder().encodeToString(key));
        }
        return whole;
    }

    private Gate gate() {
        return settings.apiTokenFile().isPresent()
                ? TokenFileGate.open(settings.apiTokenFile().get())
                : new ReviewGate(clients.get());
    }

    private SessionRegistry registry() {
        if (settings.kubernetes() && settings.cluster().sessionsConfigMap().isPresent()) {
            return new ConfigMapRegistry(
                    clients.get(),
                    settings.namespace(),
                    settings.cluster().sessionsConfigMap().get());
        }
        if (settings.processesDir().isEmpty()) {
            LOG.warn(
                    "reelfleet.sessions.config-map is not set: the allocator's sessions are forgotten with this operator");
            return SessionRegistry.NONE;
        }
        Path folder = settings.processesDir().get().resolve("sessions");
        try {
            return new FileRegistry(folder);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.processes.dir: " + folder + " cannot be made: " + e.getMessage());
        }
    }

    private WorkerProvider podWorkers() {
        Settings.Cluster c = settings.cluster();
        return new PodWorkers(
                clients.get(),
                new PodWorkers.Common(
                        settings.workerImage(),
                        c.imagePullPolicy(),
                        c.imagePullSecrets(),
                        c.serviceAccount(),
                        c.instance(),
                        c.storeClaim(),
                        c.storeSecret(),
                        c.trustSecret().isPresent() ? c.trustEndpoint() : Optional.empty(),
                        this::authorityPem,
                        storeEnvironment()),
                settings.watchNamespaces(),
                c.watchNodes(),
                clock,
                commands,
                pool -> {
                    if (fleets != null) {
                        fleets.workersChanged(pool);
                    }
                });
    }

    /** The certificates of the authorities, as the operator's own folder has them now. */
    private Optional<String> authorityPem() {
        return settings.tlsDir()
                .map(folder -> folder.resolve("ca.crt"))
                .filter(Files::isReadable)
                .map(
                        file -> {
                            try {
                                return Files.readString(file);
                            } catch (IOException e) {
                                throw new java.io.UncheckedIOException(e);
                            }
                        });
    }

    /**
     * How to reach an S3 store, and where pictures may come from, is the same for the operator and
     * its workers.
     */
    private static Map<String, String> storeEnvironment() {
        Map<String, String> environment = new LinkedHashMap<>();
        System.getenv()
                .forEach(
                        (key, value) -> {
                            if (key.startsWith("REELFLEET_S3_")
                                    || key.equals("REELFLEET_IMAGES_FROM")
                                    || key.equals("AWS_REGION")
                                    || key.startsWith("AWS_ENDPOINT_URL")) {
                                environment.put(key, value);
                            }
                        });
        return environment;
    }

    private WorkerProvider processWorkers() {
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

    /** On a laptop this operator has the authority, and its neighbours' folders lie beside it. */
    private void renewCertificates() {
        settings.authorityDir()
                .map(dir -> WorkerCertificates.open(dir, clock))
                .ifPresent(
                        c ->
                                timer.scheduleWithFixedDelay(
                                        () -> c.renew(settings), 1, 60, TimeUnit.MINUTES));
    }

    private FleetListener listener() {
        FleetListener cluster =
                settings.kubernetes()
                        ? new ClusterListener(
                                this::fleets, wake, clients.get(), commands, clock, settings.name())
                        : FleetListener.NONE;
        return new FleetListener() {
            @Override
            public void changed(String pool, Set<String> sessions) {
                if (!sessions.isEmpty()) {
                    commands.execute(() -> forgetFinished(sessions));
                }
                cluster.changed(pool, sessions);
            }

            @Override
            public void happened(Occurrence occurrence) {
                cluster.happened(occurrence);
            }

            @Override
            public void moved(String pool, MoveView move) {
                metrics.moved(pool, move);
            }
        };
    }

    /** What has finished is not to be opened again by the next operator. */
    private void forgetFinished(Set<String> sessions) {
        for (String uid : sessions) {
            fleets.session(uid)
                    .filter(
                            s ->
                                    s.phase().finished()
                                            && s.wish().source() == SessionWish.Source.ALLOCATOR)
                    .ifPresent(s -> registry.remove(uid));
        }
    }

    private void deposed() {
        LOG.error("another operator leads now; this one ends");
        exitCode = 1;
        Quarkus.asyncExit(1);
    }

    private static void writeEndpoint(Path file, Config config) {
        EndpointFile.write(
                file,
                config.getOptionalValue("reelfleet.listen-host", String.class).orElse("127.0.0.1"),
                Ports.ofApplication(key -> config.getOptionalValue(key, String.class)),
                Ports.ofManagement(key -> config.getOptionalValue(key, String.class)));
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
            leadersAllocator.close();
        }
        if (provider instanceof PodWorkers pods) {
            pods.close();
        }
        timer.shutdownNow();
        commands.shutdownNow();
    }
}
