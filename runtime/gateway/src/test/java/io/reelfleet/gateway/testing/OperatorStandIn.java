package io.reelfleet.gateway.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Answers what the page asks an operator for. */
public final class OperatorStandIn implements AutoCloseable {
    private static final Pattern TOKEN = Pattern.compile("/v1/sessions/([a-z0-9-]+)/token");

    private final HttpServer server;

    public OperatorStandIn(
            String apiToken,
            TokenAuthority authority,
            Supplier<String> fleet,
            Supplier<String> sessions)
            throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext(
                "/",
                exchange -> {
                    String path = exchange.getRequestURI().getPath();
                    Matcher token = TOKEN.matcher(path);
                    if (!("Bearer " + apiToken)
                            .equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
                        answer(exchange, 401, "");
                    } else if (path.equals("/v1/fleet")) {
                        answer(exchange, 200, fleet.get());
                    } else if (path.equals("/v1/sessions")) {
                        answer(exchange, 200, sessions.get());
                    } else if (token.matches()) {
                        answer(
                                exchange,
                                200,
                                "{\"token\":\"" + authority.token(token.group(1)) + "\"}");
                    } else {
                        answer(exchange, 404, "{}");
                    }
                });
        server.start();
    }

    /** host:port. */
    public String endpoint() {
        return "127.0.0.1:" + server.getAddress().getPort();
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().add("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
