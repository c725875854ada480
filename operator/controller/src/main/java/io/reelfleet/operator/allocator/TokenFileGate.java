package io.reelfleet.operator.allocator;

import io.grpc.Status;
import io.reelfleet.process.StartupProblem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * One token, in a file: whoever can read it may do everything. For a machine without an API server.
 */
public final class TokenFileGate implements Gate {
    private static final String SCHEME = "Bearer ";
    private static final int TOKEN_BYTES = 32;

    private final Path file;
    private final byte[] token;

    private TokenFileGate(Path file, byte[] token) {
        this.file = file;
        this.token = token;
    }

    /**
     * Takes the token from a file; when there is none, makes one that only its owner can read.
     *
     * @throws StartupProblem when the file cannot be used
     */
    public static TokenFileGate open(Path file) {
        try {
            if (!Files.exists(file)) {
                byte[] random = new byte[TOKEN_BYTES];
                new SecureRandom().nextBytes(random);
                if (file.toAbsolutePath().getParent() != null) {
                    Files.createDirectories(file.toAbsolutePath().getParent());
                }
                Files.createFile(
                        file,
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rw-------")));
                Files.writeString(file, HexFormat.of().formatHex(random) + "\n");
            }
            String token = Files.readString(file).strip();
            if (token.isEmpty()) {
                throw new StartupProblem(
                        "reelfleet.api.token-file "
                                + file
                                + " is empty; write a token into it or remove it");
            }
            return new TokenFileGate(file, token.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.api.token-file " + file + " cannot be used: " + e.getMessage());
        }
    }

    @Override
    public Caller caller(String authorization) {
        byte[] shown =
                authorization != null
                                && authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())
                        ? authorization
                                .substring(SCHEME.length())
                                .strip()
                                .getBytes(StandardCharsets.UTF_8)
                        : new byte[0];
        if (!MessageDigest.isEqual(shown, token)) {
            throw Status.UNAUTHENTICATED
                    .withDescription(
                            "authorization: show the API's token as \"Bearer <token>\"; it is in "
                                    + file.getFileName())
                    .asRuntimeException();
        }
        return new Caller("token", List.of(), Map.of());
    }

    @Override
    public void permit(Caller caller, Verb verb, String namespace) {}
}
