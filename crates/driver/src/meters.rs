//! How long things take on this node, for operators.
//!
//! **Idea.** A histogram is a handful of counters, each for a range of durations twice as long as the one before. Noting a
//! duration is two relaxed additions on counters that one thread writes; reading takes no lock either, so it may miss what is being noted.

use quorate_types::NodeId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// More ranges than any histogram here has.
const RANGES_MAX: usize = 17;
/// An entry batch that takes longer to apply is slow, as etcd judges it.
pub const SLOW_APPLY: Duration = Duration::from_millis(100);
/// A linearizable read that is confirmed later is slow; etcd asks again by then.
pub const SLOW_READ: Duration = Duration::from_millis(500);

/// See the module.
pub struct Histogram {
    first_bound: Duration,
    /// Per range, the last one without an upper bound.
    counts: [AtomicU64; RANGES_MAX],
    ranges: usize,
    sum_ns: AtomicU64,
}

/// What a histogram has counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// Up to each bound, which belongs to its range, how many there were in this range and all below. Lowest first.
    pub upto: Vec<(Duration, u64)>,
    /// How many there were in all.
    pub count: u64,
    /// All durations together.
    pub sum: Duration,
}

impl Histogram {
    /// An empty one with so many bounds, each twice the one before.
    ///
    /// # Panics
    /// If there are more than 16.
    #[must_use]
    pub fn new(first_bound: Duration, bounds: usize) -> Self {
        assert!(bounds < RANGES_MAX, "a histogram has few ranges");
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Histogram { first_bound, counts, ranges: bounds + 1, sum_ns: AtomicU64::new(0) }
    }

    /// Notes a duration.
    pub fn note(&self, duration: Duration) {
        let within = |range: &usize| duration <= self.bound(*range);
        let range = (0..self.ranges - 1).find(within).unwrap_or(self.ranges - 1);
        self.counts[range].fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What was noted so far.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let mut count = 0;
        let mut upto = Vec::with_capacity(self.ranges);
        for (range, of_range) in self.counts[..self.ranges].iter().enumerate() {
            count += of_range.load(Ordering::Relaxed);
            upto.push((self.bound(range), count));
        }
        upto.pop();
        Counted { upto, count, sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)) }
    }

    fn bound(&self, range: usize) -> Duration {
        self.first_bound * (1 << range)
    }
}

/// Everything that is measured on one node.
pub struct Meters {
    /// Writing a batch to the log and syncing it.
    pub log_sync: Histogram,
    /// Applying a batch of entries and committing it to the tables.
    pub commit: Histogram,
    /// Batches that took longer than 100 ms to apply.
    pub slow_applies: AtomicU64,
    /// Linearizable reads that took longer than 500 ms to be confirmed, or were not.
    pub slow_reads: AtomicU64,
    round_trips: Mutex<BTreeMap<NodeId, Arc<Histogram>>>,
}

impl Meters {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        let disk = || Histogram::new(Duration::from_millis(1), 14);
        Meters {
            log_sync: disk(),
            commit: disk(),
            slow_applies: AtomicU64::new(0),
            slow_reads: AtomicU64::new(0),
            round_trips: Mutex::default(),
        }
    }

    /// A batch of entries was applied.
    pub(crate) fn applied(&self, took: Duration) {
        self.commit.note(took);
        if took > SLOW_APPLY {
            self.slow_applies.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A linearizable read was confirmed or given up.
    pub(crate) fn read_confirmed(&self, took: Duration) {
        if took > SLOW_READ {
            self.slow_reads.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The round trips to a peer.
    pub(crate) fn round_trips_to(&self, peer: NodeId) -> Arc<Histogram> {
        let mut round_trips = self.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Histogram::new(Duration::from_micros(100), 16));
        round_trips.entry(peer).or_insert_with(new).clone()
    }

    /// From a heartbeat that confirms reads to its answer, by peer; of those that were ever measured from here.
    #[must_use]
    pub fn round_trips(&self) -> BTreeMap<NodeId, Arc<Histogram>> {
        self.round_trips.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Histogram, Meters};
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    #[test]
    fn durations_are_counted_up_to_each_bound() {
        let ms = Duration::from_millis;
        let histogram = Histogram::new(ms(1), 3);
        for duration in [0, 1, 2, 3, 4, 5, 1000] {
            histogram.note(ms(duration));
        }
        let upto = vec![(ms(1), 2), (ms(2), 3), (ms(4), 5)];
        assert_eq!(histogram.counted(), Counted { upto, count: 7, sum: ms(1015) });
        let empty = Histogram::new(Duration::from_micros(100), 16).counted();
        assert_eq!(empty.upto.last(), Some(&(Duration::from_micros(3_276_800), 0)));
    }

    #[test]
    fn what_is_slow() {
        let meters = Meters::new();
        for ms in [100, 101, 500, 501] {
            meters.applied(Duration::from_millis(ms));
            meters.read_confirmed(Duration::from_millis(ms));
        }
        assert_eq!(meters.slow_applies.load(Ordering::Relaxed), 3);
        assert_eq!(meters.slow_reads.load(Ordering::Relaxed), 1);
    }
}
