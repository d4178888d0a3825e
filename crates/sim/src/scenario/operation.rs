//! What clients ask.

use serde::{Deserialize, Serialize};

/// One call of one client. A client does one thing at a time: it begins at `at_us`, or when its earlier call has ended if that is
/// later.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// When.
    pub at_us: u64,
    /// Who: 1, 2, 3, …
    pub client: u64,
    /// The node that it asks.
    pub node: u64,
    /// What.
    #[serde(flatten)]
    pub call: Call,
}

/// What is asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// A linearizable read of a register.
    Get {
        /// Which.
        key: u64,
    },
    /// A read of a register from whatever the node has applied.
    GetLocal {
        /// Which.
        key: u64,
    },
    /// Write a register. Values are unique in a scenario.
    Put {
        /// Which.
        key: u64,
        /// What.
        value: u64,
    },
    /// Write a register if it holds `from` (0: nothing).
    CompareAndSet {
        /// Which.
        key: u64,
        /// If it holds this.
        from: u64,
        /// What.
        to: u64,
    },
    /// A transaction over several lists: reads some, appends to some, at one moment. Done by reading, then a conditional write of all
    /// that was read.
    Transact {
        /// Lists to read.
        reads: Vec<u64>,
        /// (list, element); elements are unique in a scenario.
        appends: Vec<(u64, u64)>,
    },
    /// Read a counter, then add one to it on condition that it has not changed.
    Increment {
        /// Which.
        counter: u64,
    },
    /// Delete registers in a range.
    Delete {
        /// The first.
        key: u64,
        /// Before this one.
        end: u64,
    },
    /// Make a lease with a key on it.
    Grant {
        /// The lease's number, unique in a scenario.
        lease: u64,
        /// How long it lives.
        ttl_s: u64,
    },
    /// Renew a lease.
    Renew {
        /// Which.
        lease: u64,
    },
    /// End a lease.
    Revoke {
        /// Which.
        lease: u64,
    },
    /// Take a lock, under a lease of its own: answers with a fencing token, or that somebody has it.
    Lock {
        /// Which lock.
        lock: u64,
        /// The lease's number, unique in a scenario.
        lease: u64,
        /// How long it lives.
        ttl_s: u64,
    },
    /// Give a lock back, if this client's last lock of it still stands.
    Unlock {
        /// Which lock.
        lock: u64,
    },
    /// Watch all registers, from so many revisions ago (0: from now). A client has one watch; a second call ends the first.
    Watch {
        /// See above.
        back: u64,
    },
    /// Ask how far the client's watch is.
    WatchProgress,
    /// Give up history but the newest so many revisions.
    Compact {
        /// See above.
        keep: u64,
    },
}
