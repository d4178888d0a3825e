//! One whole node, sans-io: what production and the simulator both run.
//!
//! **Problem:** a node is many parts that must agree on one order of things, while disks, sockets and clocks do as they please.
//! **Idea:** two state machines without any input or output of their own. [`Node`] replicates: it holds the Raft groups and the requests
//! that wait for them. [`Machine`] executes: it owns one group's key-value store and its watchers. A driver carries effects
//! out and brings completions back; the two sides talk only through it, so that neither waits for the other.
//! **Invariant:** whatever order or delay the driver chooses between effects, nothing acknowledged is lost and no read is stale.

#![forbid(unsafe_code)]

mod auto_compaction;
mod checkpoint;
pub mod declaration;
pub mod envelope;
mod failure;
mod group;
mod input;
mod machine;
mod marks;
mod node;
mod peer;
mod pending;
pub mod plan;
#[cfg(test)]
#[cfg(feature = "mistakes")]
mod planted;
mod reads;
mod restore;
mod snapshot;
mod upkeep;

pub use auto_compaction::AutoCompaction;
pub use checkpoint::CHECKPOINT_INTERVAL;
pub use failure::MachineFailure;
pub use group::{Group, GroupStatus};
pub use input::{Effect, Input, ReadRequest, RequestFailure, SnapshotPiece, WriteRequest};
pub use machine::{Answer, Machine, MachineEffect, MachineInput};
pub use marks::MARKS;
pub use node::Node;
pub use peer::{Lane, PeerMessage};
pub use restore::{RecoveredLog, TablesBehindLog, restore};
pub use snapshot::SnapshotReader;
pub use upkeep::UpkeepOptions;
