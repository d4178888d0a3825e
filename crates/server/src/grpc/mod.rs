//! gRPC over HTTP/2, as much of it as a server needs.
//!
//! **Problem.** A small request's cost is mostly that of the layers around it. **Idea.** Read the body's frames and the length
//! prefixes ourselves: a request that came in one frame is decoded from that frame's memory, an answer is encoded once
//! into the buffer that is sent, and a call costs one boxed future. A stream's answers come from a task through a small bounded
//! channel. **Invariant.** Every call ends with exactly one status, which is counted.
//! **Source.** The gRPC protocol over HTTP/2. Compressed messages are refused with `Unimplemented`, as a server without a
//! decompressor must; none is announced.

mod body;
mod frame;
mod message;
mod reply;
mod timeout;

pub(crate) use body::{Body, Handled, ok_trailers, write_status};
pub(crate) use frame::{decode, encode, encode_into};
pub(crate) use message::Messages;
pub(crate) use reply::{Reply, Responses, Streamed};
pub(crate) use timeout::timeout;

/// What a call can end with: a code and a text.
pub(crate) use tonic::{Code, Status};
