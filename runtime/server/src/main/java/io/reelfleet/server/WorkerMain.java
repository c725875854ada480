package io.reelfleet.server;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.reelfleet.process.Certification;
import io.reelfleet.process.Ports;
import io.reelfleet.process.ServerTls;
import io.reelfleet.process.StartupProblem;

/**
 * Starts a worker. What a person got wrong is one sentence on stderr and exit code 1, before
 * anything else starts.
 */
@QuarkusMain
public final class WorkerMain implements QuarkusApplication {
    private final Presence presence;

    WorkerMain(Presence presence) {
        this.presence = presence;
    }

    /** Runs until it is told to end. */
    public static void main(String... args) {
        try {
            WorkerSettings settings = WorkerSettings.current();
            Certification.await(settings::text);
            check(settings);
        } catch (StartupProblem e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
        Quarkus.run(WorkerMain.class, WorkerMain::ended, args);
    }

    @Override
    public int run(String... args) {
        presence.announce();
        Quarkus.waitForExit();
        return 0;
    }

    private static void ended(int exitCode, Throwable problem) {
        StartupProblem.in(problem).ifPresent(System.err::println);
        System.exit(problem == null ? exitCode : 1);
    }

    private static void check(WorkerSettings settings) {
        settings.store();
        settings.modelUri();
        settings.threads();
        settings.latencyTarget();
        settings.idleTimeout();
        settings.grace();
        settings.deviceMemory();
        settings.hostMemory();
        settings.overrides();
        String host = settings.listenHost();
        // PeerRoles says who may call what.
        settings.tlsDir().ifPresent(dir -> ServerTls.serveMutually("reelfleet.tls.dir", dir));
        if (settings.tlsDir().isEmpty() && !Ports.isLoopback(host) && !settings.insecure()) {
            throw new StartupProblem(
                    "reelfleet.listen-host %s is reachable from outside and nothing encrypts: set reelfleet.tls.dir (or reelfleet.insecure=true where the network is trusted)"
                            .formatted(host));
        }
        Ports.mustBeFree(settings::text);
    }
}
