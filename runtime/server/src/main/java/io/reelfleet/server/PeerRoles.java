package io.reelfleet.server;

import io.quarkus.vertx.http.HttpServerOptionsCustomizer;
import io.quarkus.vertx.http.runtime.filters.Filters;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.PeerIdentity.Role;
import io.vertx.core.http.ClientAuth;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * With TLS, who may call what: operators command workers, gateways and operators bring viewers. The
 * handshake has checked that an authority of ours signed the certificate; its name says the role.
 */
@Singleton
final class PeerRoles implements HttpServerOptionsCustomizer {
    private static final Logger LOG = LoggerFactory.getLogger(PeerRoles.class);
    private static final int FIRST = 10_000;
    private static final int FORBIDDEN = 403;

    @Override
    public void customizeHttpsServer(HttpServerOptions options) {
        options.setClientAuth(ClientAuth.REQUIRED);
    }

    void register(@Observes Filters filters) {
        filters.register(PeerRoles::check, FIRST);
    }

    private static void check(RoutingContext call) {
        if (!call.request().isSSL()) {
            // Clear text is for a loopback address or a network that was declared trusted.
            call.next();
            return;
        }
        Optional<PeerIdentity> peer = peer(call.request().sslSession());
        if (peer.isPresent() && allowed(call.request().path()).contains(peer.get().role())) {
            call.next();
            return;
        }
        LOG.warn(
                "refused {} to {}",
                call.request().path(),
                peer.map(p -> p.uri().toString()).orElse("a peer whose certificate names no role"));
        call.response().setStatusCode(FORBIDDEN).end();
    }

    static Set<Role> allowed(String path) {
        return path.startsWith("/reelfleet.runtime.v1.WorkerService/")
                ? EnumSet.of(Role.OPERATOR)
                : path.startsWith("/reelfleet.runtime.v1.SessionService/")
                        ? EnumSet.of(Role.OPERATOR, Role.GATEWAY)
                        : EnumSet.noneOf(Role.class);
    }

    private static Optional<PeerIdentity> peer(SSLSession session) {
        try {
            Certificate[] chain = session.getPeerCertificates();
            return chain.length > 0 && chain[0] instanceof X509Certificate certificate
                    ? PeerIdentity.of(certificate)
                    : Optional.empty();
        } catch (SSLPeerUnverifiedException e) {
            return Optional.empty();
        }
    }
}
