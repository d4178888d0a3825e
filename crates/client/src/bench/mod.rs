//! A load generator for any etcd v3 endpoint: ours, or etcd's own.
//!
//! **Problem.** Generator and servers share a machine when two stores are compared, so every microsecond that the
//! generator burns is taken from what it measures. **Idea.** Speak gRPC straight on HTTP/2, without a client stack:
//! one thread, one connection task per connection, and a fixed number of calls kept in flight on each (a closed
//! loop). Latency counts from before a request is encoded until its status has arrived. **Invariant.** Each finished
//! call is counted once, as a success with its latency or as an error with its kind; those that begin before the
//! warm-up ends are not counted.
//!
//! A closed loop slows down with its server, so it hides waiting that an open system would see: compare latencies at
//! equal concurrency only.

mod fanout;
mod lane;
mod load;
mod process;
mod renew;
mod report;
mod request;
mod run;
mod tally;
mod target;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use quorate_tls::TlsOptions;

pub use report::{Latency, Report, ServerUse};

/// What the calls are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Writes.
    Put,
    /// Linearizable reads of one key.
    Get,
    /// Reads of one key from the asked member alone.
    GetSerializable,
    /// Transactions of one comparison and one write.
    Txn,
    /// Writes, and linearizable reads instead in so many of a hundred calls.
    Mixed {
        /// 0 to 100.
        read_percent: u8,
    },
    /// Writes that many watchers see; the latency is that from sending the write until a watcher has the event.
    Watch {
        /// All of them watch all keys; they are spread over the connections, one stream on each.
        watchers: usize,
        /// How often to write; `None`: as often as the calls in flight allow.
        puts_per_second: Option<u32>,
    },
    /// Lease renewals, one lease and one stream for each call in flight.
    Lease,
}

/// Which key a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// 0, 1, 2, … over all connections, beginning again after the last key.
    Sequential,
    /// Any key, equally likely.
    Uniform,
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After this long, and a warm-up before that.
    After {
        /// Not counted.
        warmup: Duration,
        /// Counted.
        measured: Duration,
    },
    /// After so many calls, all of them counted.
    Count(u64),
}

/// Everything that decides a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port`, `http://host:port` or `https://host:port` each; connections are spread over them, and move on when one fails.
    pub endpoints: Vec<String>,
    /// What the calls are.
    pub workload: Workload,
    /// How many connections; at least 1.
    pub connections: usize,
    /// How many calls are kept in flight on each; at least 1.
    pub in_flight: usize,
    /// The size of written values.
    pub value_bytes: usize,
    /// How many keys there are; at least 1.
    pub keys: u64,
    /// Which of them a call is about.
    pub distribution: Distribution,
    /// What keys begin with.
    pub prefix: String,
    /// Write every key once before a workload that reads.
    pub preload: bool,
    /// When to stop.
    pub stop: Stop,
    /// When to give up on a call.
    pub timeout: Duration,
    /// Generator threads; more than one only if the generator is the bottleneck.
    pub threads: usize,
    /// How to connect by TLS. With it, endpoints without a scheme are `https://` ones.
    pub tls: Option<TlsOptions>,
    /// The keyspace; `None` is the default one.
    pub keyspace: Option<String>,
    /// Local server processes, whose CPU time and memory to report.
    pub server_pids: Vec<u32>,
    /// Decides values and random keys.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            endpoints: vec!["127.0.0.1:2379".to_owned()],
            workload: Workload::Put,
            connections: 16,
            in_flight: 16,
            value_bytes: 256,
            keys: 10_000,
            distribution: Distribution::Sequential,
            prefix: "bench/".to_owned(),
            preload: true,
            stop: Stop::After { warmup: Duration::from_secs(1), measured: Duration::from_secs(10) },
            timeout: Duration::from_secs(10),
            threads: 1,
            tls: None,
            keyspace: None,
            server_pids: Vec::new(),
            seed: 1,
        }
    }
}

/// Why a run could not be made. What goes wrong later is counted in the report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An endpoint is no address, or its name is not known.
    #[error("'{endpoint}' is not an endpoint; write host:port, http://host:port or https://host:port")]
    BadEndpoint {
        /// As given.
        endpoint: String,
    },
    /// The files or options for TLS cannot be used.
    #[error("no TLS")]
    Tls(#[from] quorate_tls::TlsError),
    /// No connection could be made.
    #[error("no connection to {address}")]
    Unreachable {
        /// The server's address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Watchers or leases could not be set up.
    #[error("the server refused to set up the workload ({reason})")]
    SetUp {
        /// The kind of failure.
        reason: String,
    },
    /// The machine gave no thread, or no news of a process.
    #[error("the machine did not give what the run needs")]
    System(#[from] io::Error),
}

/// Runs a load and says how it went. Blocks; call it from a thread of its own.
///
/// # Errors
/// If the run could not be set up; then the store may hold some of the preloaded keys.
pub fn run(options: &Options) -> Result<Report, BenchError> {
    assert!(options.connections > 0 && options.in_flight > 0 && options.keys > 0, "a load of nothing");
    let targets = target::resolve(options)?;
    let reads =
        matches!(options.workload, Workload::Get | Workload::GetSerializable | Workload::Mixed { .. });
    if reads && options.preload {
        let fill = Options {
            workload: Workload::Put,
            distribution: Distribution::Sequential,
            stop: Stop::Count(options.keys),
            connections: PRELOAD_CONNECTIONS,
            in_flight: PRELOAD_IN_FLIGHT,
            ..options.clone()
        };
        load::run(&fill, &targets)?;
    }
    load::run(options, &targets)
}

const PRELOAD_CONNECTIONS: usize = 4;
const PRELOAD_IN_FLIGHT: usize = 64;
