package io.reelfleet.server.session;

import io.reelfleet.api.session.v1.ImageRef;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.VideoFrames;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;

/**
 * Pictures that controls refer to. A picture comes in the control itself ({@code data:}), or from
 * an address below one that the worker's settings allow: who may open a session may not thereby
 * read whatever this worker can reach. Bytes, sizes and formats are checked before anything is
 * decoded.
 *
 * @param allowed beginnings of addresses that pictures may be fetched from: {@code https://host/},
 *     {@code file:/dir/}
 */
public record Images(List<String> allowed) {
    /** Pictures in the controls themselves, and no others. */
    public static final Images INLINE_ONLY = new Images(List.of());

    private static final int MOST_BYTES = 16 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Set<String> FORMATS = Set.of("png", "jpeg");

    static {
        // Intermediate files would land in folders that may not be writable.
        ImageIO.setUseCache(false);
    }

    public Images {
        allowed = List.copyOf(allowed);
    }

    /**
     * The picture as one frame of the model's video; fetches it, so not for the engine's thread.
     *
     * @throws Refusal in a sentence that says what is wrong with it
     */
    VideoFrames load(ImageRef ref, ModelDescription model) {
        byte[] bytes = bytes(ref.getUri());
        if (!ref.getSha256().isEmpty() && !ref.getSha256().equalsIgnoreCase(sha256(bytes))) {
            throw invalid(
                    "its SHA-256 is %s, not %s as the control says: another picture lies there now"
                            .formatted(sha256(bytes), ref.getSha256()));
        }
        return decode(bytes, model.width(), model.height());
    }

    private byte[] bytes(String uri) {
        if (uri.startsWith("data:")) {
            return inline(uri);
        }
        URI address;
        try {
            address = new URI(uri).normalize();
        } catch (java.net.URISyntaxException e) {
            throw invalid("its address %s is not a URI".formatted(shown(uri)));
        }
        String whole = address.toString();
        if (allowed.stream().noneMatch(whole::startsWith)) {
            throw invalid(
                    allowed.isEmpty()
                            ? "this pool fetches no pictures: send it as data:image/png;base64,..., or let the operator's reelfleet.images.from name where they may come from"
                            : "its address %s is not below one of %s: put it there, or send it as data:image/png;base64,..."
                                    .formatted(shown(uri), String.join(", ", allowed)));
        }
        try {
            return switch (String.valueOf(address.getScheme())) {
                case "file" -> file(Path.of(address));
                case "https" -> https(address);
                default ->
                        throw invalid(
                                "its address %s is neither data:, https:// nor file:/"
                                        .formatted(shown(uri)));
            };
        } catch (IOException e) {
            throw invalid("%s cannot be read: %s".formatted(shown(uri), e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw invalid("the worker is stopping");
        }
    }

    private static byte[] inline(String uri) {
        int comma = uri.indexOf(',');
        if (comma < 0 || !uri.substring(0, comma).endsWith(";base64")) {
            throw invalid("its data: address has no base64: write data:image/png;base64,...");
        }
        if (uri.length() / 4L * 3 > MOST_BYTES) {
            throw tooLarge();
        }
        try {
            return Base64.getDecoder().decode(uri.substring(comma + 1).strip());
        } catch (IllegalArgumentException e) {
            throw invalid("its base64 is broken: %s".formatted(e.getMessage()));
        }
    }

    private byte[] file(Path path) throws IOException {
        // Links may not lead out of what is allowed.
        Path real = path.toRealPath();
        boolean within =
                allowed.stream()
                        .filter(each -> each.startsWith("file:"))
                        .anyMatch(each -> real.startsWith(Path.of(URI.create(each))));
        if (!within) {
            throw invalid("%s leads out of the allowed folders".formatted(path));
        }
        try (InputStream in = Files.newInputStream(real)) {
            return bounded(in);
        }
    }

    private static byte[] https(URI address) throws IOException, InterruptedException {
        try (HttpClient client =
                HttpClient.newBuilder()
                        .connectTimeout(PATIENCE)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .build()) {
            HttpResponse<InputStream> answer =
                    client.send(
                            HttpRequest.newBuilder(address).timeout(PATIENCE).build(),
                            HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream in = answer.body()) {
                if (answer.statusCode() != 200) {
                    throw new IOException("the server answers " + answer.statusCode());
                }
                return bounded(in);
            }
        }
    }

    private static byte[] bounded(InputStream in) throws IOException {
        byte[] bytes = in.readNBytes(MOST_BYTES + 1);
        if (bytes.length > MOST_BYTES) {
            throw tooLarge();
        }
        return bytes;
    }

    static VideoFrames decode(byte[] bytes, int width, int height) {
        try (ImageInputStream in =
                ImageIO.createImageInputStream(new ByteArrayInputStream(bytes))) {
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            while (readers.hasNext()) {
                ImageReader reader = readers.next();
                try {
                    if (FORMATS.contains(reader.getFormatName().toLowerCase(Locale.ROOT))) {
                        reader.setInput(in, true, true);
                        // From its head alone: a small file may say that it is huge.
                        if (reader.getWidth(0) != width || reader.getHeight(0) != height) {
                            throw invalid(
                                    "it is %d x %d pixels, the model's video %d x %d: scale it to that"
                                            .formatted(
                                                    reader.getWidth(0),
                                                    reader.getHeight(0),
                                                    width,
                                                    height));
                        }
                        // JPEGs that end early or are damaged inside are filled up with grey.
                        List<String> damage = new ArrayList<>();
                        reader.addIIOReadWarningListener((_, warning) -> damage.add(warning));
                        BufferedImage image = reader.read(0);
                        if (!damage.isEmpty()) {
                            throw invalid("it is damaged: %s".formatted(damage.getFirst()));
                        }
                        return frame(image);
                    }
                } finally {
                    reader.dispose();
                }
            }
        } catch (Refusal e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            throw invalid(
                    "it cannot be decoded: %s"
                            .formatted(
                                    e.getMessage() == null
                                            ? e.getClass().getSimpleName()
                                            : e.getMessage().lines().findFirst().orElse("")));
        }
        throw invalid("it is neither PNG nor JPEG: save it as one of them");
    }

    private static VideoFrames frame(BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        byte[] rgb = new byte[3 * width * height];
        int[] row = new int[width];
        int at = 0;
        for (int y = 0; y < height; y++) {
            image.getRGB(0, y, width, 1, row, 0, width);
            for (int pixel : row) {
                rgb[at++] = (byte) (pixel >> 16);
                rgb[at++] = (byte) (pixel >> 8);
                rgb[at++] = (byte) pixel;
            }
        }
        return new VideoFrames(width, height, 1, rgb);
    }

    private static Refusal tooLarge() {
        return invalid("it has more than %d bytes: make it smaller".formatted(MOST_BYTES));
    }

    private static String shown(String uri) {
        return uri.length() <= 100 ? uri : uri.substring(0, 100) + "...";
    }

    private static Refusal invalid(String what) {
        return new Refusal(Refusal.Kind.INVALID, "the picture of control 'reference': " + what);
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
