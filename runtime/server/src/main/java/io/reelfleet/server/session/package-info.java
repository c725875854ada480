/**
 * The worker's sessions: one loop advances them a denoising step at a time, stores each chunk in
 * its session's log, and only then shows it. Knows the engine and the log, not how commands arrive.
 */
package io.reelfleet.server.session;
