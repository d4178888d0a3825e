//! What clients connect to: etcd's v3 API over gRPC, and HTTP for health, version and metrics, on one port.
//!
//! **Problem.** Clients in many languages exist and expect etcd's messages, error codes, texts and habits to the letter, and the
//! cost of a small request is mostly the cost of this crate. **Idea.** Each call is translated into one request of the node's
//! [`Handle`](quorate_driver::Handle) and its outcome back; between HTTP/2 and the handle stands nothing but a small gRPC layer
//! of our own (`grpc`), which hands the bytes of keys and values on without a copy.
//!
//! **Invariants.** Nothing is decided here that replicas must agree on. A write whose outcome is unknown is answered with
//! `Unavailable` or `DeadlineExceeded` and never with a code that means "not done". Whatever a client can make wait is bounded.
//!
//! **Source.** etcd's API reference and the behaviour of its 3.6 line; where we differ, the module says so.

#![forbid(unsafe_code)]

mod answer;
mod authority;
mod call;
mod counters;
mod error;
mod etcd;
mod flag;
mod grpc;
mod http_api;
mod leadership;
mod listener;
mod numbered;
mod options;
mod read_budget;
mod renewals;
mod secure;
mod server;
mod session;

pub use listener::{ServeError, serve};
pub use options::{COMPATIBILITY_VERSION, ServerOptions};
