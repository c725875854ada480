package io.reelfleet.gateway.auth;

import io.vertx.core.http.HttpServerRequest;
import java.net.URI;

/**
 * Where a browser's request came from. Cookies are SameSite=Strict, which stops other sites; this
 * stops other ports of the same host too, which browsers count as the same site.
 */
public final class RequestOrigin {
    private RequestOrigin() {}

    /** Whether a request that a cookie vouches for was made by a page of ours. */
    public static boolean isOurs(HttpServerRequest request) {
        return isOurs(
                request.getHeader("Sec-Fetch-Site"),
                request.getHeader("Origin"),
                request.authority() == null ? null : request.authority().toString());
    }

    static boolean isOurs(String fetchSite, String origin, String host) {
        if (fetchSite != null && !fetchSite.equals("same-origin") && !fetchSite.equals("none")) {
            return false;
        }
        if (origin == null) {
            return true;
        }
        try {
            String authority = URI.create(origin).getRawAuthority();
            return authority != null && authority.equalsIgnoreCase(host);
        } catch (IllegalArgumentException e) {
            return false;
        }
    }
}
