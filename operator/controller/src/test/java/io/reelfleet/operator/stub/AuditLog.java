package io.reelfleet.operator.stub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** What service accounts asked of an API server, as the server itself wrote it down. */
public final class AuditLog {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int FORBIDDEN = 403;

    private final Path folder;

    private AuditLog(Path folder) {
        this.folder = folder;
    }

    /** A log in that folder, to be written by an API server with {@link #flags}. */
    public static AuditLog in(Path folder) throws IOException {
        Files.writeString(
                folder.resolve("audit-policy.yaml"),
                """
                apiVersion: audit.k8s.io/v1
                kind: Policy
                omitStages: [RequestReceived]
                rules:
                  - {level: Metadata, userGroups: ["system:serviceaccounts"]}
                  - {level: None}
                """);
        return new AuditLog(folder);
    }

    /** For the API server. */
    public Map<String, String> flags() {
        return Map.of(
                "--audit-policy-file", folder.resolve("audit-policy.yaml").toString(),
                "--audit-log-path", folder.resolve("audit.log").toString());
    }

    /** What an account did, and what it was refused. */
    public record Record(Set<Permission> done, Set<Permission> refused) {}

    /** Of one account, up to now. */
    public Record of(String namespace, String account) throws IOException {
        String user = "system:serviceaccount:" + namespace + ":" + account;
        Set<Permission> done = new TreeSet<>();
        Set<Permission> refused = new TreeSet<>();
        for (String line : Files.readAllLines(folder.resolve("audit.log"))) {
            JsonNode event = JSON.readTree(line);
            JsonNode object = event.path("objectRef");
            if (user.equals(event.at("/user/username").asText()) && !object.isMissingNode()) {
                String sub = object.path("subresource").asText();
                Permission p =
                        new Permission(
                                object.path("namespace").asText(),
                                object.path("apiGroup").asText(),
                                object.path("resource").asText() + (sub.isEmpty() ? "" : "/" + sub),
                                event.path("verb").asText(),
                                object.path("name").asText());
                boolean allowed = event.at("/responseStatus/code").asInt() != FORBIDDEN;
                (allowed ? done : refused).add(p);
            }
        }
        return new Record(done, refused);
    }
}
