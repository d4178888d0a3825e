//! The consistency models, and which implies which.
//!
//! **Idea.** One lattice for both families. A history that holds at a level holds at every level below it, and one that violates a
//! level violates every level above it, so a few decisions answer for many levels.
//!
//! **Operations on objects**, for any sequential specification. Linearizable: Herlihy & Wing 1990. Sequential: Lamport 1979. Causal
//! memory, causal convergence and (weak) causal consistency: Bouajjani, Enea, Guerraoui & Hamza, POPL 2017 (CM, CCv, CC).
//! PRAM: Lipton & Sandberg 1988. The four session guarantees: Terry et al. 1994, with one view per session: session `s` has
//! an order of all writes, and each of its operations sees some of them.
//!
//! **Transactions.** Read committed, read atomic and (transactional) causal consistency: Biswas & Enea, OOPSLA 2019. Snapshot isolation
//! and serializability: Adya 1999, in the existential form: some version order makes it so. `strong session` adds the order
//! within sessions, `strong` and `strict` the order of real time.

use std::fmt;
use std::str::FromStr;

/// A consistency model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Level {
    /// One order that respects real time.
    Linearizable,
    /// One order that respects each session's order.
    Sequential,
    /// Each session has one order of what it knows, causes before effects.
    CausalMemory,
    /// All share one order of conflicting operations, causes before effects.
    CausalConvergence,
    /// Each operation is explained by its causes in some order.
    Causal,
    /// Each session sees every other's writes in the order of their making.
    Pram,
    /// A session sees its own writes.
    ReadYourWrites,
    /// A session never sees less than before.
    MonotonicReads,
    /// A session's writes are seen in their order.
    MonotonicWrites,
    /// A write is seen after those that its session had read before it.
    WritesFollowReads,
    /// Serial order, in real time.
    StrictSerializable,
    /// Serial order that respects sessions.
    StrongSessionSerializable,
    /// Serial order.
    Serializable,
    /// Snapshots, in real time.
    StrongSnapshotIsolation,
    /// Snapshots that respect sessions.
    StrongSessionSnapshotIsolation,
    /// Each transaction reads a snapshot, and of two that wrote the same key one saw the other.
    SnapshotIsolation,
    /// Transactions see their causes whole.
    TransactionalCausal,
    /// No transaction is seen in part.
    ReadAtomic,
    /// Nothing uncommitted or intermediate is read, and later reads of a transaction see no less.
    ReadCommitted,
    /// The invariant of a workload that is no consistency model, such as the bank's total.
    Invariant,
}

use Level::{
    Causal, CausalConvergence, CausalMemory, Invariant, Linearizable, MonotonicReads, MonotonicWrites, Pram,
    ReadAtomic, ReadCommitted, ReadYourWrites, Sequential, Serializable, SnapshotIsolation,
    StrictSerializable, StrongSessionSerializable, StrongSessionSnapshotIsolation, StrongSnapshotIsolation,
    TransactionalCausal, WritesFollowReads,
};

/// The levels of operations on objects, strongest first.
pub const OBJECT_LEVELS: [Level; 10] = [
    Linearizable,
    Sequential,
    CausalMemory,
    CausalConvergence,
    Causal,
    Pram,
    ReadYourWrites,
    MonotonicReads,
    MonotonicWrites,
    WritesFollowReads,
];

/// The levels of transactions, strongest first.
pub const TXN_LEVELS: [Level; 9] = [
    StrictSerializable,
    StrongSessionSerializable,
    Serializable,
    StrongSnapshotIsolation,
    StrongSessionSnapshotIsolation,
    SnapshotIsolation,
    TransactionalCausal,
    ReadAtomic,
    ReadCommitted,
];

impl Level {
    /// The levels that it implies directly.
    pub fn implies(self) -> &'static [Level] {
        match self {
            Linearizable => &[Sequential],
            Sequential => &[CausalMemory, CausalConvergence],
            CausalMemory => &[Causal, Pram, WritesFollowReads],
            CausalConvergence => {
                &[Causal, ReadYourWrites, MonotonicReads, MonotonicWrites, WritesFollowReads]
            }
            Pram => &[ReadYourWrites, MonotonicReads, MonotonicWrites],
            StrictSerializable => &[StrongSessionSerializable, StrongSnapshotIsolation],
            StrongSessionSerializable => &[Serializable, StrongSessionSnapshotIsolation],
            Serializable => &[SnapshotIsolation],
            StrongSnapshotIsolation => &[StrongSessionSnapshotIsolation],
            StrongSessionSnapshotIsolation => &[SnapshotIsolation, TransactionalCausal],
            SnapshotIsolation | TransactionalCausal => &[ReadAtomic],
            ReadAtomic => &[ReadCommitted],
            Causal | ReadYourWrites | MonotonicReads | MonotonicWrites | WritesFollowReads
            | ReadCommitted | Invariant => &[],
        }
    }

    /// Whether it is `weaker` itself or implies it, directly or not.
    pub fn is_at_least(self, weaker: Level) -> bool {
        self == weaker || self.implies().iter().any(|next| next.is_at_least(weaker))
    }

    /// Whether it speaks of the order of operations of different sessions in real time.
    pub fn needs_real_time(self) -> bool {
        matches!(self, Linearizable | StrictSerializable | StrongSnapshotIsolation)
    }

    /// As people write it, and the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Linearizable => "linearizable",
            Sequential => "sequential",
            CausalMemory => "causal-memory",
            CausalConvergence => "causal-convergence",
            Causal => "causal",
            Pram => "pram",
            ReadYourWrites => "read-your-writes",
            MonotonicReads => "monotonic-reads",
            MonotonicWrites => "monotonic-writes",
            WritesFollowReads => "writes-follow-reads",
            StrictSerializable => "strict-serializable",
            StrongSessionSerializable => "strong-session-serializable",
            Serializable => "serializable",
            StrongSnapshotIsolation => "strong-snapshot-isolation",
            StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            SnapshotIsolation => "snapshot-isolation",
            TransactionalCausal => "transactional-causal",
            ReadAtomic => "read-atomic",
            ReadCommitted => "read-committed",
            Invariant => "invariant",
        }
    }

    fn all() -> impl Iterator<Item = Level> {
        OBJECT_LEVELS.into_iter().chain(TXN_LEVELS).chain([Invariant])
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no level.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no level is called {given:?}; the levels are {}", names())]
pub struct NoSuchLevel {
    /// The word.
    pub given: String,
}

fn names() -> String {
    Level::all().map(Level::name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Level {
    type Err = NoSuchLevel;

    fn from_str(given: &str) -> Result<Self, NoSuchLevel> {
        let level = Level::all().find(|level| level.name() == given);
        level.ok_or_else(|| NoSuchLevel { given: given.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, OBJECT_LEVELS, TXN_LEVELS};

    #[test]
    fn each_name_is_read_back() {
        for level in Level::all() {
            assert_eq!(level.name().parse(), Ok(level));
        }
        assert!("linear".parse::<Level>().is_err());
    }

    #[test]
    fn implication_goes_from_strong_to_weak() {
        for levels in [&OBJECT_LEVELS[..], &TXN_LEVELS] {
            for (at, level) in levels.iter().enumerate() {
                assert!(levels[0].is_at_least(*level), "{level}");
                assert!(levels[..at].iter().all(|stronger| !level.is_at_least(*stronger)), "{level}");
            }
        }
    }
}
