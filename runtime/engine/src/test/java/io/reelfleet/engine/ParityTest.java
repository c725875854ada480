package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class ParityTest {
    @Test
    void agreesWithThePublicImplementationsToOneInTenThousand() throws ModelException {
        List<Path> folders = Fixtures.folders();
        Assumptions.assumeFalse(
                folders.isEmpty(),
                "skipped: no shared/fixtures beside the checkout (or set REELFLEET_FIXTURES)");
        for (Path folder : folders) {
            List<ModelVerify.Line> lines =
                    ModelVerify.run(
                            folder, line -> System.out.println(folder.getFileName() + " " + line));
            assertThat(lines).hasSizeGreaterThan(30).allMatch(ModelVerify.Line::passed);
        }
    }
}
