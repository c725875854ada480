package io.reelfleet.cli.fleet;

import io.reelfleet.cli.Failure;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPairGenerator;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * etcd and kube-apiserver on the loopback address, with the project's resources: enough for {@code
 * kubectl apply}; nothing runs pods.
 */
final class ApiServer {
    private static final Duration START_LIMIT = Duration.ofSeconds(90);

    private final KubePrograms programs;
    private final FleetFolder folder;
    private final Path kubeconfig;
    private final List<Part> parts = new ArrayList<>();
    private String token;
    private String url;
    private Path certificate;

    private ApiServer(KubePrograms programs, FleetFolder folder) {
        this.programs = programs;
        this.folder = folder;
        this.kubeconfig = folder.path().resolve("kubeconfig");
    }

    /**
     * Starts both programs; {@link #install} waits for them.
     *
     * @param started gets each process as soon as it runs, so that it is ended whatever comes
     */
    static ApiServer start(KubePrograms programs, FleetFolder folder, List<Part> started)
            throws IOException {
        ApiServer server = new ApiServer(programs, folder);
        server.startPrograms(started);
        return server;
    }

    private void startPrograms(List<Part> started) throws IOException {
        Path data = folder.path().resolve("kube");
        Files.createDirectories(data);
        token = ViewerKeys.randomToken();
        FleetFolder.writePrivately(
                data.resolve("tokens.csv"), token + ",admin,admin,\"system:masters\"\n");
        FleetFolder.writePrivately(data.resolve("accounts.key"), accountsKey());
        int client = Ports.free();
        int peer = Ports.free();
        int secure = Ports.free();
        String etcd = "http://127.0.0.1:" + client;
        add(
                started,
                Part.launch(
                        "etcd",
                        List.of(
                                programs.program("etcd").toString(),
                                "--data-dir=" + data.resolve("etcd"),
                                "--listen-client-urls=" + etcd,
                                "--advertise-client-urls=" + etcd,
                                "--listen-peer-urls=http://127.0.0.1:" + peer,
                                "--unsafe-no-fsync"),
                        Map.of(),
                        folder));
        Path certificates = data.resolve("certificates");
        add(
                started,
                Part.launch(
                        "kube-apiserver",
                        List.of(
                                programs.program("kube-apiserver").toString(),
                                "--etcd-servers=" + etcd,
                                "--bind-address=127.0.0.1",
                                "--secure-port=" + secure,
                                "--cert-dir=" + certificates,
                                "--token-auth-file=" + data.resolve("tokens.csv"),
                                "--authorization-mode=RBAC",
                                "--service-account-issuer=https://kubernetes.default.svc",
                                "--service-account-key-file=" + data.resolve("accounts.key"),
                                "--service-account-signing-key-file="
                                        + data.resolve("accounts.key"),
                                "--service-cluster-ip-range=10.96.0.0/24",
                                // No controller makes the default service accounts; no pod runs
                                // here.
                                "--disable-admission-plugins=ServiceAccount"),
                        Map.of(),
                        folder));
        url = "https://127.0.0.1:" + secure;
        certificate = certificates.resolve("apiserver.crt");
    }

    private void add(List<Part> started, Part part) {
        parts.add(part);
        started.add(part);
    }

    /** Waits until it answers, then applies the project's resources and the documents. */
    Path install(Path definitions, Path documents) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + START_LIMIT.toNanos();
        await(deadline, "the API server wrote no certificate", () -> Files.exists(certificate));
        FleetFolder.writePrivately(kubeconfig, kubeconfigText());
        await(
                deadline,
                "the API server did not become ready",
                () -> kubectl("get", "--raw", "/readyz"));
        await(
                deadline,
                "the API server made no namespace default",
                () -> kubectl("get", "namespace", "default"));
        if (!kubectl("apply", "-f", definitions.toString())) {
            throw refused("the resource definitions in " + definitions);
        }
        if (!kubectl(
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "-f",
                definitions.toString())) {
            throw refused("the resource definitions in " + definitions);
        }
        if (!kubectl("apply", "-f", documents.toString())) {
            throw refused(documents.toString());
        }
        return kubeconfig;
    }

    private Failure refused(String what) {
        return new Failure("the local API server refused " + what + ":\n" + Part.tail(log(), 5));
    }

    private interface Condition {
        boolean holds() throws IOException, InterruptedException;
    }

    private void await(long deadline, String otherwise, Condition condition)
            throws IOException, InterruptedException {
        while (!condition.holds()) {
            parts.forEach(Part::checkAlive);
            if (System.nanoTime() > deadline) {
                throw new Failure(
                        otherwise
                                + " within "
                                + START_LIMIT.toSeconds()
                                + " s; see "
                                + folder.logs());
            }
            Thread.sleep(200);
        }
    }

    private boolean kubectl(String... arguments) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                programs.program("kubectl").toString(),
                                "--kubeconfig=" + kubeconfig));
        command.addAll(List.of(arguments));
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log().toFile())
                        .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                        .start();
        if (!process.waitFor(90, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            return false;
        }
        return process.exitValue() == 0;
    }

    private Path log() {
        return folder.logs().resolve("kubectl.log");
    }

    private String kubeconfigText() throws IOException {
        String authority = Base64.getEncoder().encodeToString(Files.readAllBytes(certificate));
        return """
                apiVersion: v1
                kind: Config
                clusters:
                - name: reelfleet
                  cluster:
                    server: %s
                    certificate-authority-data: %s
                users:
                - name: admin
                  user:
                    token: %s
                contexts:
                - name: reelfleet
                  context:
                    cluster: reelfleet
                    user: admin
                    namespace: default
                current-context: reelfleet
                """
                .formatted(url, authority, token);
    }

    private static String accountsKey() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(2048);
            byte[] key = generator.generateKeyPair().getPrivate().getEncoded();
            return "-----BEGIN PRIVATE KEY-----\n"
                    + Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII))
                            .encodeToString(key)
                    + "\n-----END PRIVATE KEY-----\n";
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JDK has no RSA keys", e);
        }
    }
}
