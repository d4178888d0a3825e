//! Ground floor: the words that every other crate uses.
//!
//! Ids are newtypes, so that a log index is never added to a term; [`Time`] is a number that the driver
//! passes in, so that no core ever asks a clock; [`Rng`] is the one source of randomness, seeded by the
//! driver; [`codec`] is the byte encoding of everything that is logged or sent between nodes.
//!
//! **Invariant:** nothing in here knows a socket, a file, a thread or a clock.

#![forbid(unsafe_code)]

pub mod codec;
mod hash;
mod id;
pub mod mark;
pub mod mistake;
mod rng;
mod time;

pub use bytes::Bytes;
pub use hash::{RowHash, StateHash};
pub use id::{ClusterId, GroupId, LeaseId, LogIndex, NodeId, Revision, SessionId, Term};
pub use mark::Mark;
pub use mistake::Mistake;
pub use rng::Rng;
pub use time::Time;
