//! What this member has asked its disk to remember, and what is known to be remembered.
//!
//! Problem: Raft's answers are promises about durable state, yet nothing may wait for a disk. Idea: one step stages all that it
//! changes, and leaves it as a single numbered write together with the messages that depend on it. Writes become durable in
//! order, so one number says how far.
//!
//! **Invariant:** `durable` never claims an entry whose present content is not on disk: replacing entries takes the claim back.
//!
//! Source: Raft figure 2 ("updated on stable storage before responding"), dissertation §10.2.1 (leader writes in parallel).

use super::input::{Effect, LogWrite, WriteId};
use super::log::{Budget, Log};
use super::message::{HardState, Message, SnapshotMeta};
use quorate_types::{LogIndex, Mistake, NodeId, Time};
use std::collections::VecDeque;
use std::time::Duration;

/// No bound: one write holds all that one step appended.
const WHOLE: Budget = Budget { len_bytes: usize::MAX, entries: usize::MAX };

struct InFlight {
    write: WriteId,
    /// The entries up to here are durable once this write is.
    last: LogIndex,
    started: Time,
}

pub(super) struct Disk {
    /// The last write that was handed out.
    issued: WriteId,
    /// The last write that is durable.
    persisted: WriteId,
    /// The last write that held a term and vote.
    hard_state_write: WriteId,
    in_flight: VecDeque<InFlight>,
    durable: LogIndex,
    failed: bool,
    staged_reset: Option<SnapshotMeta>,
    staged_hard_state: bool,
    staged_from: Option<LogIndex>,
    staged_then: Vec<(NodeId, Message)>,
}

impl Disk {
    /// A disk that holds the log up to `durable`.
    pub(super) fn new(durable: LogIndex) -> Self {
        Disk {
            issued: WriteId(0),
            persisted: WriteId(0),
            hard_state_write: WriteId(0),
            in_flight: VecDeque::new(),
            durable,
            failed: false,
            staged_reset: None,
            staged_hard_state: false,
            staged_from: None,
            staged_then: Vec::new(),
        }
    }

    /// The log's content up to here is on disk.
    pub(super) fn durable(&self) -> LogIndex {
        self.durable
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(super) fn last_issued(&self) -> WriteId {
        self.issued
    }

    /// The name of the write that will hold what is staged now.
    pub(super) fn next_write(&self) -> WriteId {
        WriteId(self.issued.0 + 1)
    }

    pub(super) fn is_persisted(&self, write: WriteId) -> bool {
        write <= self.persisted
    }

    /// Whether a write will leave at the end of this step.
    pub(super) fn has_staged(&self) -> bool {
        self.staged_hard_state || self.staged_from.is_some() || self.staged_reset.is_some()
    }

    /// Whether everything ever handed out or staged is durable.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && !self.has_staged()
    }

    /// Whether the present term and vote are durable.
    pub(super) fn has_hard_state(&self) -> bool {
        !self.staged_hard_state && self.is_persisted(self.hard_state_write)
    }

    /// Since when the oldest unfinished write has been under way.
    pub(super) fn oldest_started(&self) -> Option<Time> {
        self.in_flight.front().map(|write| write.started)
    }

    /// Whether a write has been under way for `timeout`.
    pub(super) fn is_stalled(&self, now: Time, timeout: Duration) -> bool {
        self.oldest_started().is_some_and(|started| now >= started + timeout)
    }

    pub(super) fn stage_hard_state(&mut self) {
        self.staged_hard_state = true;
    }

    /// The log has new content from `from` on.
    pub(super) fn stage_entries(&mut self, from: LogIndex) {
        self.staged_from = Some(self.staged_from.map_or(from, |staged| staged.min(from)));
        self.disclaim(from);
    }

    /// The log was replaced by `snapshot`.
    pub(super) fn stage_reset(&mut self, snapshot: SnapshotMeta) {
        self.disclaim(LogIndex(0));
        self.staged_from = None;
        self.staged_reset = Some(snapshot);
    }

