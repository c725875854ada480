package io.reelfleet.gateway.viewer;

import io.quarkus.vertx.http.runtime.filters.Filters;
import io.reelfleet.gateway.auth.RequestOrigin;
import io.reelfleet.gateway.auth.ViewerTokens;
import io.reelfleet.gateway.auth.ViewerTokens.Viewer;
import io.vertx.core.http.Cookie;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Stands before everything below {@code /s/}: without a valid token for that very session the
 * answer is 401 and no bytes, the same whether the session exists or not.
 *
 * <p>Only a browser that goes to a session's page by itself gets words with its 401: the page to
 * sign in on, which is the same for all.
 */
@Singleton
final class ViewerGate {
    private static final Pattern SESSION =
            Pattern.compile(
                    "/s/(?<uid>[a-z0-9-]{1,63})(?<rest>|/|/[A-Za-z0-9][A-Za-z0-9._-]{0,80})");
    private static final String VIEWER = "reelfleet.viewer";

    private final ViewerTokens tokens;

    ViewerGate(ViewerTokens tokens) {
        this.tokens = tokens;
    }

    void register(@Observes Filters filters) {
        filters.register(this::check, 100);
    }

    /** Who this request comes from; the gate let it through. */
    static Viewer viewer(RoutingContext request) {
        Viewer viewer = request.get(VIEWER);
        if (viewer == null) {
            throw new IllegalStateException("a request came past the gate");
        }
        return viewer;
    }

    private void check(RoutingContext context) {
        String path = context.normalizedPath();
        if (!path.equals("/s") && !path.startsWith("/s/")) {
            context.next();
            return;
        }
        Matcher session = SESSION.matcher(path);
        if (!session.matches()) {
            refuse(context, false);
            return;
        }
        String uid = session.group("uid");
        String rest = session.group("rest");
        HttpServerRequest request = context.request();
        if (rest.equals("/login") && request.method() == HttpMethod.POST) {
            context.next();
            return;
        }
        String bearer = ViewerTokens.bearer(request.getHeader("Authorization"));
        Optional<Viewer> viewer = tokens.viewer(bearer, uid);
        if (viewer.isEmpty() && bearer == null) {
            Cookie cookie = request.getCookie(ViewerTokens.cookie(uid));
            viewer = cookie == null ? Optional.empty() : tokens.viewer(cookie.getValue(), uid);
            if (viewer.isPresent() && changes(request) && !RequestOrigin.isOurs(request)) {
                context.response().setStatusCode(403).end();
                return;
            }
        }
        if (viewer.isEmpty()) {
            refuse(context, rest.length() <= 1);
        } else {
            context.put(VIEWER, viewer.get());
            context.next();
        }
    }

    /** A WebSocket can do what a POST can. */
    private static boolean changes(HttpServerRequest request) {
        return !(request.method() == HttpMethod.GET || request.method() == HttpMethod.HEAD)
                || request.getHeader("Upgrade") != null;
    }

    private static void refuse(RoutingContext context, boolean page) {
        context.response()
                .setStatusCode(401)
                .putHeader("WWW-Authenticate", "Bearer realm=\"reelfleet\"")
                .putHeader("Cache-Control", "no-store");
        if (page
                && context.request().method() == HttpMethod.GET
                && "navigate".equals(context.request().getHeader("Sec-Fetch-Mode"))) {
            Pages.send(context, Pages.SIGN_IN);
        } else {
            context.response().end();
        }
    }
}
