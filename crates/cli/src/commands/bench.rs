//! `quorate bench`.

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use quorate_client::bench::{self, Distribution, Options, Stop, Workload};

use crate::args::duration;
use crate::client_tls::ClientTlsArgs;
use crate::failure::Failure;

/// Load any etcd v3 server and measure throughput, latency and CPU time
///
/// Keeps a fixed number of calls in flight on each connection, for a time or for a number of calls. Reads are preceded
/// by writing every key once. A server under test gives its best figures when it does not share its CPU cores with
/// this program; compare only runs with equal settings on the same machine.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate bench put
  quorate bench get --connections 8 --in-flight 1 --duration 30s
  quorate bench mixed --read-percent 95 --keys 1000000 --distribution uniform
  quorate bench watch --watchers 1000 --rate 100
  quorate bench put --endpoints n1:2379,n2:2379,n3:2379 --count 1000000 --json
  quorate bench put --server-pids $(pgrep -d, etcd)")]
pub(crate) struct Args {
    /// What to do
    workload: Kind,
    /// The servers to spread the connections over
    #[arg(
        long,
        env = "QUORATE_ENDPOINTS",
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379"
    )]
    endpoints: Vec<String>,
    #[command(flatten)]
    tls: ClientTlsArgs,
    /// Connections
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_least_one())]
    connections: usize,
    /// Calls in flight on each connection
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_least_one())]
    in_flight: usize,
    /// The size of values, in bytes
    #[arg(long, value_name = "BYTES", default_value = "256")]
    value_size: usize,
    /// How many different keys
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Which key a call is about
    #[arg(long, value_name = "HOW", default_value = "sequential")]
    distribution: Choice,
    /// What the keys begin with
    #[arg(long, value_name = "TEXT", default_value = "bench/")]
    prefix: String,
    /// Do not write the keys before reading them
    #[arg(long)]
    no_preload: bool,
    /// How long to measure
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// How long to run before measuring
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    warmup: Duration,
    /// Stop after so many calls instead, and measure all of them
    #[arg(long, value_name = "N", conflicts_with_all = ["duration", "warmup"])]
    count: Option<u64>,
    /// When to give up on a call
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    timeout: Duration,
    /// Threads of this program; more only if one is kept busy
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one())]
    threads: usize,
    /// The keyspace to work in; without it, the default one
    #[arg(long, env = "QUORATE_KEYSPACE", value_name = "NAME")]
    keyspace: Option<String>,
    /// Local server processes whose CPU time and memory to report
    #[arg(long, value_name = "PID,...", value_delimiter = ',')]
    server_pids: Vec<u32>,
    /// With `mixed`: how many calls of a hundred read
    #[arg(long, value_name = "PERCENT", default_value = "90", value_parser = clap::value_parser!(u8).range(..=100))]
    read_percent: u8,
    /// With `watch`: how many watchers see every write
    #[arg(long, value_name = "N", default_value = "100")]
    watchers: usize,
    /// With `watch`: writes per second; without it, as many as the calls in flight allow
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Decides the values and the random keys
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Kind {
    /// Write keys
    Put,
    /// Read single keys, linearizably
    Get,
    /// Read single keys from the asked server alone
    GetSerializable,
    /// Compare and write
    Txn,
    /// Read and write
    Mixed,
    /// Write while many watch; measures the way from a write to its watchers
    Watch,
    /// Renew leases
    Lease,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Choice {
    /// One after the other
    Sequential,
    /// Any, equally likely
    Uniform,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = self.json;
        let report = bench::run(&self.options())?;
        if json {
            let value =
                serde_json::to_value(&report).expect("a report holds only numbers, strings and lists");
            crate::output::print_json(&value)?;
        } else {
            use std::io::Write;
            writeln!(std::io::stdout().lock(), "{report}")?;
        }
        Ok(())
    }

    fn options(self) -> Options {
        Options {
            workload: match self.workload {
                Kind::Put => Workload::Put,
                Kind::Get => Workload::Get,
                Kind::GetSerializable => Workload::GetSerializable,
                Kind::Txn => Workload::Txn,
                Kind::Mixed => Workload::Mixed { read_percent: self.read_percent },
                Kind::Watch => Workload::Watch { watchers: self.watchers, puts_per_second: self.rate },
                Kind::Lease => Workload::Lease,
            },
            distribution: match self.distribution {
                Choice::Sequential => Distribution::Sequential,
                Choice::Uniform => Distribution::Uniform,
            },
            stop: match self.count {
                Some(count) => Stop::Count(count),
                None => Stop::After { warmup: self.warmup, measured: self.duration },
            },
            endpoints: self.endpoints,
            connections: self.connections,
            in_flight: self.in_flight,
            value_bytes: self.value_size,
            keys: self.keys,
            prefix: self.prefix,
            preload: !self.no_preload,
            timeout: self.timeout,
            threads: self.threads,
            tls: self.tls.options(),
            keyspace: self.keyspace,
            server_pids: self.server_pids,
            seed: self.seed,
        }
    }
}
