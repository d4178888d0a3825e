//! Runs a node on real threads, disks and sockets.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let store = quorate_driver::Quorate::open(dir.path())?;
//! store.put("greeting", "hello").await?;
//! let pair = store.get("greeting").await?.expect("just written");
//! assert_eq!(pair.value, "hello");
//! store.close().await;
//! # Ok(()) }
//! ```
//!
//! A node's decisions are all made in `quorate-node`; here they meet the machine that they run on. Each node has
//! - executors: one loop per core (at most one per keyspace) with the Raft groups that live there and the sockets to their peers;
//! - an apply thread per executor, with the groups' key-value machines;
//! - one log thread, which syncs the write-ahead log for all groups at once;
//! - one maintenance thread, for what may take long.
//!
//! They talk by messages only. No executor ever waits for a disk, so heartbeats leave in time whatever the disk does.
//!
//! Front ends and embedding programs use a [`Handle`], from any thread; a program that wants a store of its own and no port
//! opens [`Quorate`].

#![forbid(unsafe_code)]

mod apply_thread;
mod clock;
mod config;
mod embedded;
mod executor;
mod handle;
mod inbox;
mod log_thread;
mod maintenance;
mod meters;
mod open;
mod round_trips;
mod shared;
mod start;
mod transport;
mod waiters;

pub use config::{Member, NodeConfig, Timing, node_id};
pub use embedded::{Error, LeaseKeeper, Quorate, Watched, Watcher};
pub use handle::{
    Freshness, Handle, Keyspace, LogCounters, RequestError, RequestOptions, WatchSender, WatchStream,
};
pub use meters::{Counted, Histogram, Meters};
pub use open::restore;
pub use quorate_boot::{OpenError, RESTORED, RestoreError};
pub use quorate_kv::Quota;
pub use quorate_node::{AutoCompaction, UpkeepOptions};
pub use shared::NodeFailure;
pub use start::{Running, StartError, start};
