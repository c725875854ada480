package io.reelfleet.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code reelfleet demo}. */
@Command(name = "demo", description = "TODO", mixinStandardHelpOptions = true)
final class DemoCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        return 0;
    }
}
