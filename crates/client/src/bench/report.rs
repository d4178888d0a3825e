//! How a run went, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::tally::Tally;

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Half of the calls were at most this slow.
    pub p50_us: f64,
    /// 99 of 100 were.
    pub p99_us: f64,
    /// 999 of 1000 were.
    pub p999_us: f64,
    /// All were.
    pub max_us: f64,
}

/// What the servers used while the calls were counted.
#[derive(Clone, Debug, Serialize)]
pub struct ServerUse {
    /// CPU time of all of them, per successful call.
    pub cpu_us_per_op: f64,
    /// Resident memory of each at the end, in the order of the given pids.
    pub rss_bytes: Vec<u64>,
}

/// How a run went.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The workload's name.
    pub workload: String,
    /// Connections.
    pub connections: usize,
    /// Calls in flight on each.
    pub in_flight: usize,
    /// Size of written values.
    pub value_bytes: usize,
    /// Successful calls; with watchers, events delivered.
    pub operations: u64,
    /// The time in which they were counted.
    pub elapsed_s: f64,
    /// Their rate.
    pub per_second: f64,
    /// How long the successful ones took.
    pub latency: Latency,
    /// Failed calls by kind.
    pub errors: BTreeMap<String, u64>,
    /// The longest time in which nothing succeeded.
    pub longest_gap_ms: f64,
    /// The generator's own CPU time per successful call.
    pub client_cpu_us_per_op: f64,
    /// What the servers used, if their pids were given.
    pub server: Option<ServerUse>,
}

impl Latency {
    pub(super) fn of(tally: &Tally) -> Self {
        let us = |ns: u64| ns as f64 / 1000.0;
        let quantile = |q| us(tally.latency.value_at_quantile(q));
        if tally.latency.is_empty() {
            return Latency::default();
        }
        Latency {
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: us(tally.latency.max()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { workload, connections, in_flight, value_bytes, .. } = self;
        writeln!(
            f,
            "{workload}: {connections} connections x {in_flight} in flight, values of {value_bytes} bytes"
        )?;
        writeln!(f, "  operations   {} in {:.1} s", self.operations, self.elapsed_s)?;
        writeln!(f, "  throughput   {:.0} per second", self.per_second)?;
        let Latency { p50_us, p99_us, p999_us, max_us } = self.latency;
        let quantiles = [("p50", p50_us), ("p99", p99_us), ("p99.9", p999_us), ("max", max_us)];
        write!(f, "  latency     ")?;
        for (name, us) in quantiles {
            write!(f, " {name} {}", readable_us(us))?;
        }
        writeln!(f, "\n  longest gap  {:.1} ms without a success", self.longest_gap_ms)?;
        if let Some(server) = &self.server {
            let rss: Vec<_> = server.rss_bytes.iter().map(|bytes| format!("{} MiB", bytes >> 20)).collect();
            writeln!(
                f,
                "  servers      {:.1} us CPU per operation, RSS {}",
                server.cpu_us_per_op,
                rss.join(" + ")
            )?;
        }
        writeln!(f, "  generator    {:.1} us CPU per operation", self.client_cpu_us_per_op)?;
        if self.errors.is_empty() {
            return write!(f, "  errors       none");
        }
        let errors: Vec<_> = self.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        write!(f, "  errors       {}", errors.join(", "))
    }
}

fn readable_us(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} us") } else { format!("{:.2} ms", us / 1000.0) }
}
