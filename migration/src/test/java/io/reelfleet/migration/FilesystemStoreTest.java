package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FilesystemStoreTest extends ChunkStoreContract {

    @TempDir Path folder;
    private ChunkStore store;

    @BeforeEach
    void open() throws Exception {
        store = ChunkStores.open(folder.resolve("store").toUri().toString());
    }

    @Override
    ChunkStore store() {
        return store;
    }

    @Test
    void noTemporaryFileStaysBehind() throws Exception {
        store.createIfAbsent("sessions/a/log/0000000000", new byte[10]);
        store.createIfAbsent("sessions/a/log/0000000000", new byte[10]);

        try (var files = Files.list(folder.resolve("store/.tmp"))) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    void whatADeadWriterLeftIsSweptAndWhatIsBeingWrittenStays() throws Exception {
        Path old = Files.createFile(folder.resolve("store/.tmp/old"));
        Path young = Files.createFile(folder.resolve("store/.tmp/young"));
        Files.setLastModifiedTime(old, FileTime.from(Instant.now().minusSeconds(7200)));

        ChunkStores.open("file:" + folder.resolve("store"));

        assertThat(old).doesNotExist();
        assertThat(young).exists();
    }

    @Test
    void aSecondProcessOnTheSameFolderSeesTheSameObjects() throws Exception {
        ChunkStore other = ChunkStores.open("file:" + folder.resolve("store"));
        store.createIfAbsent("sessions/a/log/0000000000", new byte[] {42});

        assertThat(other.read("sessions/a/log/0000000000")).hasValue(new byte[] {42});
        assertThat(other.createIfAbsent("sessions/a/log/0000000000", new byte[1])).isFalse();
    }

    @Test
    void aFullDiskIsASentenceThatNamesTheFolder() throws Exception {
        // A device that answers every write with "no space left"; the store's temporary folder is
        // linked onto it.
        Path full = Path.of("/dev/full");
        org.junit.jupiter.api.Assumptions.assumeTrue(
                Files.exists(full), "skipped: this system has no /dev/full");

        StoreException e =
                FilesystemStore.failure("file:/data/store", "cannot be written", writeTo(full));

        assertThat(e)
                .isInstanceOf(StoreFullException.class)
                .hasMessageContaining("the disk under the chunk store file:/data/store is full");
    }

    private static java.io.IOException writeTo(Path file) {
        try {
            Files.write(file, new byte[10], java.nio.file.StandardOpenOption.WRITE);
        } catch (java.io.IOException e) {
            return e;
        }
        throw new AssertionError("writing to " + file + " did not fail");
    }

    @Test
    void aUriThatNamesNoStoreIsRefusedWithWhatToWrite() {
        for (String uri : new String[] {"/data", "file:relative", "ftp://host/x", "", "file:"}) {
            assertThatThrownBy(() -> ChunkStores.open(uri))
                    .as(uri)
                    .isInstanceOf(StoreException.class)
                    .hasMessageContaining("reelfleet.store")
                    .hasMessageContaining("write file:/dir");
        }
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));

        assertThatThrownBy(() -> ChunkStores.open("file:" + file.resolve("store")))
                .isInstanceOf(StoreException.class)
                .hasMessageContaining(file.toString());
    }
}
