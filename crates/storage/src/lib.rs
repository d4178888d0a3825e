//! What a node keeps on disk.
//!
//! Three things lie in a data directory: the node's [identity](DataDir), so that a directory is never used by another
//! node; the [write-ahead log](Wal), shared by all Raft groups and the durability point of everything that is
//! acknowledged; and the state machines' [tables](FjallEngine), which lag the log and catch up from it.
//! `docs/data.md` draws the layouts.
//!
//! **Invariant:** what [`Wal::sync`] has returned for is found again by [`Wal::open`], whole and in order, or opening
//! fails and says why. Damage is never repaired silently.
//!
//! **Boundary:** the log and the identity reach the disk through [`Disk`] only, so that [`FaultyDisk`] can take the place of
//! the file system. The tables are the `fjall` crate's, which knows the file system itself.

#![forbid(unsafe_code)]

mod data_dir;
pub mod disk;
mod tables;
pub mod wal;

pub use data_dir::{DataDir, DataDirError, Identity};
pub use disk::{Disk, DiskError, DiskFile, FaultyDisk, RealDisk};
pub use tables::{FjallEngine, TableOptions};
pub use wal::{MARKS, Recovered, RecoveredGroup, Wal, WalError, WalOptions};
