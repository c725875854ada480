package io.reelfleet.cli;

import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.cli.allocator.Allocator;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code reelfleet move NAME}. */
@Command(
        name = "move",
        description = {
            "Move a session to another worker while it streams.",
            "Its viewers keep their URL and miss nothing; './reelfleet get' shows where it is."
        },
        mixinStandardHelpOptions = true)
final class MoveCommand implements Callable<Integer> {
    @Parameters(paramLabel = "NAME", description = "name, namespace/name or uid.")
    private String name;

    @Option(
            names = "--to",
            paramLabel = "WORKER",
            defaultValue = "",
            description = "Where to (default: the ready worker with the fewest sessions).")
    private String worker;

    @Mixin private FleetClient client;
    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
        Allocator allocator = client.allocator();
        try {
            Session session = FleetClient.find(allocator, name);
            allocator.move(session.getSpec().getUid(), worker);
            spec.commandLine()
                    .getOut()
                    .println("session " + name + " moves from worker " + session.getWorker());
            return 0;
        } catch (Allocator.Refused e) {
            throw new Failure(e.getMessage(), e);
        }
    }
}
