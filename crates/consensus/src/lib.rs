//! Agreement protocols, each one sans-io state machine.
//!
//! **Invariant:** nothing in here knows a socket, a file, a thread, a clock or a random device.

#![forbid(unsafe_code)]

pub mod raft;
