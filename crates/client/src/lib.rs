//! A client of any etcd v3 endpoint: Quorate's, or etcd's own.
//!
//! **Problem.** A call to a cluster can fail in three ways that a program must treat differently: nothing happened,
//! the cluster refused, or nobody knows. Most clients fold them into one error, and retry writes that had happened.
//! **Idea.** Every call ends in one [`Error`] kind that says which of the three it was. Calls that only read move on
//! to the next endpoint by themselves until their deadline; a write is sent again only when it certainly never left
//! this process. **Invariant.** No write is ever sent twice by this crate. **Source.** etcd's client design notes;
//! gRPC's transparent-retry rule ("the request never left the client").
//!
//! ```no_run
//! # async fn example() -> Result<(), quorate_client::Error> {
//! use quorate_client::{Client, Compare, Config, Op, Txn};
//!
//! let client = Client::connect(Config::new(["127.0.0.1:2379"]))?;
//! client.put("greeting", "hello").await?;
//! let found = client.get("greeting").await?.expect("just written");
//! let swap = Txn::new()
//!     .when(Compare::mod_revision("greeting").eq(found.mod_revision))
//!     .then(Op::put("greeting", "hello again"));
//! assert!(client.txn(swap).await?.succeeded);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod bench;
mod call;
mod client;
mod config;
mod dial;
mod error;
mod keys;
mod lease;
mod once;
mod snapshot;
mod txn;
mod watch;

pub use client::Client;
pub use config::{Config, Routing, User};
pub use error::Error;
pub use keys::Keys;
pub use lease::KeepAlive;
pub use quorate_proto::{etcdserverpb as pb, mvccpb};
pub use quorate_tls::{Identity, TlsError, TlsOptions};
pub use snapshot::SnapshotStream;
pub use txn::{Compare, Op, Subject, Txn};
pub use watch::{Update, WatchOptions, Watcher};
