/**
 * A fleet on this machine: operator, gateway and workers as processes, in one folder that holds
 * their settings, keys, logs and videos. The launcher is the authority that gives each part its
 * certificate.
 */
package io.reelfleet.cli.fleet;
