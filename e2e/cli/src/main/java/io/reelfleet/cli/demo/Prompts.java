package io.reelfleet.cli.demo;

import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Prompts in the grammar of {@code builtin:shapes}, drawn by a seed; each is used once before any
 * comes again.
 */
final class Prompts {
    private static final List<String> COLOURS =
            List.of("red", "green", "blue", "yellow", "purple", "cyan");
    private static final List<String> SHAPES = List.of("circle", "square", "triangle");
    private static final List<String> MOTIONS =
            List.of("left and right", "up and down", "clockwise", "counterclockwise");
    private static final List<String> BACKGROUNDS = List.of("black", "white", "gray", "navy");
    private static final int ALL =
            COLOURS.size() * SHAPES.size() * MOTIONS.size() * BACKGROUNDS.size();

    private final int[] order = new int[ALL];
    private int next;

    Prompts(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (int i = 0; i < ALL; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
    }

    String next() {
        int n = order[next++ % ALL];
        String colour = COLOURS.get(n % COLOURS.size());
        n /= COLOURS.size();
        String shape = SHAPES.get(n % SHAPES.size());
        n /= SHAPES.size();
        String motion = MOTIONS.get(n % MOTIONS.size());
        n /= MOTIONS.size();
        return "a %s %s moving %s on a %s background"
                .formatted(colour, shape, motion, BACKGROUNDS.get(n));
    }
}
