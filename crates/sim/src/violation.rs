//! What can be found broken.

use quorate_types::Time;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which promise.
    pub invariant: Invariant,
    /// What was seen, in words, with the positions, terms, keys and values that matter.
    pub words: String,
    /// When it was noticed, in true time.
    pub at: Time,
}

/// The promises. A scenario that shrinks must go on to break the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// At most one leader in a term (Raft §5.2).
    ElectionSafety,
    /// Logs that agree on an entry's index and term agree on all before it (Raft §5.3).
    LogMatching,
    /// A leader's log holds every committed entry (Raft §5.4).
    LeaderCompleteness,
    /// What is applied anywhere at an index is applied everywhere at that index (Raft §5.4.3).
    StateMachineSafety,
    /// All replicas have the same state after the same entry.
    ReplicaEquality,
    /// What a node said to have on its disk is there after a restart.
    DiskDurability,
    /// What a node promises to others, a vote or to have entries, is on its disk first (Raft figure 2).
    SyncBeforeSend,
    /// What a client was told to be done stays done.
    Durability,
    /// A request is done at most once, and not at all if its client was told so.
    ExactlyOnce,
    /// An answer names the entry, revision and outcome that the request had.
    TrueAnswers,
    /// A linearizable read misses nothing that was known before it was asked.
    FreshReads,
    /// A lease lives at least as long as it was granted for after its last renewal, and ends some time after.
    Leases,
    /// A watcher gets every change of its range once and in order, or is told from where on it cannot.
    Watches,
    /// The history that clients saw satisfies what is declared.
    History,
    /// Every request ends by its deadline, and a healed cluster serves.
    Liveness,
    /// A core's own assertion.
    Assertion,
    /// A node refused to start although nothing of its disk was harmed.
    Restart,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Invariant; 17] = [
        Invariant::ElectionSafety,
        Invariant::LogMatching,
        Invariant::LeaderCompleteness,
        Invariant::StateMachineSafety,
        Invariant::ReplicaEquality,
        Invariant::DiskDurability,
        Invariant::SyncBeforeSend,
        Invariant::Durability,
        Invariant::ExactlyOnce,
        Invariant::TrueAnswers,
        Invariant::FreshReads,
        Invariant::Leases,
        Invariant::Watches,
        Invariant::History,
        Invariant::Liveness,
        Invariant::Assertion,
        Invariant::Restart,
    ];

    /// The promise in one sentence.
    #[must_use]
    pub fn promise(self) -> &'static str {
        match self {
            Invariant::ElectionSafety => "a term has at most one leader",
            Invariant::LogMatching => "two logs with the same entry at one position are the same before it",
            Invariant::LeaderCompleteness => "a leader's log holds every committed entry",
            Invariant::StateMachineSafety => "all nodes apply the same entry at the same position",
            Invariant::ReplicaEquality => "all replicas have the same state after the same entry",
            Invariant::DiskDurability => "what a node has synced is there after a restart",
            Invariant::SyncBeforeSend => "what a node promises to others is on its disk first",
            Invariant::Durability => "what a client was told to be done stays done",
            Invariant::ExactlyOnce => {
                "a request is done at most once, and not at all if its client was told so"
            }
            Invariant::TrueAnswers => "an answer tells what happened",
            Invariant::FreshReads => "a linearizable read misses nothing that was known when it was asked",
            Invariant::Leases => "a lease lives its time, and then ends",
            Invariant::Watches => "a watcher gets every change once and in order",
            Invariant::History => "what all clients saw together satisfies the declared consistency",
            Invariant::Liveness => "requests end by their deadline, and a healed cluster serves",
            Invariant::Assertion => "no assertion of a core fails",
            Invariant::Restart => "a node whose disk is whole starts again",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken at {}: {}. {}", self.at, self.invariant.promise(), self.words)
    }
}
