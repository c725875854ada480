package io.reelfleet.gateway.viewer;

import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.RoutingContext;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** The pages that are not for everybody or not at one fixed address. */
final class Pages {
    static final Buffer SESSION = load("session.html");
    static final Buffer SIGN_IN = load("sign-in.html");

    private Pages() {}

    static void send(RoutingContext context, Buffer page) {
        context.response()
                .putHeader("Content-Type", "text/html; charset=utf-8")
                .putHeader("Cache-Control", "no-store")
                .end(page);
    }

    private static Buffer load(String name) {
        try (InputStream in = Pages.class.getResourceAsStream("/page/" + name)) {
            if (in == null) {
                throw new IllegalStateException("page/" + name + " is missing from the build");
            }
            return Buffer.buffer(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
