package io.reelfleet.operator.allocator;

/** Decides who may call the API, and for what. Both methods may block. */
public interface Gate {

    /** What a caller wants to do with sessions, in the words of Kubernetes. */
    enum Verb {
        GET,
        LIST,
        CREATE,
        UPDATE,
        DELETE;

        /** As RBAC spells it. */
        public String title() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    /**
     * Who shows this token.
     *
     * @param authorization the header's value; null when there is none
     * @throws io.grpc.StatusRuntimeException UNAUTHENTICATED, with a sentence
     */
    Caller caller(String authorization);

    /**
     * Lets the caller do it to sessions of a namespace, or not.
     *
     * @param namespace empty for all of them
     * @throws io.grpc.StatusRuntimeException PERMISSION_DENIED, with a sentence
     */
    void permit(Caller caller, Verb verb, String namespace);
}
