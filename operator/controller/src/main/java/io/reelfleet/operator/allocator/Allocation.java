package io.reelfleet.operator.allocator;

import io.reelfleet.api.allocator.v1.CloseSessionRequest;
import io.reelfleet.api.allocator.v1.CloseSessionResponse;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.GetSessionRequest;
import io.reelfleet.api.allocator.v1.IssueTokenRequest;
import io.reelfleet.api.allocator.v1.IssueTokenResponse;
import io.reelfleet.api.allocator.v1.ListSessionsRequest;
import io.reelfleet.api.allocator.v1.ListSessionsResponse;
import io.reelfleet.api.allocator.v1.MoveSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;

/**
 * The allocator behind both of its faces: the leader's own, or a standby's way to it. Every method
 * may block for as long as the fleet loop takes to answer, and refuses by a {@link
 * io.grpc.StatusRuntimeException} whose description is a sentence for the caller. {@code
 * authorization} is the header's value, null when there is none.
 */
public interface Allocation {

    /** Opens a session that is written as a VideoSession document. */
    OpenSessionResponse open(String authorization, String document);

    /** See AllocatorService.OpenSession. */
    OpenSessionResponse open(String authorization, OpenSessionRequest request);

    /** See AllocatorService.GetSession. */
    Session get(String authorization, GetSessionRequest request);

    /** See AllocatorService.ListSessions. */
    ListSessionsResponse list(String authorization, ListSessionsRequest request);

    /** See AllocatorService.UpdateSession. */
    Session update(String authorization, UpdateSessionRequest request);

    /** See AllocatorService.CloseSession. */
    CloseSessionResponse close(String authorization, CloseSessionRequest request);

    /** See AllocatorService.MoveSession. */
    Session move(String authorization, MoveSessionRequest request);

    /** See AllocatorService.IssueToken. */
    IssueTokenResponse token(String authorization, IssueTokenRequest request);

    /** See AllocatorService.GetFleet. */
    Fleet fleet(String authorization);
}
