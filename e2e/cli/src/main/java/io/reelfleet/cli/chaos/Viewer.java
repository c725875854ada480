package io.reelfleet.cli.chaos;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Watches one session at its URL, chunk by chunk, from the first on; goes on whatever becomes of
 * the gateway.
 */
final class Viewer implements AutoCloseable {
    private static final long PAUSE_MILLIS = 60;

    private final HttpClient http;
    private final String url;
    private final String token;
    private final long chunks;
    private final Map<Long, ByteString> seen = new ConcurrentHashMap<>();
    private final Thread thread;

    Viewer(HttpClient http, String url, String token, long chunks) {
        this.http = http;
        this.url = url;
        this.token = token;
        this.chunks = chunks;
        this.thread = Thread.ofVirtual().name("viewer").start(this::watch);
    }

    private void watch() {
        try {
            for (long k = 0; k < chunks; k++) {
                ByteString chunk = fetch(k);
                while (chunk == null) {
                    TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
                    chunk = fetch(k);
                }
                seen.put(k, chunk);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private ByteString fetch(long k) throws InterruptedException {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(url + k + ".m4s"))
                        .timeout(Duration.ofSeconds(5))
                        .header("Authorization", "Bearer " + token)
                        .GET()
                        .build();
        try {
            HttpResponse<byte[]> answer =
                    http.send(request, HttpResponse.BodyHandlers.ofByteArray());
            return answer.statusCode() == 200 ? ByteString.copyFrom(answer.body()) : null;
        } catch (IOException e) {
            return null;
        }
    }

    /** Waits until it has all chunks, at most for so long. */
    void awaitAll(Duration limit) throws InterruptedException {
        thread.join(limit);
    }

    /** What it got, by chunk. */
    Map<Long, ByteString> seen() {
        return Map.copyOf(seen);
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
