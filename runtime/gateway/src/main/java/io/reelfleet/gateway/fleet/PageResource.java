package io.reelfleet.gateway.fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.gateway.auth.LoginCodes;
import io.reelfleet.gateway.auth.RequestOrigin;
import io.reelfleet.gateway.auth.SignIn;
import io.reelfleet.gateway.auth.ViewerCookie;
import io.reelfleet.gateway.auth.ViewerTokens;
import io.reelfleet.gateway.auth.ViewerTokens.Viewer;
import io.smallrye.common.annotation.RunOnVirtualThread;
import io.vertx.core.http.HttpServerRequest;
import jakarta.ws.rs.CookieParam;
import jakarta.ws.rs.FormParam;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.Optional;

/** What the fleet's page asks for, and how people sign in to it. */
@Path("/")
@RunOnVirtualThread
@Produces(MediaType.APPLICATION_JSON)
public class PageResource {
    private final SignIn signIn;
    private final LoginCodes codes;
    private final People people;
    private final Operator operator;
    private final ViewerTokens tokens;
    private final GatewaySettings settings;
    private final ObjectMapper json;

    PageResource(
            SignIn signIn,
            LoginCodes codes,
            People people,
            Operator operator,
            ViewerTokens tokens,
            GatewaySettings settings,
            ObjectMapper json) {
        this.signIn = signIn;
        this.codes = codes;
        this.people = people;
        this.operator = operator;
        this.tokens = tokens;
        this.settings = settings;
        this.json = json;
    }

    /** A one-time code for a browser, against the API token. */
    @POST
    @Path("login/codes")
    public Response code(@HeaderParam("Authorization") String authorization) {
        String apiToken = ViewerTokens.bearer(authorization);
        if (!people.mayEnter(apiToken)) {
            return unauthorized();
        }
        String code = codes.issue(apiToken);
        return Response.ok(
                        Map.of(
                                "code",
                                code,
                                "path",
                                "/login#code=" + code,
                                "expires_in_s",
                                LoginCodes.LASTS.toSeconds()))
                .header("Cache-Control", "no-store")
                .build();
    }

    /**
     * Signs a browser in with a one-time code, the API token, or a viewer's token for one session.
     */
    @POST
    @Path("login")
    public Response login(
            @Context HttpServerRequest request,
            @FormParam("code") String code,
            @FormParam("token") String token) {
        if (!RequestOrigin.isOurs(request)) {
            return Response.status(403).build();
        }
        Optional<Viewer> viewer = tokens.viewer(token);
        if (viewer.isPresent()) {
            return Response.ok(Map.of("page", "/s/" + viewer.get().uid() + "/"))
                    .header("Set-Cookie", cookie(viewer.get(), token))
                    .header("Cache-Control", "no-store")
                    .build();
        }
        Optional<String> apiToken =
                code != null
                        ? codes.redeem(code)
                        : Optional.ofNullable(token).map(String::strip).filter(people::mayEnter);
        if (apiToken.isEmpty()) {
            return unauthorized();
        }
        return Response.ok(Map.of("page", "/"))
                .header(
                        "Set-Cookie",
                        personCookie(signIn.seal(apiToken.get()), SignIn.LASTS.toSeconds()))
                .header("Cache-Control", "no-store")
                .build();
    }

    @POST
    @Path("logout")
    public Response logout(@Context HttpServerRequest request) {
        if (!RequestOrigin.isOurs(request)) {
            return Response.status(403).build();
        }
        return Response.noContent().header("Set-Cookie", personCookie("", 0)).build();
    }

    @GET
    @Path("api/fleet")
    public Response fleet(@CookieParam(SignIn.COOKIE) String cookie) {
        return passOn(cookie, "/v1/fleet");
    }

    @GET
    @Path("api/sessions")
    public Response sessions(@CookieParam(SignIn.COOKIE) String cookie) {
        return passOn(cookie, "/v1/sessions");
    }

    /** Gives the browser of a signed-in person the cookie with which it may play a session. */
    @POST
    @Path("api/sessions/{uid: [a-z0-9-]{1,63}}/watch")
    public Response watch(
            @Context HttpServerRequest request,
            @CookieParam(SignIn.COOKIE) String cookie,
            @PathParam("uid") String uid) {
        Optional<String> apiToken = signIn.open(cookie);
        if (apiToken.isEmpty()) {
            return unauthorized();
        }
        if (!RequestOrigin.isOurs(request)) {
            return Response.status(403).build();
        }
        try {
            HttpResponse<String> issued =
                    operator.post("/v1/sessions/" + uid + "/token", apiToken.get(), "{}");
            if (issued.statusCode() != 200) {
                return refusal(issued);
            }
            JsonNode answer = json.readTree(issued.body());
            String token = answer.path("token").asText("");
            Optional<Viewer> viewer = tokens.viewer(token, uid);
            if (viewer.isEmpty()) {
                return problem(
                        502,
                        "The operator signs with another key than reelfleet.tokens.public-key-file"
                                + " holds.");
            }
            return Response.ok(Map.of("expires_s", viewer.get().expires()))
                    .header("Set-Cookie", cookie(viewer.get(), token))
                    .header("Cache-Control", "no-store")
                    .build();
        } catch (Operator.SilentException | IOException e) {
            return problem(503, e.getMessage());
        }
    }

    private Response passOn(String cookie, String path) {
        Optional<String> apiToken = signIn.open(cookie);
        if (apiToken.isEmpty()) {
            return unauthorized();
        }
        try {
            HttpResponse<String> answer = operator.get(path, apiToken.get());
            if (answer.statusCode() != 200) {
                return refusal(answer);
            }
            return Response.ok(answer.body(), MediaType.APPLICATION_JSON)
                    .header("Cache-Control", "no-store")
                    .build();
        } catch (Operator.SilentException e) {
            return problem(503, e.getMessage());
        }
    }

    private Response refusal(HttpResponse<String> answer) {
        return switch (answer.statusCode()) {
            case 401, 403 -> unauthorized();
            case 404 -> problem(404, "There is no such session.");
            default -> problem(503, "The operator answers " + answer.statusCode() + ".");
        };
    }

    private static Response problem(int status, String sentence) {
        return Response.status(status)
                .entity(Map.of("error", sentence))
                .header("Cache-Control", "no-store")
                .build();
    }

    private static Response unauthorized() {
        return Response.status(401)
                .header("WWW-Authenticate", "Bearer realm=\"reelfleet\"")
                .header("Cache-Control", "no-store")
                .build();
    }

    private String cookie(Viewer viewer, String token) {
        return ViewerCookie.of(viewer, token, settings.secureCookies());
    }

    private String personCookie(String value, long seconds) {
        return "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s"
                .formatted(
                        SignIn.COOKIE, value, seconds, settings.secureCookies() ? "; Secure" : "");
    }
}
