//! The follower's side of the log.
//!
//! Problem: messages come late, twice and out of order, and the log must end equal to the leader's. Idea: entries are taken only after
//! an entry that is known to be equal; equal ones are skipped, so an old message never shortens the log; the answer waits for
//! the disk.
//!
//! **Invariant:** the commit index never passes the last entry that the present leader vouched for.
//!
//! Source: Raft §5.3 (with the hint of its last paragraphs), figure 2 "AppendEntries RPC".

use super::Raft;
use super::input::{Effect, WriteId};
use super::marks;
use super::message::{Body, Entry, Message};
use quorate_types::{LogIndex, Mistake, NodeId, Term};

#[derive(Default)]
pub(super) struct Following {
    /// The log is equal to the present leader's up to here.
    verified: LogIndex,
    /// Once this write is durable, the leader is to be told.
    owed_after: Option<WriteId>,
}

impl Following {
    /// Nothing but what is committed is known to be equal to a new leader's log.
    pub(super) fn reset(&mut self, commit: LogIndex) {
        *self = Following { verified: commit, owed_after: None };
    }

    pub(super) fn verify(&mut self, index: LogIndex) {
        self.verified = self.verified.max(index);
    }

    pub(super) fn verified(&self) -> LogIndex {
        self.verified
    }
}

impl Raft {
    /// `previous` is the position before the first entry, and the term there.
    pub(super) fn on_append(
        &mut self,
        leader: NodeId,
        previous: (LogIndex, Term),
        mut entries: Vec<Entry>,
        commit: LogIndex,
        out: &mut Vec<Effect>,
    ) {
        // Without a disk nothing can be promised, and while a snapshot is being installed the log is about to be replaced.
        if self.disk.has_failed() || self.is_installing() {
            return;
        }
        let last = LogIndex(previous.0.0 + entries.len() as u64);
        if previous.0 < self.commit {
            // What is committed is equal on every member, so the comparison may start there.
            marks::APPEND_BEHIND_COMMIT.reach();
            let known = (self.commit.0 - previous.0.0) as usize;
            entries.drain(..known.min(entries.len()));
        } else if self.log.term_at(previous.0) != Some(previous.1)
            && !(Mistake::SkipPreviousTermCheck.is_planted() && previous.0 <= self.log.last_index())
        {
            return self.reject_append(leader, previous, out);
        }
        self.take_entries(entries);
        self.following.verify(last.max(self.commit));
        self.acknowledge(leader, out);
        // The disk starts before the machine.
        self.disk.flush(self.now, self.hard_state, &self.log, out);
        if Mistake::CommitBeyondMatched.is_planted() {
            self.following.verify(commit.min(self.log.last_index()));
        }
        self.commit_to(commit.min(self.following.verified), out);
    }

    /// Appends what is not there yet, replacing what differs.
    fn take_entries(&mut self, entries: Vec<Entry>) {
        let is_held = |entry: &Entry| {
            (self.log.term_at(entry.index) == Some(entry.term)
                && !Mistake::TruncateWithoutConflict.is_planted())
                || (entry.index <= self.log.last_index() && Mistake::KeepConflictingTail.is_planted())
        };
        let held = entries.iter().take_while(|entry| is_held(entry)).count();
        let Some(first) = entries.get(held) else { return };
        let from = first.index;
        if from <= self.log.last_index() {
            assert!(from > self.commit, "entry {from} is committed and cannot conflict");
            marks::CONFLICTING_TAIL_CUT.reach();
            self.log.truncate_from(from);
            if Mistake::TruncateWithoutConflict.is_planted() {
                // The core believes that its log was never longer.
                self.following.reset(self.commit);
            }
        }
        for entry in entries.into_iter().skip(held) {
            self.log.append(entry);
        }
        self.disk.stage_entries(from);
    }

    fn reject_append(&mut self, leader: NodeId, previous: (LogIndex, Term), out: &mut Vec<Effect>) {
        marks::APPEND_REJECTED.reach();
        let (index, term) = self.log.last_not_above(previous.0, previous.1);
        let hint_index = index.max(self.commit);
        let hint_term = self.log.term_at(hint_index).unwrap_or(term);
        let body = Body::AppendRejected { rejected: previous.0, hint_index, hint_term };
        self.send(leader, body, out);
    }

    /// Tells the leader how far the logs are equal, once that is durable. Nothing is under way on a disk that has failed, but what it was given
    /// last may never have arrived: so it tells nothing any more.
    pub(super) fn acknowledge(&mut self, leader: NodeId, out: &mut Vec<Effect>) {
        if self.disk.has_failed() && !Mistake::AcknowledgeAfterFailure.is_planted() {
            return;
        }
        let body = Body::AppendAccepted { matched: self.following.verified };
        if Mistake::AcknowledgeBeforeSync.is_planted() {
            self.send(leader, body, out);
        } else if self.disk.has_staged() {
            let message = Message { term: self.hard_state.term, body };
            self.disk.stage_then(leader, message);
        } else if self.disk.is_idle() {
            self.send(leader, body, out);
        } else {
            marks::ACKNOWLEDGEMENT_OWED.reach();
            self.following.owed_after = Some(self.disk.last_issued());
        }
    }

    /// Sends the answer that could not ride on a write of its own.
    pub(super) fn pay_owed_acknowledgement(&mut self, out: &mut Vec<Effect>) {
        let is_due = self.following.owed_after.is_some_and(|write| self.disk.is_persisted(write));
        if let Some(leader) = self.leader.filter(|_| is_due && self.leadership.is_none()) {
            self.following.owed_after = None;
            let matched = self.following.verified.min(self.disk.durable());
            self.send(leader, Body::AppendAccepted { matched }, out);
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        leader: NodeId,
        commit: LogIndex,
        round: u64,
        out: &mut Vec<Effect>,
    ) {
        if round > 0 {
            self.send(leader, Body::HeartbeatReply { round }, out);
        }
        let commit = if Mistake::CommitBeyondMatched.is_planted() {
            commit.min(self.log.last_index())
        } else {
            commit
        };
        // The leader cut `commit` to what this member acknowledged from disk in this very term, so the log is equal up to there.
        if commit <= self.log.last_index() {
            self.following.verify(commit);
            self.commit_to(commit, out);
        }
    }
}
