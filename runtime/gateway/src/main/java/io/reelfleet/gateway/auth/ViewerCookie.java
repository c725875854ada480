package io.reelfleet.gateway.auth;

import io.reelfleet.gateway.auth.ViewerTokens.Viewer;

/** The cookie that carries a viewer's token for one session, for players that set no headers. */
public final class ViewerCookie {
    private ViewerCookie() {}

    /** The value of a {@code Set-Cookie} header. */
    public static String of(Viewer viewer, String token, boolean secure) {
        long left = Math.max(0, viewer.expires() - System.currentTimeMillis() / 1000);
        return "%s=%s; Path=/s/%s/; Max-Age=%d; HttpOnly; SameSite=Strict%s"
                .formatted(
                        ViewerTokens.cookie(viewer.uid()),
                        token,
                        viewer.uid(),
                        left,
                        secure ? "; Secure" : "");
    }
}
