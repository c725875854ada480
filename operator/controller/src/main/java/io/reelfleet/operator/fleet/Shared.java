package io.reelfleet.operator.fleet;

import java.util.function.ToIntFunction;

/**
 * What all fleet loops of an operator share.
 *
 * @param priorityClasses the value of a PriorityClass by its name; never waits
 * @param budgets of several pools
 */
public record Shared(ToIntFunction<String> priorityClasses, SharedBudgets budgets) {}
