/**
 * Who is who between the parts: one authority per installation, short-lived certificates, and the
 * roles that they carry. The operator is the authority in a cluster, the launcher on a laptop.
 */
package io.reelfleet.trust;
