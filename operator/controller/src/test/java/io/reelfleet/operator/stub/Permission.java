package io.reelfleet.operator.stub;

/**
 * Something that may be done, or was.
 *
 * @param where a namespace; empty for all of them and for what is in none
 * @param group API group; empty for the core
 * @param resource with its subresource, such as {@code pods/status}
 * @param verb as RBAC spells it
 * @param name of the one object; empty for any
 */
public record Permission(String where, String group, String resource, String verb, String name)
        implements Comparable<Permission> {

    /** Whether a rule with this permission lets somebody do that. */
    public boolean covers(Permission done) {
        return (where.isEmpty() || where.equals(done.where))
                && group.equals(done.group)
                && resource.equals(done.resource)
                && verb.equals(done.verb)
                && (name.isEmpty() || name.equals(done.name));
    }

    @Override
    public int compareTo(Permission other) {
        return toString().compareTo(other.toString());
    }

    @Override
    public String toString() {
        return "%s %s%s%s %s"
                .formatted(
                        verb,
                        resource,
                        group.isEmpty() ? "" : "." + group,
                        name.isEmpty() ? "" : " " + name,
                        where.isEmpty() ? "anywhere" : "in " + where);
    }
}
