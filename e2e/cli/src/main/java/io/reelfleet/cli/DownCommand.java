package io.reelfleet.cli;

import io.reelfleet.cli.fleet.FleetFolder;
import io.reelfleet.cli.fleet.LocalFleet;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code reelfleet down}. */
@Command(
        name = "down",
        description = "Stop the fleet that 'up' started. Its videos stay in its folder.",
        mixinStandardHelpOptions = true)
final class DownCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
        FleetFolder folder = FleetFolder.ofUp();
        Optional<FleetFolder.Running> running = folder.running();
        if (running.isEmpty() || !LocalFleet.lives(folder, running.get())) {
            running.ifPresent(r -> folder.forget());
            spec.commandLine().getOut().println("No fleet is up.");
            return 0;
        }
        LocalFleet.endAll(folder, running.get().pids());
        spec.commandLine()
                .getOut()
                .println("The fleet is down; its videos are in " + folder.store());
        return 0;
    }
}
