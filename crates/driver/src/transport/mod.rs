//! Messages between nodes over TCP.
//!
//! Each node dials every other one twice, one connection a [`Lane`](quorate_node::Lane), and only sends on connections that it dialled; so
//! a heartbeat never stands in a queue behind a megabyte of log. A connection starts with a handshake that names protocol
//! version, cluster, sender and receiver, so that nodes of different clusters or versions never exchange a single message.
//! After it come frames:
//!
//! ```text
//! ┌────────────────────┬───────────────────────┬─────────────────────┐
//! │ 4 B LE: len, bytes │ 4 B LE: crc32c of the │ len bytes: one      │
//! │ of the message     │ message               │ PeerMessage         │
//! └────────────────────┴───────────────────────┴─────────────────────┘
//! ```
//!
//! All of it may happen inside TLS, where certificates tell who may speak at all; the handshake still tells who is who.
//!
//! Delivery is not promised: a full queue or a broken connection drops messages, and the protocols above expect that.

mod frame;
mod handshake;
mod incoming;
mod link;
mod outgoing;

pub use handshake::{Hello, PROTOCOL_VERSION};
pub use incoming::{Accepted, accept_peers};
pub use outgoing::Outgoing;
