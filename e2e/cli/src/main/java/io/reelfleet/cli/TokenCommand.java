package io.reelfleet.cli;

import io.reelfleet.api.allocator.v1.IssueTokenResponse;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.cli.allocator.Allocator;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code reelfleet token NAME}. */
@Command(
        name = "token",
        description =
                "Print a viewer's token for one session. The token goes to standard output, all else to standard error.",
        mixinStandardHelpOptions = true)
final class TokenCommand implements Callable<Integer> {
    @Parameters(paramLabel = "NAME", description = "name, namespace/name or uid.")
    private String name;

    @Option(
            names = "--minutes",
            paramLabel = "N",
            defaultValue = "60",
            description = "How long it is good for, 1 to 1440 (default: ${DEFAULT-VALUE}).")
    private int minutes;

    @Mixin private FleetClient client;
    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
        Checks.between("--minutes", minutes, 1, 1440);
        Allocator allocator = client.allocator();
        try {
            Session session = FleetClient.find(allocator, name);
            IssueTokenResponse issued =
                    allocator.token(session.getSpec().getUid(), Duration.ofMinutes(minutes));
            spec.commandLine()
                    .getErr()
                    .println(
                            "Paste it on the page "
                                    + session.getUrl()
                                    + " or send it as 'Authorization: Bearer ...':");
            spec.commandLine().getErr().flush();
            spec.commandLine().getOut().println(issued.getToken());
            return 0;
        } catch (Allocator.Refused e) {
            throw new Failure(e.getMessage(), e);
        }
    }
}
