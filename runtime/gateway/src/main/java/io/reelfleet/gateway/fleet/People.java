package io.reelfleet.gateway.fleet;

import io.reelfleet.gateway.GatewaySettings;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import org.jboss.logging.Logger;

/**
 * Who may sign in: whoever holds the API token of the laptop's file, or a token that the operator
 * takes.
 */
@Singleton
class People {
    private static final Logger LOG = Logger.getLogger(People.class);
    private static final int LONGEST = 8192;

    private final GatewaySettings settings;
    private final Operator operator;

    People(GatewaySettings settings, Operator operator) {
        this.settings = settings;
        this.operator = operator;
    }

    boolean mayEnter(String apiToken) {
        if (apiToken == null
                || apiToken.length() > LONGEST
                || !apiToken.matches("[\\x21-\\x7e]+")) {
            return false;
        }
        if (settings.apiTokenFile().filter(file -> isIn(file, apiToken)).isPresent()) {
            return true;
        }
        try {
            return operator.get("/v1/fleet", apiToken).statusCode() == 200;
        } catch (Operator.SilentException e) {
            return false;
        }
    }

    private static boolean isIn(Path file, String apiToken) {
        try {
            byte[] right = Files.readString(file).strip().getBytes(StandardCharsets.UTF_8);
            return right.length > 0
                    && MessageDigest.isEqual(right, apiToken.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            LOG.warnf("reelfleet.api.token-file %s cannot be read: %s", file, e.getMessage());
            return false;
        }
    }
}
