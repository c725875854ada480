package io.reelfleet.operator;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.reelfleet.operator.trust.ClusterTrust;
import io.reelfleet.operator.trust.ServerTls;
import jakarta.inject.Inject;
import java.net.BindException;
import java.nio.file.Path;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;

/** Starts the operator and keeps it until it is told to end. */
@QuarkusMain
public class Main implements QuarkusApplication {
    @Inject Operator operator;

    /** The program. */
    public static void main(String[] args) {
        try {
            trust();
        } catch (StartupProblem e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
        Quarkus.run(Main.class, (code, problem) -> System.exit(explain(code, problem)), args);
    }

    /** The port needs its certificate before Quarkus opens it. */
    private static void trust() {
        Config config = ConfigProvider.getConfig();
        ClusterTrust.open(key -> config.getOptionalValue(key, String.class));
        config.getOptionalValue("reelfleet.tls.dir", String.class)
                .filter(dir -> !dir.isBlank())
                .ifPresent(dir -> ServerTls.serve(Path.of(dir)));
    }

    private static int explain(int code, Throwable problem) {
        for (Throwable t = problem; t != null; t = t.getCause()) {
            if (t instanceof StartupProblem) {
                System.err.println(t.getMessage());
                return 1;
            }
            if (t instanceof BindException
                    || t.getClass().getSimpleName().equals("QuarkusBindException")) {
                System.err.println(
                        "the operator's port is in use ("
                                + t.getMessage()
                                + "); stop what listens there, or set quarkus.http.port");
                return 1;
            }
        }
        if (problem != null) {
            problem.printStackTrace();
        }
        return code;
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
