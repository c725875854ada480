package io.reelfleet.cli.demo;

import java.io.IOException;
import java.util.List;

/** The person's browser; where there is none, the printed link has to do. */
final class Browser {
    private Browser() {}

    static void open(String url) {
        if (System.getenv("CI") != null) {
            return;
        }
        boolean mac = System.getProperty("os.name").startsWith("Mac");
        if (!mac && System.getenv("DISPLAY") == null && System.getenv("WAYLAND_DISPLAY") == null) {
            return;
        }
        try {
            new ProcessBuilder(List.of(mac ? "open" : "xdg-open", url))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            // No opener: the link is on the terminal.
        }
    }
}
