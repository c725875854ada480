package io.reelfleet.cli;

import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.FleetFolder;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** The option of all commands that talk to a running fleet. */
final class FleetClient {
    @Option(
            names = "--fleet",
            paramLabel = "DIR",
            description = "Folder of the fleet (default: the one of 'up'; a demo prints its own).")
    private Path folder;

    FleetFolder folder() {
        return folder == null ? FleetFolder.ofUp() : new FleetFolder(folder.toAbsolutePath());
    }

    Allocator allocator() {
        FleetFolder fleet = folder();
        FleetFolder.Running running =
                fleet.running()
                        .orElseThrow(
                                () ->
                                        new Failure(
                                                "no fleet is up"
                                                        + (folder == null ? "" : " in " + folder)
                                                        + ": run ./reelfleet up first"));
        return new Allocator(running.operatorUrl(), fleet.readApiToken(), fleet.readAuthority());
    }

    /** The live session of a name ({@code name} or {@code namespace/name}) or uid. */
    static Session find(Allocator allocator, String name) {
        List<Session> found =
                allocator.sessions().getSessionsList().stream()
                        .filter(
                                s ->
                                        s.getSpec().getUid().equals(name)
                                                || s.getSpec().getName().equals(name)
                                                || (s.getSpec().getNamespace()
                                                                + "/"
                                                                + s.getSpec().getName())
                                                        .equals(name))
                        .toList();
        if (found.isEmpty()) {
            throw new Failure("no session is called " + name + ": see ./reelfleet get sessions");
        }
        List<Session> live =
                found.stream()
                        .filter(
                                s ->
                                        !s.getPhase().equals("Completed")
                                                && !s.getPhase().equals("Failed"))
                        .toList();
        List<Session> choice = live.isEmpty() ? found : live;
        if (choice.size() > 1) {
            throw new Failure(
                    choice.size()
                            + " sessions are called "
                            + name
                            + ": write namespace/name or the uid, as in ./reelfleet get -o wide");
        }
        return choice.getFirst();
    }
}
