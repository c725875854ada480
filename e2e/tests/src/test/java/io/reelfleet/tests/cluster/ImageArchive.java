package io.reelfleet.tests.cluster;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** A Docker image archive. */
final class ImageArchive {
    private static final int BLOCK = 512;
    private static final int SIZE_AT = 124;
    private static final int SIZE_LENGTH = 11;
    private static final int NAME_LENGTH = 100;
    private static final String TAG = "0.1.0-SNAPSHOT";
    private static final String NEXT = "0.2.0-SNAPSHOT";

    private ImageArchive() {}

    /**
     * Writes the same image under another tag of the same length to {@code again.tar}.
     *
     * @return its full name
     */
    static String again(Path archive, Path folder) throws IOException {
        Path copy = folder.resolve("again.tar");
        Files.copy(archive, copy, StandardCopyOption.REPLACE_EXISTING);
        try (RandomAccessFile file = new RandomAccessFile(copy.toFile(), "rw")) {
            byte[] header = new byte[BLOCK];
            for (long at = 0; at < file.length(); ) {
                file.seek(at);
                file.readFully(header);
                String name =
                        new String(header, 0, NAME_LENGTH, StandardCharsets.US_ASCII)
                                .replace("\0", "");
                String size =
                        new String(header, SIZE_AT, SIZE_LENGTH, StandardCharsets.US_ASCII)
                                .replace("\0", "")
                                .strip();
                long bytes = size.isEmpty() ? 0 : Long.parseLong(size, 8);
                if (name.equals("manifest.json")) {
                    byte[] content = new byte[(int) bytes];
                    file.readFully(content);
                    String manifest = new String(content, StandardCharsets.UTF_8);
                    String tagged = manifest.replace(":" + TAG + "\"", ":" + NEXT + "\"");
                    if (tagged.equals(manifest)) {
                        throw new AssertionError("no tag " + TAG + " in " + manifest);
                    }
                    file.seek(at + BLOCK);
                    file.write(tagged.getBytes(StandardCharsets.UTF_8));
                    return "reelfleet/worker:" + NEXT;
                }
                at += BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
            }
        }
        throw new AssertionError("no manifest.json in " + archive);
    }
}
