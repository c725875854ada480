package io.reelfleet.operator;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import jakarta.inject.Inject;
import java.net.BindException;

/** Starts the operator and keeps it until it is told to end. */
@QuarkusMain
public class Main implements QuarkusApplication {
    @Inject Operator operator;

    /** The program. */
    public static void main(String[] args) {
        Quarkus.run(Main.class, (code, problem) -> System.exit(explain(code, problem)), args);
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
