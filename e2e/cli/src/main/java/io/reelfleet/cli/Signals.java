package io.reelfleet.cli;

import java.lang.reflect.Proxy;
import java.util.List;

/**
 * What Ctrl-C does while something has to be brought to an orderly end. A shutdown hook would be
 * too late: in it no class that registers a hook of its own (FFmpeg's loader, ImageIO) can be used
 * any more. The JDK offers signals in {@code sun.misc} only; it is called by reflection, since
 * javac warns of it and warnings are errors here.
 */
final class Signals {
    private Signals() {}

    /**
     * Runs an action at the first Ctrl-C or SIGTERM; the second ends the program as ever.
     *
     * @return false when this JVM does not let signals be handled
     */
    static boolean onFirstStop(Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object standard = handler.getField("SIG_DFL").get(null);
            for (String name : List.of("INT", "TERM")) {
                Object it = signal.getConstructor(String.class).newInstance(name);
                Object ours =
                        Proxy.newProxyInstance(
                                Signals.class.getClassLoader(),
                                new Class<?>[] {handler},
                                (proxy, method, arguments) -> {
                                    switch (method.getName()) {
                                        case "handle" -> {
                                            signal.getMethod("handle", signal, handler)
                                                    .invoke(null, it, standard);
                                            action.run();
                                            return null;
                                        }
                                        case "hashCode" -> {
                                            return System.identityHashCode(proxy);
                                        }
                                        case "equals" -> {
                                            return proxy == arguments[0];
                                        }
                                        default -> {
                                            return "reelfleet's handler";
                                        }
                                    }
                                });
                signal.getMethod("handle", signal, handler).invoke(null, it, ours);
            }
            return true;
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            return false;
        }
    }
}
