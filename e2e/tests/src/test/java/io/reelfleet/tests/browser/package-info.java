/** What a person sees in a browser. */
package io.reelfleet.tests.browser;
