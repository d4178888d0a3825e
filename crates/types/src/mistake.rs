//! Mistakes that can be planted, to prove that the simulator would find them.
//!
//! A harness that finds nothing may be blind. So the known mistakes of the field stand beside the right code, each behind
//! [`Mistake::is_planted`]. Without the feature `mistakes`, which only tests and the demonstration turn on, that is a constant `false`, and
//! the compiler removes them: what serves production does not hold them. With it, one at a time is planted for a thread by [`plant`].

#[cfg(feature = "mistakes")]
use std::cell::Cell;

macro_rules! mistakes {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// One known mistake.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mistake {
            $(#[doc = $about] $variant,)*
        }

        impl Mistake {
            /// All of them.
            pub const ALL: &'static [Mistake] = &[$(Mistake::$variant,)*];

            /// Its name on the command line and in scenario files.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Mistake::$variant => $name,)* }
            }

            /// What the code does wrong.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Mistake::$variant => $about,)* }
            }
        }
    };
}

mistakes! {
    // Raft: elections.
    VoteWithoutPersisting, "vote-without-persisting", "A vote leaves before it is on disk.";
    VoteTwice, "vote-twice", "A second candidate of the same term gets a vote too.";
    VoteForShorterLog, "vote-for-shorter-log", "A vote is given without comparing logs.";
    QuorumOfHalf, "quorum-of-half", "Half of the voters count as a quorum.";
    // Raft: replication.
    CommitOldTermByCounting, "commit-old-term-by-counting", "A leader commits an entry of an earlier term as soon as a quorum has it.";
    AcknowledgeBeforeSync, "acknowledge-before-sync", "A follower acknowledges entries before they are on disk.";
    AcknowledgeAfterFailure, "acknowledge-after-failure", "A follower whose disk failed acknowledges what it has in memory, once a snapshot that was under way is installed.";
    TruncateWithoutConflict, "truncate-without-conflict", "An old append cuts off newer entries that do not conflict.";
    KeepConflictingTail, "keep-conflicting-tail", "Entries that conflict with the leader's are kept.";
    SkipPreviousTermCheck, "skip-previous-term-check", "An append is taken without comparing the term of the entry before it.";
    CommitBeyondMatched, "commit-beyond-matched", "A follower takes the leader's commit index for its own whole log.";
    AcceptStaleTerm, "accept-stale-term", "Messages of an earlier term are taken as if they were of this one.";
    IgnoreRejectionHint, "ignore-rejection-hint", "A leader goes on sending from where the follower cannot connect.";
    TakeForwardTwice, "take-forward-twice", "A forwarded proposal that arrives twice is taken twice.";
    // Raft: reads and snapshots.
    ReadWithoutTermCheck, "read-without-term-check", "A new leader answers reads before it has committed an entry of its own term.";
    ReadWithoutRound, "read-without-round", "A leader answers reads without asking a quorum whether it still leads.";
    LeaseTooLong, "lease-too-long", "A read lease lasts longer than followers wait, and ignores the drift of clocks.";
    ReadBeforeApplied, "read-before-applied", "A read is served before its index is applied.";
    SnapshotOverNewer, "snapshot-over-newer", "A snapshot is installed over a log that is ahead of it.";
    // Node.
    RetryUnproved, "retry-unproved", "A request is proposed again although it may be in a log already.";
    SnapshotProvesLoss, "snapshot-proves-loss", "After a snapshot, requests that were sent before it are proposed again.";
    ApplyTwiceAfterRestart, "apply-twice-after-restart", "After a restart entries are applied again that the tables hold already.";
    CompactBeforeDurable, "compact-before-durable", "The log is given up as far as it is applied, not as far as the tables are durable.";
    // Machine, leases and watches.
    SnapshotWithoutLeases, "snapshot-without-leases", "A snapshot leaves the leases out.";
    SnapshotWithoutSessions, "snapshot-without-sessions", "A snapshot leaves the clients' sessions out.";
    SessionForgotten, "session-forgotten", "A numbered write of a session is done again when it is asked for again.";
    CompactOneTooMany, "compact-one-too-many", "Compaction removes what the oldest readable revision still needs.";
    LeaseExpiryUnfenced, "lease-expiry-unfenced", "A lease expires although it was renewed after the expiry was proposed.";
    StaleTime, "stale-time", "A request that is proposed again keeps the time of the leader that proposed it first.";
    LeaseClockLocal, "lease-clock-local", "A new leader measures leases by its own clock since its start.";
    WatchProgressEarly, "watch-progress-early", "A watch stream is told that it is up to date before it is.";
    WatchSkipsAtCatchUp, "watch-skips-at-catch-up", "A watcher that catches up misses the first event after.";
    // Log.
    IgnoreFailedSync, "ignore-failed-sync", "A failed sync is taken for a done one.";
    TornBatchAccepted, "torn-batch-accepted", "Recovery accepts a batch without looking at its checksum.";
    RollWithoutDirectorySync, "roll-without-directory-sync", "A new segment's name is not made durable.";
    RollForgetsHardState, "roll-forgets-hard-state", "A new segment does not repeat terms and votes.";
}

impl Mistake {
    /// The mistake of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mistake> {
        Mistake::ALL.iter().copied().find(|mistake| mistake.name() == name)
    }

    /// Whether the code around the call is to make this mistake. Constant `false` without the feature `mistakes`.
    #[inline]
    #[must_use]
    pub fn is_planted(self) -> bool {
        #[cfg(feature = "mistakes")]
        return PLANTED.get() == Some(self);
        #[cfg(not(feature = "mistakes"))]
        return false;
    }
}

#[cfg(feature = "mistakes")]
thread_local! {
    static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// From now on this thread's cores make this mistake, or none. False, and nothing planted, in a build without mistakes.
#[must_use]
pub fn plant(mistake: Option<Mistake>) -> bool {
    #[cfg(feature = "mistakes")]
    PLANTED.set(mistake);
    mistake.is_none() || cfg!(feature = "mistakes")
}

#[cfg(test)]
mod tests {
    use super::{Mistake, plant};

    #[test]
    fn a_mistake_is_found_by_its_name() {
        for mistake in Mistake::ALL {
            assert_eq!(Mistake::named(mistake.name()), Some(*mistake));
        }
        assert_eq!(Mistake::named("none"), None);
    }

    #[test]
    fn only_a_build_with_mistakes_makes_any() {
        assert!(!Mistake::VoteTwice.is_planted());
        assert_eq!(plant(Some(Mistake::VoteTwice)), cfg!(feature = "mistakes"));
        assert_eq!(Mistake::VoteTwice.is_planted(), cfg!(feature = "mistakes"));
        assert!(!Mistake::QuorumOfHalf.is_planted());
        assert!(plant(None));
    }
}
