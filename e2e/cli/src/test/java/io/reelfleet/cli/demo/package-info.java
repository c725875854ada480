/** The demo's parts that need no fleet. */
package io.reelfleet.cli.demo;
