/**
 * The operator's allocator as the commands see it: REST with the messages of {@code
 * allocator.proto} in JSON.
 */
package io.reelfleet.cli.allocator;
