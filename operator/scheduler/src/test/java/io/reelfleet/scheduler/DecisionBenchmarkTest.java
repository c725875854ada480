package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Decisions under JMH: briefly, that they leave next to no garbage; and, for people, all of it with
 *
 * <pre>mvn -pl operator/scheduler test -Dtest=DecisionBenchmarkTest -Dreelfleet.jmh=true</pre>
 */
class DecisionBenchmarkTest {
    private static final String GARBAGE = "gc.alloc.rate.norm";

    @Test
    void aDecisionInTheSteadyStateLeavesLessThanOneKilobyte() throws Exception {
        Collection<RunResult> results =
                new Runner(
                                benchmark("decide$")
                                        .param("workers", "64")
                                        .forks(0)
                                        .warmupIterations(2)
                                        .warmupTime(TimeValue.milliseconds(300))
                                        .measurementIterations(2)
                                        .measurementTime(TimeValue.milliseconds(300))
                                        .verbosity(VerboseMode.SILENT)
                                        .build())
                        .run();
        Result<?> garbage = results.iterator().next().getSecondaryResults().get(GARBAGE);
        assertThat(garbage.getScoreUnit()).isEqualTo("B/op");
        assertThat(garbage.getScore()).isBetween(1.0, 1_000.0);
    }

    @Test
    @EnabledIfSystemProperty(named = "reelfleet.jmh", matches = "true")
    void everythingForPeople() throws Exception {
        new Runner(
                        benchmark(".*")
                                .forks(1)
                                .jvmArgsAppend("-XX:+UseSerialGC")
                                .warmupIterations(3)
                                .warmupTime(TimeValue.seconds(1))
                                .measurementIterations(5)
                                .measurementTime(TimeValue.seconds(1))
                                .build())
                .run();
    }

    private static ChainedOptionsBuilder benchmark(String method) {
        return new OptionsBuilder()
                .include(DecisionBenchmark.class.getName() + "\\." + method)
                .addProfiler(GCProfiler.class);
    }
}
