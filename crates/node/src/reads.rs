//! The linearizable reads of this node's clients that wait for their read index.
//!
//! Many requests share one question to the Raft core: all that arrived while the driver gathered its inputs go as one batch.

use quorate_consensus::raft::ReadId;
use quorate_types::Time;
use std::collections::BTreeMap;

/// At most so many reads wait on one node and group.
pub const MAX_PENDING_READS: usize = 50_000;

#[derive(Clone, Copy)]
struct Request {
    sequence: u64,
    deadline: Time,
}

/// See the module.
#[derive(Default)]
pub struct Reads {
    last_batch: u64,
    in_flight: BTreeMap<ReadId, Vec<Request>>,
    waiting: Vec<Request>,
    count: usize,
}

impl Reads {
    /// How many requests wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes a request in. False, and nothing taken, if there is no room.
    pub fn insert(&mut self, sequence: u64, deadline: Time) -> bool {
        if self.count >= MAX_PENDING_READS {
            return false;
        }
        self.count += 1;
        self.waiting.push(Request { sequence, deadline });
        true
    }

    /// Makes one batch of all that wait; `None` if none does.
    pub fn next_batch(&mut self) -> Option<ReadId> {
        if self.waiting.is_empty() {
            return None;
        }
        self.last_batch += 1;
        let id = ReadId(self.last_batch);
        self.in_flight.insert(id, std::mem::take(&mut self.waiting));
        Some(id)
    }

    /// The batch may be served, or is refused for good: takes its requests out.
    pub fn finish(&mut self, id: ReadId) -> impl Iterator<Item = u64> + use<> {
        let requests = self.in_flight.remove(&id).unwrap_or_default();
        self.count -= requests.len();
        requests.into_iter().map(|request| request.sequence)
    }

    /// The batch could not be asked for: its requests wait again.
    pub fn wait_again(&mut self, id: ReadId) {
        if let Some(mut requests) = self.in_flight.remove(&id) {
            self.waiting.append(&mut requests);
        }
    }

    /// Takes out those whose deadline has come.
    pub fn expire(&mut self, now: Time) -> Vec<u64> {
        let mut expired = Vec::new();
        let mut keep = |requests: &mut Vec<Request>| {
            requests.retain(|request| {
                let alive = request.deadline > now;
                if !alive {
                    expired.push(request.sequence);
                }
                alive
            });
        };
        keep(&mut self.waiting);
        for requests in self.in_flight.values_mut() {
            keep(requests);
        }
        self.count -= expired.len();
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PENDING_READS, Reads};
    use quorate_types::Time;

    #[test]
    fn a_batch_is_served_or_waits_again() {
        let mut reads = Reads::default();
        assert!(reads.insert(1, Time(9)) && reads.insert(2, Time(9)));
        let first = reads.next_batch().expect("two wait");
        assert!(reads.insert(3, Time(9)));
        let second = reads.next_batch().expect("one waits");
        reads.wait_again(first);
        assert_eq!(reads.finish(second).collect::<Vec<_>>(), [3]);
        let third = reads.next_batch().expect("two wait again");
        assert_eq!(reads.finish(third).collect::<Vec<_>>(), [1, 2]);
        assert!(reads.is_empty() && reads.next_batch().is_none());
    }

    #[test]
    fn the_late_ones_are_taken_out_wherever_they_are() {
        let mut reads = Reads::default();
        assert!(reads.insert(1, Time(1)) && reads.insert(2, Time(5)));
        let batch = reads.next_batch().expect("two wait");
        assert!(reads.insert(3, Time(1)));
        assert_eq!(reads.expire(Time(1)), [3, 1]);
        assert_eq!(reads.finish(batch).collect::<Vec<_>>(), [2]);
        assert_eq!(reads.len(), 0);
    }

    #[test]
    fn the_bound_holds() {
        let mut reads = Reads::default();
        for sequence in 0..MAX_PENDING_READS as u64 {
            assert!(reads.insert(sequence, Time(1)));
        }
        assert!(!reads.insert(0, Time(1)));
    }
}
