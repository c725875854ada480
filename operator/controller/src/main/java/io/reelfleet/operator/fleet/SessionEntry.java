package io.reelfleet.operator.fleet;

import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;

/** What the loop knows of one session; touched by the loop's thread only. */
final class SessionEntry {

    /** A command to a worker that has not been answered for good. */
    enum Verb {
        ADMIT,
        SUSPEND,
        RESUME,
        UPDATE,
        RELEASE,
        /** Several calls to two workers; see {@link LiveMove}. */
        MOVE
    }

    final String uid;
    SessionWish wish;

    /**
     * Counts changes of the wish's spec; what the worker has been told is in {@link #toldVersion}.
     */
    long version;

    long toldVersion;

    /** Where it is or is being admitted; null for nowhere. */
    String worker;

    /** Of the newest ownership that was ordered or seen. */
    long epoch;

    SessionState state = SessionState.SESSION_STATE_UNSPECIFIED;
    boolean wantsChunks = true;
    long nextChunk;
    long stateBytes;

    /** Its log gives the same bits as the state on its worker. */
    boolean rebuildsExactly;

    /** Its worker empties, and its turn to leave has not come. */
    boolean heldBack;

    String message = "";

    /** Since when it has waited to be served, or since when it has been. */
    long waitingSince;

    long idleSince;

    /**
     * Since when it has been without a chunk that it wants, while it waits; 0 while it is served.
     */
    long owedSince;

    /** Seconds of that wait that have been counted as late. */
    double owedLate;

    /** Its worker's reports have not named it since then; 0 while they do. */
    long missingSince;

    /**
     * Reports from here on tell the state; earlier ones may be older than the last command's
     * answer.
     */
    long reportsCountFrom;

    Verb verb;
    long command;
    String requestId;

    /** The command has been sent and not been answered. */
    boolean sent;

    final Backoff retry = new Backoff(200, 5_000);

    /** Where it goes after its release; null when it does not move. */
    String moveTo;

    /** Why it moves, in one word. */
    String moveReason = "";

    /** Somebody moved it by hand: until then the policy leaves it where it is; 0 for never. */
    long heldUntil;

    /** The last move by release and log; null when there was none. */
    String moveByLog;

    /** The move of {@link Verb#MOVE}; null when there is none. */
    LiveMove live;

    int moves;

    /** Workers that died under it, one after the other. */
    int deaths;

    /** The next chunk's number when it was admitted. */
    long admittedAtChunk;

    /** Where it was before this loop began is not known yet: some worker has not reported. */
    boolean frozen;

    /** Nobody wants it any longer; the reason goes into its log. */
    String closing;

    SessionView.Phase finished;
    long finishedAt;

    /** As last published. */
    SessionView view;

    SessionEntry(SessionWish wish, long now) {
        this.uid = wish.spec().getUid();
        this.wish = wish;
        this.version = 1;
        this.epoch = wish.knownEpoch();
        this.waitingSince = now;
    }

    SessionSpec spec() {
        return wish.spec();
    }

    boolean busy() {
        return verb != null;
    }

    /** Whether the policy is to leave it where somebody has put it. */
    boolean held(long now) {
        return now < heldUntil && worker != null && wish.active() && !suspended();
    }

    boolean suspended() {
        return state == SessionState.SESSION_STATE_SUSPENDED;
    }

    /** Whether somebody waits for its chunks; without a worker it is taken to be so. */
    boolean demands() {
        return finished == null
                && closing == null
                && wish.active()
                && (wantsChunks || worker == null);
    }

    /** Whether no worker has its state where chunks are made. */
    boolean unserved() {
        return worker == null || suspended();
    }

    /** Alone on its worker until it has shown that it kills none. */
    boolean alone() {
        return deaths >= FleetLoop.DEATHS_UNTIL_ALONE;
    }

    void clearCommand() {
        verb = null;
        live = null;
        sent = false;
        requestId = null;
    }

    /**
     * It is nowhere now, and on its way nowhere: a move whose source died is a placement like any
     * other.
     */
    void leave(long now) {
        worker = null;
        moveTo = null;
        live = null;
        state = SessionState.SESSION_STATE_UNSPECIFIED;
        missingSince = 0;
        waitingSince = now;
        wantsChunks = true;
        idleSince = 0;
        toldVersion = 0;
    }
}
