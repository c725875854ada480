/** The move protocol under every order of events that there is, and under many that are drawn. */
package io.reelfleet.migration.protocol;
