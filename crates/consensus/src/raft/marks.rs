//! The rare situations that a campaign of simulations must have met.
//!
//! Problem: what a test never met it has not tested. Idea: each such situation has a [`Mark`] here, reached where the core handles it.
//! **Invariant:** none stands on the way of every message, because reaching one costs a search in a map.

use quorate_types::Mark;

macro_rules! marks {
    ($($name:ident, $about:literal;)*) => {
        $(pub(super) const $name: Mark = Mark($about);)*

        /// Every mark of this core, for whoever asks which were reached.
        pub const ALL: &[Mark] = &[$($name,)*];
    };
}

marks! {
    // Elections.
    PRE_VOTE_REFUSED_FOR_LEADER, "raft: a pre-vote was refused because a leader is alive";
    PRE_VOTE_REFUSED_FOR_SHORTER_LOG, "raft: a pre-vote was refused for a shorter log";
    VOTE_IGNORED_FOR_LEADER, "raft: a vote was not answered because a leader is alive";
    VOTE_REFUSED_FOR_SHORTER_LOG, "raft: a vote was refused for a shorter log";
    VOTE_REFUSED_AS_GIVEN, "raft: a vote was refused because another candidate has it";
    ELECTION_TIMED_OUT, "raft: a candidate's election was split or timed out";
    ELECTED_BEFORE_OWN_VOTE, "raft: a candidate won before its own vote was on disk";
    HIGHER_TERM_SEEN_BY_LEADER, "raft: a leader saw a higher term";
    QUORUM_LOST, "raft: a leader stepped down because no quorum answered";
    // Disks.
    SLOW_DISK_HANDED_OVER, "raft: a leader handed over for its slow disk";
    SLOW_DISK_STEPPED_DOWN, "raft: a leader stepped down for its slow disk";
    SLOW_DISK_KEPT_FROM_ELECTION, "raft: a member did not stand for election for its slow or failed disk";
    FAILED_DISK_STEPPED_DOWN, "raft: a leader stepped down for its failed disk";
    LOG_RESET_AT_START, "raft: a log was reset at start because a snapshot is ahead of it";
    MACHINE_AHEAD_OF_LOG, "raft: a machine was ahead of its log after a crash";
    // The log.
    CONFLICTING_TAIL_CUT, "raft: a conflicting tail was cut off";
    APPEND_REJECTED, "raft: an append did not connect to the follower's log";
    APPEND_BEHIND_COMMIT, "raft: an append reached back behind the commit index";
    ACKNOWLEDGEMENT_OWED, "raft: an acknowledgement waited for an earlier write";
    HINT_SKIPPED_TERM, "raft: a follower's hint skipped a whole term";
    SILENT_FOLLOWER_ASKED, "raft: a silent follower was asked how far its log goes";
    OLD_TERM_HELD_BACK, "raft: a quorum held an earlier term's entry, which was not yet committed";
    OLD_TERM_COMMITTED, "raft: an earlier term's entry was committed by way of an entry of this term";
    INFLIGHT_WINDOW_FULL, "raft: a follower's window of unanswered appends was full";
    UNAPPLIED_WINDOW_FULL, "raft: committed entries waited for a slow machine";
    APPLY_BOUND_MET, "raft: committed entries were handed out in pieces";
    COMPACTION_KEPT_TAIL, "raft: compaction kept a tail for followers that are behind";
    COMPACTION_WAITED, "raft: compaction waited for what is committed or durable here";
    // Proposals.
    PROPOSALS_OVERLOADED, "raft: proposals were refused as overloaded";
    PROPOSALS_DURING_TRANSFER, "raft: proposals were refused during a transfer";
    FORWARD_REJECTED, "raft: a forwarded proposal was rejected";
    FORWARD_REPEATED, "raft: a forwarded proposal that came twice was taken once";
    FORWARD_UNKNOWN, "raft: a member that may have led in this term said nothing about a forwarded proposal";
    // Reads.
    READ_BEFORE_FIRST_COMMIT, "raft: a read waited for its leader's first commit";
    READ_CONFIRMED_LATER, "raft: a read was confirmed by a later round than its own";
    READ_ASKED_AGAIN, "raft: a follower asked again for a read index";
    READ_ASKED_OF_NEXT_LEADER, "raft: a read that a leader left unanswered was asked of the next";
    READ_TAKEN_BACK, "raft: a leader that stepped down had reads under way";
    READ_REJECTED_WITHOUT_LEADER, "raft: reads were rejected because nobody leads";
    READ_OVERLOADED, "raft: a read was refused as overloaded";
    LEASE_SERVED, "raft: a leadership served its first read by its lease";
    LEASE_ENDED, "raft: a lease had ended when a read came";
    LEASE_VOID, "raft: a lease was not trusted because of a transfer";
    // Snapshots.
    SNAPSHOT_STARTED, "raft: a follower needed a snapshot";
    SNAPSHOT_PIECE_REPEATED, "raft: a snapshot's piece was sent again";
    SNAPSHOT_PIECE_MISSED, "raft: a snapshot's piece came out of order";
    SNAPSHOT_OUTRUN, "raft: a snapshot was begun anew because compaction outran it";
    SNAPSHOT_LOST, "raft: a snapshot was begun anew because the machine lost it";
    SNAPSHOT_INSTALLED, "raft: a snapshot was installed";
    SNAPSHOT_REFUSED, "raft: a snapshot was refused because the log is ahead";
    SNAPSHOT_KEPT_LOG, "raft: a snapshot was installed and the log after it was kept";
    SNAPSHOT_FOR_LOG_ONLY, "raft: a snapshot mended the log of a machine that was ahead";
    // Transfers.
    TRANSFER_FINISHED, "raft: a transfer ended in another's election";
    TRANSFER_GIVEN_UP, "raft: a transfer was given up";
}
