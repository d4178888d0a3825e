//! What was counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::wire::Failure;

const LONGEST_NS: u64 = 120_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// One thread's counts.
pub(super) struct Tally {
    /// Nanoseconds of each success.
    pub(super) latency: Histogram<u64>,
    pub(super) errors: BTreeMap<Failure, u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let latency =
            Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS).expect("the bounds are constants");
        Tally { latency, errors: BTreeMap::new() }
    }

    pub(super) fn success(&mut self, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(LONGEST_NS);
        self.latency.saturating_record(took_ns.clamp(1, LONGEST_NS));
    }

    pub(super) fn failure(&mut self, kind: Failure) {
        *self.errors.entry(kind).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        self.latency.add(&other.latency).expect("all tallies have the same bounds");
        for (&kind, count) in &other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }
}

/// The longest time in which nothing succeeded anywhere: what an outage costs.
pub(super) struct Gap {
    epoch: Instant,
    last_ns: AtomicU64,
    longest_ns: AtomicU64,
}

impl Gap {
    pub(super) fn begin(at: Instant) -> Self {
        Gap { epoch: at, last_ns: AtomicU64::new(0), longest_ns: AtomicU64::new(0) }
    }

    /// Something succeeded, or the run ended.
    pub(super) fn mark(&self, at: Instant) {
        let now_ns = at.saturating_duration_since(self.epoch).as_nanos() as u64;
        let before_ns = self.last_ns.fetch_max(now_ns, Ordering::Relaxed);
        self.longest_ns.fetch_max(now_ns.saturating_sub(before_ns), Ordering::Relaxed);
    }

    /// When something succeeded last; the beginning, if nothing has.
    pub(super) fn last(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.last_ns.load(Ordering::Relaxed))
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Gap;

    #[test]
    fn the_longest_gap_is_found_even_at_the_end() {
        let begin = Instant::now();
        let gap = Gap::begin(begin);
        for at_ms in [1, 2, 9, 8, 12] {
            gap.mark(begin + Duration::from_millis(at_ms));
        }
        assert_eq!(gap.longest(), Duration::from_millis(7));
        gap.mark(begin + Duration::from_millis(40));
        assert_eq!(gap.longest(), Duration::from_millis(28));
    }
}
