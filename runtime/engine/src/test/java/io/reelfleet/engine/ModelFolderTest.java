package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.net.URL;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelFolderTest {
    @TempDir Path folder;

    private URL jar() throws Exception {
        Path jar = folder.resolve("engine.jar");
        try (FileSystem files = FileSystems.newFileSystem(jar, Map.of("create", "true"))) {
            Path model = files.getPath("builtin", "sample");
            Files.createDirectories(model.resolve("vae"));
            Files.writeString(model.resolve("model_index.json"), "{}");
            Files.writeString(model.resolve("vae/weights"), "0123456789");
            Files.writeString(files.getPath("builtin", "unrelated"), "no part of it");
        }
        return URI.create("jar:" + jar.toUri() + "!/builtin/sample/model_index.json").toURL();
    }

    @Test
    void aModelInAJarIsUnpackedOnceAndWhole() throws Exception {
        Path cache = folder.resolve("cache");
        Path first = ModelFolder.unpack(jar(), "sample", cache);
        assertThat(first.resolve("vae/weights")).hasContent("0123456789");
        Path kept = first.resolve("vae/weights");
        var written = Files.getLastModifiedTime(kept);
        assertThat(ModelFolder.unpack(jar(), "sample", cache)).isEqualTo(first);
        assertThat(Files.getLastModifiedTime(kept)).isEqualTo(written);
        try (Stream<Path> list = Files.list(cache)) {
            assertThat(list).containsExactly(first);
        }
    }

    @Test
    void aDamagedCopyIsReplaced() throws Exception {
        Path cache = folder.resolve("cache");
        Path copy = ModelFolder.unpack(jar(), "sample", cache);
        Files.writeString(copy.resolve("vae/weights"), "0123");
        assertThat(ModelFolder.unpack(jar(), "sample", cache).resolve("vae/weights"))
                .hasContent("0123456789");
        Files.delete(copy.resolve("vae/weights"));
        assertThat(ModelFolder.unpack(jar(), "sample", cache).resolve("vae/weights"))
                .hasContent("0123456789");
    }

    @Test
    void aModelOnTheClassPathIsUnpackedToo() throws Exception {
        Path model = Files.createDirectories(folder.resolve("classes/builtin/sample"));
        Files.writeString(model.resolve("model_index.json"), "{}");
        URL index = model.resolve("model_index.json").toUri().toURL();
        assertThat(ModelFolder.unpack(index, "sample", folder.resolve("cache")))
                .isDirectoryContaining("glob:**/model_index.json");
    }

    @Test
    void urisAreResolvedOrRefusedByName() throws Exception {
        assertThat(ModelFolder.resolve(folder.toUri().toString(), folder).path()).isEqualTo(folder);
        assertThat(ModelFolder.resolve("file:" + folder, folder).path()).isEqualTo(folder);
        assertThat(ModelFolder.resolve(folder.toString(), folder).path()).isEqualTo(folder);
        assertThatThrownBy(() -> ModelFolder.resolve("builtin:none", folder))
                .isInstanceOf(ModelException.class)
                .hasMessage("this engine has no model builtin:none");
        assertThatThrownBy(() -> ModelFolder.resolve("builtin:../etc", folder))
                .hasMessageContaining("is not the name of a model");
        assertThatThrownBy(() -> ModelFolder.resolve("s3://bucket/model", folder))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("is not a folder");
    }

    @Test
    void theRevisionFollowsTheContent() throws Exception {
        Files.writeString(folder.resolve("a"), "1");
        String one = ModelFolder.of(folder).revision();
        assertThat(one).matches("[0-9a-f]{64}").isEqualTo(ModelFolder.of(folder).revision());
        Files.writeString(folder.resolve("a"), "2");
        String two = ModelFolder.of(folder).revision();
        assertThat(two).isNotEqualTo(one);
        Files.move(folder.resolve("a"), folder.resolve("b"));
        assertThat(ModelFolder.of(folder).revision()).isNotEqualTo(two);
    }
}
