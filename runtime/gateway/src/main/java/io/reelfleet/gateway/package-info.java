/**
 * The stateless front door for viewers; it follows a session through its log, wherever it runs.
 * This package starts the process; {@code follow} reads the logs, {@code viewer} answers viewers by
 * HLS, WebSocket and gRPC, {@code fleet} serves the page for people.
 */
package io.reelfleet.gateway;
