//! From the commit index to the machine above, and back to what the log may forget.
//!
//! Problem: entries must reach the machine in order and exactly once, in batches, without a slow machine making a queue grow.
//! Idea: three marks along the log, `applied ≤ emitted ≤ commit`, and a budget of bytes between the first two.
//!
//! **Invariant:** `emitted` only grows; no entry beyond the commit index is emitted, none twice.
//!
//! Deviation: after a crash `applied` may lie beyond the commit index, and even beyond the log, because entries may be applied before
//! they are durable here. Then nothing is emitted until the commit index passes it again.

use super::Raft;
use super::input::Effect;
use super::log::Budget;
use super::marks;
use quorate_types::LogIndex;
use std::collections::VecDeque;

pub(super) struct ApplyQueue {
    emitted: LogIndex,
    applied: LogIndex,
    /// Batches under way: each one's last entry and bytes.
    in_flight: VecDeque<(LogIndex, usize)>,
    in_flight_bytes: usize,
}

impl ApplyQueue {
    pub(super) fn new(applied: LogIndex) -> Self {
        ApplyQueue { emitted: applied, applied, in_flight: VecDeque::new(), in_flight_bytes: 0 }
    }

    pub(super) fn applied(&self) -> LogIndex {
        self.applied
    }

    pub(super) fn emitted(&self) -> LogIndex {
        self.emitted
    }

    /// The machine was replaced by a snapshot.
    pub(super) fn reset(&mut self, index: LogIndex) {
        assert!(index >= self.emitted, "a snapshot never takes the machine back");
        *self = ApplyQueue::new(index);
    }
}

impl Raft {
    /// Entries up to `index` are committed.
    pub(super) fn commit_to(&mut self, index: LogIndex, out: &mut Vec<Effect>) {
        if index <= self.commit {
            return;
        }
        assert!(index <= self.log.last_index(), "only what is in the log is committed");
        if let Some(leadership) = &mut self.leadership {
            let committed = self.log.len_bytes_between(self.commit, index);
            leadership.uncommitted_bytes = leadership.uncommitted_bytes.saturating_sub(committed);
        }
        self.commit = index;
        self.emit_committed(out);
    }

    /// Hands committed entries to the machine, as far as its budget allows.
    pub(super) fn emit_committed(&mut self, out: &mut Vec<Effect>) {
        // While the machine is being replaced it takes nothing.
        if self.is_installing() {
            return;
        }
        let budget =
            Budget { len_bytes: self.config.max_apply_bytes, entries: self.config.max_apply_entries };
        while self.apply.emitted < self.commit && self.apply.in_flight_bytes < self.config.max_unapplied_bytes
        {
            let (entries, len_bytes) = self.log.slice(self.apply.emitted.next(), self.commit, budget);
            let last = LogIndex(self.apply.emitted.0 + entries.len() as u64);
            self.apply.emitted = last;
            self.apply.in_flight.push_back((last, len_bytes));
            self.apply.in_flight_bytes += len_bytes;
            out.push(Effect::Apply { entries });
            if last < self.commit {
                marks::APPLY_BOUND_MET.reach();
                if self.apply.in_flight_bytes >= self.config.max_unapplied_bytes {
                    marks::UNAPPLIED_WINDOW_FULL.reach();
                }
            }
        }
    }

    pub(super) fn on_applied(&mut self, index: LogIndex, out: &mut Vec<Effect>) {
        assert!(index <= self.apply.emitted, "only what was handed out can be applied");
        self.apply.applied = self.apply.applied.max(index);
        while self.apply.in_flight.front().is_some_and(|(last, _)| *last <= index) {
            let (_, len_bytes) = self.apply.in_flight.pop_front().expect("it was there a moment ago");
            self.apply.in_flight_bytes -= len_bytes;
        }
        self.emit_committed(out);
        self.serve_applied_reads(out);
    }

    pub(super) fn on_compactable(&mut self, index: LogIndex) {
        let tail =
            Budget { len_bytes: self.config.max_log_tail_bytes, entries: self.config.max_log_tail_entries };
        // What is applied but, after a crash, not known to be committed again must stay: it may be wrong in this very log.
        // What is not durable here must stay too: its write may be under way while the driver drops the log's front on disk.
        let allowed = index.min(self.apply.applied).min(self.commit).min(self.disk.durable());
        self.log.compact(allowed, tail);
        if allowed < index {
            marks::COMPACTION_WAITED.reach();
        }
        if self.log.first_index() <= allowed {
            marks::COMPACTION_KEPT_TAIL.reach();
        }
    }
}
