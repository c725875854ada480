package io.reelfleet.cli;

import java.io.PrintWriter;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The program's entry: {@code ./reelfleet COMMAND}. */
@Command(
        name = "reelfleet",
        description = {
            "Streaming video generation as a fleet, on this machine.",
            "'./reelfleet test' runs everything CI runs."
        },
        version = "reelfleet 0.1.0-SNAPSHOT",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        sortOptions = false,
        subcommands = {
            DemoCommand.class,
            UpCommand.class,
            DownCommand.class,
            OpenCommand.class,
            GetCommand.class,
            MoveCommand.class,
            CloseCommand.class,
            TokenCommand.class,
            ModelCommand.class,
            ReplayCommand.class,
            BenchCommand.class,
            ChaosCommand.class,
            ImagesCommand.class,
        })
public final class Reelfleet implements Runnable {
    @Option(
            names = "--verbose",
            scope = ScopeType.INHERIT,
            description = "Show stack traces of errors.")
    private boolean verbose;

    @Spec private CommandSpec spec;

    /**
     * Runs a command and ends with its exit code: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C.
     */
    public static void main(String[] args) {
        Logger.getLogger("").setLevel(Level.WARNING);
        // Libraries of libraries log by SLF4J; nobody here misses that.
        System.setProperty("slf4j.internal.verbosity", "ERROR");
        System.exit(commandLine().execute(args));
    }

    /** The commands, with errors in plain sentences. */
    static CommandLine commandLine() {
        CommandLine line = new CommandLine(new Reelfleet());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setUsageHelpAutoWidth(true);
        line.setParameterExceptionHandler(
                (ParameterException e, String[] args) -> {
                    PrintWriter err = e.getCommandLine().getErr();
                    String name = e.getCommandLine().getCommandSpec().qualifiedName();
                    err.println(name + ": " + e.getMessage());
                    err.println("Try './" + name + " --help'.");
                    return CommandLine.ExitCode.USAGE;
                });
        line.setExecutionExceptionHandler(
                (Exception e, CommandLine at, CommandLine.ParseResult parsed) -> {
                    PrintWriter err = at.getErr();
                    String name = at.getCommandSpec().qualifiedName();
                    Reelfleet top = (Reelfleet) line.getCommandSpec().userObject();
                    if (e instanceof Failure) {
                        err.println(name + ": " + e.getMessage());
                    } else {
                        err.println(
                                name + ": " + e + (top.verbose ? "" : " (--verbose shows where)"));
                    }
                    if (top.verbose) {
                        e.printStackTrace(err);
                    }
                    return CommandLine.ExitCode.SOFTWARE;
                });
        return line;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "name a command");
    }
}
