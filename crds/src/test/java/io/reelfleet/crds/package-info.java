/** How the definitions are generated, and what they refuse. */
package io.reelfleet.crds;
