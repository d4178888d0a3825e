//! Ids, indexes and versions, each a type of its own.

use std::fmt;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty), $fmt:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $fmt, self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(", $fmt, ")"), self.0)
            }
        }
    };
}

newtype!(
    /// One member of the cluster. Never 0 and never used again for another member; 0 stands for "none" on the wire.
    NodeId(u64), "{:x}"
);
newtype!(
    /// One cluster, drawn when it is made. A node refuses peers and data directories of another.
    ClusterId(u64), "{:x}"
);
newtype!(
    /// One Raft group: a replicated log and the state machine that it feeds.
    GroupId(u32), "{}"
);
newtype!(
    /// Raft's term: a logical clock of leaderships. 0 is before any election.
    Term(u64), "{}"
);
newtype!(
    /// A position in one group's log. The first entry has index 1; 0 is the empty log.
    LogIndex(u64), "{}"
);
newtype!(
    /// A version of one keyspace's whole store. An empty store is at 1; each changing transaction adds 1.
    Revision(i64), "{}"
);
newtype!(
    /// A lease's id; any non-zero number, chosen by the client or by the server.
    LeaseId(i64), "{:016x}"
);

newtype!(
    /// A client's session: the log position of the entry that opened it.
    SessionId(u64), "{:x}"
);

impl LogIndex {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        LogIndex(self.0 + 1)
    }
    /// The position before this one; the empty log's is its own.
    #[must_use]
    pub fn previous(self) -> Self {
        LogIndex(self.0.saturating_sub(1))
    }
}

impl Term {
    /// The next term.
    #[must_use]
    pub fn next(self) -> Self {
        Term(self.0 + 1)
    }
}

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Revision(self.0 + 1)
    }
}
