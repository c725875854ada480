/**
 * The {@code reelfleet} program: one class per command. What the commands share is below: a fleet
 * on this machine ({@code fleet}), its allocator ({@code allocator}), the demo ({@code demo}).
 */
package io.reelfleet.cli;
