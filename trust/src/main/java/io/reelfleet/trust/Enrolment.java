package io.reelfleet.trust;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * How a part in a pod gets its certificate: it makes a key, shows the operator its projected
 * service-account token, and is given a certificate for the pod that the token is bound to. Renewed
 * in the background after two thirds of its life.
 */
public final class Enrolment {

    /** Where the operator signs, under its REST address. */
    public static final String PATH = "/trust/v1/sign";

    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration FIRST_RETRY = Duration.ofMillis(500);
    private static final Duration LONGEST_RETRY = Duration.ofSeconds(15);
    private static final int HTTP_OK = 200;
    private static final int FRESH_SHARE = 3;

    private final Path tlsFolder;
    private final URI desk;
    private final Path tokenFile;
    private final Path authorityFile;
    private final Consumer<String> log;

    /**
     * @param tlsFolder to be filled
     * @param endpoint {@code host:port} of the operator
     * @param tokenFile projected service-account token of audience {@code reelfleet}
     * @param authorityFile PEM of the authority that the operator's certificate must come from
     * @param log takes a line now and then; never a secret
     */
    public Enrolment(
            Path tlsFolder,
            String endpoint,
            Path tokenFile,
            Path authorityFile,
            Consumer<String> log) {
        this.tlsFolder = tlsFolder;
        this.desk = URI.create("https://" + endpoint + PATH);
        this.tokenFile = tokenFile;
        this.authorityFile = authorityFile;
        this.log = log;
    }

    /**
     * From {@code reelfleet.tls.dir} and {@code
     * reelfleet.trust.{endpoint,token-file,authority-file}}; empty when there is no endpoint to
     * ask.
     *
     * @throws IllegalArgumentException when one of the other settings is missing
     */
    public static Optional<Enrolment> from(
            Function<String, Optional<String>> config, Consumer<String> log) {
        return config.apply("reelfleet.trust.endpoint")
                .filter(e -> !e.isBlank())
                .map(
                        endpoint ->
                                new Enrolment(
                                        path(config, "reelfleet.tls.dir"),
                                        endpoint,
                                        path(config, "reelfleet.trust.token-file"),
                                        path(config, "reelfleet.trust.authority-file"),
                                        log));
    }

    private static Path path(Function<String, Optional<String>> config, String key) {
        return config.apply(key)
                .map(Path::of)
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        key
                                                + " is not set, and reelfleet.trust.endpoint needs it"));
    }

    /** Asks until it has a certificate, then keeps it fresh on a daemon thread. */
    public void start() throws InterruptedException {
        Instant expiry = insist();
        Thread.ofPlatform().daemon().name("certificate-renewal").start(() -> keepFresh(expiry));
    }

    private void keepFresh(Instant firstExpiry) {
        Instant expiry = firstExpiry;
        try {
            while (true) {
                Thread.sleep(untilRenewal(Instant.now(), expiry));
                expiry = insist();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    static Duration untilRenewal(Instant now, Instant expiry) {
        Duration wait =
                Duration.between(now, expiry).multipliedBy(FRESH_SHARE - 1).dividedBy(FRESH_SHARE);
        return wait.compareTo(LONGEST_RETRY) < 0 ? LONGEST_RETRY : wait;
    }

    private Instant insist() throws InterruptedException {
        Duration wait = FIRST_RETRY;
        while (true) {
            try {
                return enrol();
            } catch (IOException | IllegalArgumentException e) {
                log.accept(
                        "no certificate from %s yet: %s"
                                .formatted(desk.getAuthority(), e.getMessage()));
            }
            Thread.sleep(wait);
            wait =
                    wait.multipliedBy(2).compareTo(LONGEST_RETRY) < 0
                            ? wait.multipliedBy(2)
                            : LONGEST_RETRY;
        }
    }

    /**
     * Asks once and fills the folder.
     *
     * @return when the certificate ends
     * @throws IOException when the operator does not answer or refuses
     */
    public Instant enrol() throws IOException, InterruptedException {
        String authorities = Files.readString(authorityFile);
        CertificateRequest request = CertificateRequest.create();
        try (HttpClient client =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .connectTimeout(PATIENCE)
                        .sslContext(TlsContexts.trusting(authorities))
                        .build()) {
            HttpResponse<String> answer =
                    client.send(
                            HttpRequest.newBuilder(desk)
                                    .timeout(PATIENCE)
                                    .header(
                                            "Authorization",
                                            "Bearer " + Files.readString(tokenFile).strip())
                                    .header("Content-Type", "application/x-pem-file")
                                    .POST(HttpRequest.BodyPublishers.ofString(request.requestPem()))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != HTTP_OK) {
                throw new IOException(
                        "the operator answered %d %s"
                                .formatted(answer.statusCode(), firstLine(answer.body())));
            }
            String certificate = Pem.write("CERTIFICATE", Pem.read("CERTIFICATE", answer.body()));
            TlsFolder.write(
                    tlsFolder,
                    new TlsFolder.Content(authorities, certificate, request.privateKeyPem()));
            return expiry(certificate);
        }
    }

    private static Instant expiry(String certificatePem) throws IOException {
        try (var in =
                new java.io.ByteArrayInputStream(
                        certificatePem.getBytes(StandardCharsets.US_ASCII))) {
            return ((X509Certificate)
                            CertificateFactory.getInstance("X.509").generateCertificate(in))
                    .getNotAfter()
                    .toInstant();
        } catch (java.security.cert.CertificateException e) {
            throw new IOException("the operator's answer is not a certificate", e);
        }
    }

    private static String firstLine(String body) {
        return body.lines()
                .findFirst()
                .map(l -> l.substring(0, Math.min(l.length(), 200)))
                .orElse("");
    }
}
