//! From a data directory to cores and machines that go on where they were.
//!
//! **Problem:** most of what can be lost by a crash is lost when a node starts again: on a directory that is not its own, without its log,
//! on tables that are older than the log, or before something that it relies on is durable. Production and simulator must not
//! each have their own way of starting.
//! **Idea:** [`open`] takes a [`Disk`](quorate_storage::Disk), a way to open tables and a [`Plan`], refuses what cannot go on, and gives the
//! parts of a node, ready to be put on threads or into a simulated world.
//! **Invariant:** what is opened has all that this node ever promised, or [`OpenError`] says what is missing.
//! **Invariant:** each keyspace's declaration is recorded only after its log is durable, so a declared keyspace without a log is a loss.
//!
//! Nothing here reads a clock, draws a random number or starts a thread: time and seeds are asked of the caller.

#![forbid(unsafe_code)]

mod error;
mod log;
mod open;
mod restored;

pub use error::OpenError;
pub use log::{Log, commands_len_bytes};
pub use open::{Opened, OpenedGroup, Plan, open, open_ephemeral};
pub use restored::{RESTORED, RestoreError, restore};
