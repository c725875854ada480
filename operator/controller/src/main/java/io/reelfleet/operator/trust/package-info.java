/**
 * The operator as the installation's authority: it keeps the authority in a Secret, serves its own
 * port under a certificate of it, and certifies the pods that show who they are.
 */
package io.reelfleet.operator.trust;
