package io.reelfleet.operator.trust;

import io.reelfleet.trust.Enrolment;
import io.smallrye.common.annotation.RunOnVirtualThread;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import org.jboss.logging.Logger;

/** Where pods ask for a certificate: the request as PEM, the projected token as bearer. */
@Path(Enrolment.PATH)
@RunOnVirtualThread
public class TrustResource {
    private static final Logger LOG = Logger.getLogger(TrustResource.class);
    private static final String BEARER = "Bearer ";
    private static final int LONGEST_REQUEST = 8192;
    private static final int FORBIDDEN = 403;
    private static final int BAD_REQUEST = 400;
    private static final int NOT_FOUND = 404;

    /** Certifies the caller's pod. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Produces(MediaType.TEXT_PLAIN)
    public Response sign(
            @HeaderParam(HttpHeaders.AUTHORIZATION) String authorization, String requestPem) {
        SigningDesk desk = ClusterTrust.desk().orElse(null);
        if (desk == null) {
            return refuse(
                    NOT_FOUND,
                    "this operator signs no certificates: reelfleet.trust.secret is not set");
        }
        if (authorization == null || !authorization.startsWith(BEARER)) {
            return refuse(FORBIDDEN, "show the projected service-account token as bearer");
        }
        if (requestPem == null || requestPem.length() > LONGEST_REQUEST) {
            return refuse(BAD_REQUEST, "send a certificate request as PEM of at most 8 KiB");
        }
        try {
            return Response.ok(
                            desk.sign(authorization.substring(BEARER.length()).strip(), requestPem))
                    .build();
        } catch (SigningDesk.Refused e) {
            LOG.warnf("refused to certify: %s", e.getMessage());
            return refuse(FORBIDDEN, e.getMessage());
        } catch (IllegalArgumentException e) {
            return refuse(BAD_REQUEST, e.getMessage());
        }
    }

    private static Response refuse(int status, String sentence) {
        return Response.status(status).entity(sentence).build();
    }
}
