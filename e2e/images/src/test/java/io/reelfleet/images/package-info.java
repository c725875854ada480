/** What people get wrong when they build images. */
package io.reelfleet.images;