    /// `message` may leave once everything staged so far is durable.
    pub(super) fn stage_then(&mut self, to: NodeId, message: Message) {
        assert!(self.has_staged(), "a message waits for a write");
        self.staged_then.push((to, message));
    }

    /// What was or will be written from position `from` on is not the log's content any more.
    fn disclaim(&mut self, from: LogIndex) {
        let last = from.previous();
        self.durable = self.durable.min(last);
        for write in self.in_flight.iter_mut().rev().take_while(|write| write.last > last) {
            write.last = last;
        }
    }

    /// A term and vote alone are then no reason to write: they wait in memory for the next entries.
    fn forgets_vote_by_mistake(&self) -> bool {
        Mistake::VoteWithoutPersisting.is_planted()
            && self.staged_from.is_none()
            && self.staged_reset.is_none()
            && self.staged_then.is_empty()
    }

    /// Hands out what is staged.
    pub(super) fn flush(&mut self, now: Time, hard_state: HardState, log: &Log, out: &mut Vec<Effect>) {
        if !self.has_staged() || self.forgets_vote_by_mistake() {
            return;
        }
        let then = std::mem::take(&mut self.staged_then);
        let reset = self.staged_reset.take();
        let hard_state = std::mem::take(&mut self.staged_hard_state).then_some(hard_state);
        let entries = match self.staged_from.take() {
            Some(from) => log.slice(from, log.last_index(), WHOLE).0,
            None => Vec::new(),
        };
        if self.failed {
            return;
        }
        let write = self.next_write();
        self.issued = write;
        if hard_state.is_some() {
            self.hard_state_write = write;
        }
        self.in_flight.push_back(InFlight { write, last: log.last_index(), started: now });
        out.push(Effect::Append { write, log: LogWrite { reset, hard_state, entries }, then });
    }

    pub(super) fn on_persisted(&mut self, write: WriteId) {
        assert!(write <= self.issued, "only what was handed out can become durable");
        while self.in_flight.front().is_some_and(|oldest| oldest.write <= write) {
            let done = self.in_flight.pop_front().expect("it was there a moment ago");
            self.durable = self.durable.max(done.last);
        }
        self.persisted = self.persisted.max(write);
    }

    pub(super) fn on_failed(&mut self) {
        self.failed = true;
        self.in_flight.clear();
    }

    pub(super) fn check_invariants(&self, last_index: LogIndex) {
        assert!(self.durable <= last_index, "nothing beyond the log's end is durable");
        let mut previous = self.persisted;
        for write in &self.in_flight {
            assert!(write.write > previous && write.last <= last_index, "writes finish in order");
            previous = write.write;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Disk;
    use crate::raft::input::WriteId;
    use crate::raft::log::Log;
    use crate::raft::{Entry, HardState, Payload, SnapshotMeta};
    use quorate_types::{LogIndex, Term, Time};

    #[test]
    fn replacing_entries_takes_back_the_claim_of_older_writes() {
        let mut log = Log::new(SnapshotMeta::default());
        let mut disk = Disk::new(LogIndex(0));
        let mut out = Vec::new();
        let mut append = |disk: &mut Disk, log: &mut Log, term| {
            let index = log.last_index().next();
            log.append(Entry { term: Term(term), index, payload: Payload::NoOp });
            disk.stage_entries(index);
            disk.flush(Time(0), HardState::default(), log, &mut out);
        };
        append(&mut disk, &mut log, 1);
        append(&mut disk, &mut log, 1);
        log.truncate_from(LogIndex(2));
        append(&mut disk, &mut log, 2);
        disk.on_persisted(WriteId(2));
        assert_eq!(disk.durable(), LogIndex(1), "the second write held what is no longer the log");
        disk.on_persisted(WriteId(3));
        assert_eq!(disk.durable(), LogIndex(2));
        disk.check_invariants(log.last_index());
    }
}
