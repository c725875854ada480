package io.reelfleet.operator;

import io.fabric8.kubernetes.client.KubernetesClientException;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.reelfleet.operator.trust.ClusterTrust;
import io.reelfleet.process.Ports;
import io.reelfleet.process.ServerTls;
import io.reelfleet.process.StartupProblem;
import jakarta.inject.Inject;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;

/** Starts the operator and keeps it until it is told to end. */
@QuarkusMain
public class Main implements QuarkusApplication {
    @Inject Operator operator;

    /** The program. */
    public static void main(String[] args) {
        // Until Quarkus reads its settings everything would be logged, down to TRACE.
        Logger.getLogger("").setLevel(Level.INFO);
        try {
            prepare();
        } catch (StartupProblem e) {
            System.err.println(e.getMessage());
            System.exit(1);
        } catch (KubernetesClientException e) {
            System.err.println("the API server cannot be asked for the keys: " + e.getMessage());
            System.exit(1);
        } catch (RuntimeException e) {
            // The client's threads would keep the process.
            e.printStackTrace();
            System.exit(1);
        }
        Quarkus.run(Main.class, (code, problem) -> System.exit(explain(code, problem)), args);
    }

    /** The port needs its certificate before Quarkus opens it, and must be free. */
    private static void prepare() {
        Config config = ConfigProvider.getConfig();
        Function<String, Optional<String>> settings =
                key -> config.getOptionalValue(key, String.class).filter(v -> !v.isBlank());
        ClusterTrust.open(settings);
        // Callers of the allocator show bearer tokens, so no certificate is asked of them.
        settings.apply("reelfleet.tls.dir")
                .ifPresent(dir -> ServerTls.serve("reelfleet.tls.dir", Path.of(dir)));
        Ports.mustBeFree(settings);
    }

    private static int explain(int code, Throwable problem) {
        if (problem != null) {
            StartupProblem.in(problem)
                    .ifPresentOrElse(System.err::println, problem::printStackTrace);
        }
        return problem == null ? code : 1;
    }

    @Override
    public int run(String... args) {
        try {
            operator.start();
        } catch (StartupProblem e) {
            System.err.println(e.getMessage());
            return 1;
        }
        Quarkus.waitForExit();
        return operator.exitCode();
    }
}
