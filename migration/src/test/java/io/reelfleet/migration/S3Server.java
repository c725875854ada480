package io.reelfleet.migration;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The part of S3 that a chunk store uses, on a real HTTP server, with the promise that other test
 * servers lack: of many creates with {@code If-None-Match: *} exactly one succeeds. It can be told
 * to answer as S3 does on a bad day.
 *
 * <p>What it does is from the API reference: PutObject (412 PreconditionFailed for a key that is
 * taken, 409 ConditionalRequestConflict while another write of the key is under way), GetObject,
 * DeleteObject, ListObjectsV2 with prefix, delimiter and pages, and errors as XML.
 */
final class S3Server implements AutoCloseable {
    private static final int PAGE = 3;

    private final HttpServer server;
    private final ConcurrentSkipListMap<String, byte[]> objects = new ConcurrentSkipListMap<>();
    private final Map<String, Boolean> writing = new ConcurrentHashMap<>();
    private final AtomicInteger failures = new AtomicInteger();
    private volatile Failure failure = new Failure(0, "", 0);
    private final CountDownLatch end = new CountDownLatch(1);
    private volatile boolean stalls;
    private volatile boolean losesAnswers;
    final AtomicInteger requests = new AtomicInteger();
    final AtomicInteger conflicts = new AtomicInteger();

    /** Answers {@code times} requests with an error instead. */
    record Failure(int status, String code, int times) {}

    S3Server() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 128);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::answer);
        server.start();
    }

    String endpoint() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    void failWith(int status, String code, int times) {
        failure = new Failure(status, code, times);
        failures.set(times);
    }

    /** From now on nothing is answered. */
    void stall() {
        stalls = true;
    }

    /** From now on creates succeed and their answers do not arrive. */
    void loseAnswers(boolean lose) {
        losesAnswers = lose;
    }

    private void answer(HttpExchange exchange) throws IOException {
        requests.incrementAndGet();
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            if (stalls) {
                end.await();
                return;
            }
            if (failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                error(exchange, failure.status, failure.code);
                return;
            }
            String path = exchange.getRequestURI().getPath();
            String[] parts = path.substring(1).split("/", 2);
            if (!parts[0].equals("reels")) {
                error(exchange, 404, "NoSuchBucket");
                return;
            }
            String key = parts.length < 2 ? "" : parts[1];
            switch (exchange.getRequestMethod()) {
                case "PUT" -> put(exchange, key, body);
                case "GET" -> {
                    if (key.isEmpty()) {
                        list(exchange);
                    } else {
                        get(exchange, key);
                    }
                }
                case "DELETE" -> {
                    objects.remove(key);
                    exchange.sendResponseHeaders(204, -1);
                }
                default -> error(exchange, 405, "MethodNotAllowed");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void put(HttpExchange exchange, String key, byte[] sent) throws IOException {
        byte[] body = unchunked(exchange, sent);
        boolean onlyIfAbsent = "*".equals(exchange.getRequestHeaders().getFirst("If-None-Match"));
        if (onlyIfAbsent && !objects.containsKey(key) && writing.putIfAbsent(key, true) != null) {
            conflicts.incrementAndGet();
            error(exchange, 409, "ConditionalRequestConflict");
            return;
        }
        try {
            if (onlyIfAbsent) {
                if (objects.putIfAbsent(key, body) != null) {
                    error(exchange, 412, "PreconditionFailed");
                    return;
                }
            } else {
                objects.put(key, body);
            }
        } finally {
            writing.remove(key);
        }
        if (losesAnswers) {
            return;
        }
        exchange.getResponseHeaders().set("ETag", "\"1\"");
        exchange.sendResponseHeaders(200, -1);
    }

    /** aws-chunked: sizes in hexadecimal before each piece, with signatures. */
    private static byte[] unchunked(HttpExchange exchange, byte[] sent) throws IOException {
        String encoding = exchange.getRequestHeaders().getFirst("Content-Encoding");
        if (encoding == null || !encoding.contains("aws-chunked")) {
            return sent;
        }
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        InputStream in = new ByteArrayInputStream(sent);
        while (true) {
            int size = HexFormat.fromHexDigits(line(in).split(";")[0]);
            if (size == 0) {
                return whole.toByteArray();
            }
            whole.write(in.readNBytes(size));
            line(in);
        }
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c >= 0 && c != '\n'; c = in.read()) {
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    private void get(HttpExchange exchange, String key) throws IOException {
        byte[] bytes = objects.get(key);
        if (bytes == null) {
            error(exchange, 404, "NoSuchKey");
            return;
        }
        exchange.sendResponseHeaders(200, bytes.length == 0 ? -1 : bytes.length);
        if (bytes.length > 0) {
            exchange.getResponseBody().write(bytes);
        }
    }

    private void list(HttpExchange exchange) throws IOException {
        Map<String, String> query = new TreeMap<>();
        for (String pair : exchange.getRequestURI().getRawQuery().split("&")) {
            String[] each = pair.split("=", 2);
            query.put(each[0], each.length < 2 ? "" : URLDecoder.decode(each[1], UTF_8));
        }
        String prefix = query.getOrDefault("prefix", "");
        String delimiter = query.getOrDefault("delimiter", "");
        String after = query.getOrDefault("continuation-token", "");
        SortedSet<String> names = new TreeSet<>();
        for (String key : objects.tailMap(prefix).keySet()) {
            if (!key.startsWith(prefix)) {
                break;
            }
            int cut = delimiter.isEmpty() ? -1 : key.indexOf(delimiter, prefix.length());
            names.add(cut < 0 ? key : key.substring(0, cut + 1));
        }
        List<String> page =
                new ArrayList<>(
                        names.stream().filter(n -> n.compareTo(after) > 0).limit(PAGE).toList());
        boolean more = !page.isEmpty() && names.last().compareTo(page.getLast()) > 0;
        StringBuilder xml = new StringBuilder("<ListBucketResult><Name>reels</Name>");
        xml.append("<IsTruncated>").append(more).append("</IsTruncated>");
        if (more) {
            xml.append("<NextContinuationToken>")
                    .append(page.getLast())
                    .append("</NextContinuationToken>");
        }
        for (String name : page) {
            xml.append(
                    !delimiter.isEmpty() && name.endsWith(delimiter)
                            ? "<CommonPrefixes><Prefix>" + name + "</Prefix></CommonPrefixes>"
                            : "<Contents><Key>" + name + "</Key><Size>1</Size></Contents>");
        }
        xml(exchange, 200, xml.append("</ListBucketResult>").toString());
    }

    private static void error(HttpExchange exchange, int status, String code) throws IOException {
        xml(
                exchange,
                status,
                "<Error><Code>%s</Code><Message>%s</Message></Error>".formatted(code, code));
    }

    private static void xml(HttpExchange exchange, int status, String text) throws IOException {
        byte[] bytes = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>" + text).getBytes(UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/xml");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    @Override
    public void close() {
        end.countDown();
        server.stop(0);
    }
}
