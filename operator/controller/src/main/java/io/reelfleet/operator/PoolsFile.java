package io.reelfleet.operator;

import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.InvalidDocumentException;
import io.reelfleet.crds.PoolRules;
import io.reelfleet.crds.Violation;
import io.reelfleet.operator.fleet.PoolDefinition;
import io.reelfleet.operator.fleet.PoolDefinitions;
import io.reelfleet.process.StartupProblem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** GPUPool documents in a file, where there is no API server to take them. */
final class PoolsFile {
    private PoolsFile() {}

    /**
     * Reads all pools of a file.
     *
     * @throws StartupProblem when one of them would be refused by {@code kubectl apply}
     */
    static List<PoolDefinition> read(Path file, Settings settings) {
        List<PoolDefinition> pools = new ArrayList<>();
        try {
            for (Object document : Documents.read(Files.readString(file))) {
                if (!(document instanceof GPUPool pool)) {
                    throw new StartupProblem(
                            file + ": only GPUPool documents are wanted here; take the others out");
                }
                List<Violation> violations = PoolRules.check(pool);
                if (!violations.isEmpty()) {
                    throw new StartupProblem(
                            "%s: GPUPool %s: %s"
                                    .formatted(
                                            file,
                                            pool.getMetadata().getName(),
                                            String.join(
                                                    "; ",
                                                    violations.stream()
                                                            .map(Violation::toString)
                                                            .toList())));
                }
                pools.add(PoolDefinitions.of(pool, "default", settings));
            }
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.pools-file " + file + " cannot be read: " + e.getMessage());
        } catch (InvalidDocumentException e) {
            throw new StartupProblem(file + ": " + e.getMessage());
        }
        if (pools.isEmpty()) {
            throw new StartupProblem(
                    "reelfleet.pools-file " + file + " holds no GPUPool; write one");
        }
        return pools;
    }
}
