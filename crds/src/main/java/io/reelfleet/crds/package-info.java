/** The custom resources GPUPool and VideoSession, the single source of their YAML. */
package io.reelfleet.crds;
