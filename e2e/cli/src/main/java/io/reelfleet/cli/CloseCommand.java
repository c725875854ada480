package io.reelfleet.cli;

import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.cli.allocator.Allocator;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code reelfleet close NAME}. */
@Command(
        name = "close",
        description = "Close a session: its worker is free again, its chunks stay in the store.",
        mixinStandardHelpOptions = true)
final class CloseCommand implements Callable<Integer> {
    @Parameters(paramLabel = "NAME", description = "name, namespace/name or uid.")
    private String name;

    @Mixin private FleetClient client;
    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
        Allocator allocator = client.allocator();
        try {
            Session session = FleetClient.find(allocator, name);
            allocator.close(session.getSpec().getUid());
            spec.commandLine().getOut().println("session " + name + " is closed");
            return 0;
        } catch (Allocator.Refused e) {
            throw new Failure(e.getMessage(), e);
        }
    }
}
