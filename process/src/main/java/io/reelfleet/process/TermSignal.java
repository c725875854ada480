package io.reelfleet.process;

import java.lang.reflect.Proxy;

/**
 * SIGTERM for a program that has something to finish first. The JDK offers signals in {@code
 * sun.misc} only; it is called by reflection, since javac warns of it and warnings are errors here.
 */
public final class TermSignal {
    private TermSignal() {}

    /**
     * Runs an action at each SIGTERM, instead of ending the JVM.
     *
     * @return false when this JVM does not let signals be handled: SIGTERM ends it as ever
     */
    public static boolean handle(Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object ours =
                    Proxy.newProxyInstance(
                            TermSignal.class.getClassLoader(),
                            new Class<?>[] {handler},
                            (proxy, method, arguments) ->
                                    switch (method.getName()) {
                                        case "handle" -> {
                                            action.run();
                                            yield null;
                                        }
                                        case "hashCode" -> System.identityHashCode(proxy);
                                        case "equals" -> proxy == arguments[0];
                                        default -> "reelfleet's handler of SIGTERM";
                                    });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance("TERM"), ours);
            return true;
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            return false;
        }
    }
}
