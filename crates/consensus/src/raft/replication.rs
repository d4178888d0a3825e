//! The leader's side of the log: sending, counting, committing.
//!
//! Problem: every member shall hold the leader's log, without the leader waiting for any one of them. Idea: each member has a
//! [`Progress`]; whatever changes the log or frees a window sends as much as that allows, and one timer repeats what stayed
//! unanswered. A silent member is sent an empty `Append` after the last entry sent: it accepts, or says where the logs part, so
//! nothing is sent twice on suspicion.
//!
//! **Invariant:** the commit index moves to an entry only if a quorum holds it durably and it is of the leader's own term.
//!
//! Source: Raft §5.3, §5.4.2, §8; dissertation §6.2 (check-quorum), §10.2.1.

use super::Raft;
use super::input::{Effect, Role};
use super::log::Budget;
use super::marks;
use super::message::{Body, Entry, Payload};
use super::progress::{Progress, ProgressState};
use super::proposal::SeenForwards;
use super::read::LeaderReads;
use super::transfer::Transfer;
use quorate_types::{LogIndex, Mistake, NodeId, Term, Time};
use std::collections::BTreeMap;

/// What exists only while this member leads.
pub(super) struct Leadership {
    /// Every other member.
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// This leadership's first entry; until it is committed, the commit index may be behind (Raft §8).
    pub(super) no_op: LogIndex,
    pub(super) heartbeat_due: Time,
    pub(super) uncommitted_bytes: usize,
    pub(super) reads: LeaderReads,
    pub(super) transfer: Option<Transfer>,
    /// Whether the disk's stall was answered by a transfer already.
    pub(super) stall_was_handled: bool,
    pub(super) forwards: BTreeMap<NodeId, SeenForwards>,
}

impl Leadership {
    /// Whether the commit index `commit` is no longer behind that of earlier leaders: an entry of this leadership is committed.
    pub(super) fn knows_commit(&self, commit: LogIndex) -> bool {
        commit >= self.no_op || Mistake::ReadWithoutTermCheck.is_planted()
    }
}

impl Raft {
    pub(super) fn start_leadership(&mut self, out: &mut Vec<Effect>) {
        let next = self.log.last_index().next();
        let own = self.config.id;
        let peers = self.log.configuration().members().filter(|id| *id != own);
        self.leadership = Some(Leadership {
            progress: peers.map(|id| (id, Progress::new(next, self.now))).collect(),
            no_op: next,
            heartbeat_due: self.now + self.config.heartbeat_interval,
            uncommitted_bytes: self.log.len_bytes_between(self.commit, self.log.last_index()),
            reads: LeaderReads::new(),
            transfer: None,
            stall_was_handled: false,
            forwards: BTreeMap::new(),
        });
        self.incoming = None;
        self.append_as_leader(std::iter::once(Payload::NoOp), out);
        self.take_over_reads(out);
    }

    /// Stops leading, if this member does. Its clients' reads wait for the next leader.
    pub(super) fn step_down(&mut self) {
        if let Some(leadership) = self.leadership.take() {
            self.reads.take_back(leadership.reads);
            self.role = self.passive_role();
            self.restart_election_timer();
        }
    }

    /// Appends to the leader's own log and sends it to everyone.
    pub(super) fn append_as_leader(
        &mut self,
        payloads: impl Iterator<Item = Payload>,
        out: &mut Vec<Effect>,
    ) {
        let leadership = self.leadership.as_mut().expect("only a leader appends on its own");
        let term = self.hard_state.term;
        self.disk.stage_entries(self.log.last_index().next());
        for payload in payloads {
            let entry = Entry { term, index: self.log.last_index().next(), payload };
            leadership.uncommitted_bytes += entry.len_bytes();
            self.log.append(entry);
        }
        // The disk starts before the network: the two then run side by side.
        self.disk.flush(self.now, self.hard_state, &self.log, out);
        self.replicate_to_all(out);
    }

    pub(super) fn replicate_to_all(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = &mut self.leadership else { return };
        let mut sender = Sender { config: &self.config, log: &self.log, now: self.now };
        let (term, commit) = (self.hard_state.term, self.commit);
        for (to, progress) in &mut leadership.progress {
            sender.replicate(*to, progress, (term, commit), out);
        }
    }

    pub(super) fn replicate_to(&mut self, to: NodeId, out: &mut Vec<Effect>) {
        let Some(leadership) = &mut self.leadership else { return };
        let Some(progress) = leadership.progress.get_mut(&to) else { return };
        let mut sender = Sender { config: &self.config, log: &self.log, now: self.now };
        sender.replicate(to, progress, (self.hard_state.term, self.commit), out);
    }

    pub(super) fn on_append_accepted(&mut self, from: NodeId, matched: LogIndex, out: &mut Vec<Effect>) {
        let (now, last, first) = (self.now, self.log.last_index(), self.log.first_index());
        let Some(progress) = self.progress_mut(from) else { return };
        assert!(matched <= last, "{from} holds {matched}, which this leader never sent");
        progress.heard_at = now;
        progress.on_accepted(matched, now);
        if progress.state() == ProgressState::Snapshot {
            if matched.next() >= first {
                progress.become_replicate();
            } else if progress.has_outgrown_snapshot() {
                // It took so long that the log after it is gone: a newer one is needed.
                marks::SNAPSHOT_OUTRUN.reach();
                progress.become_snapshot(now);
                out.push(Effect::ReadSnapshot { to: from, index: None, sequence: 0 });
            }
        }
        self.advance_commit(out);
        self.replicate_to(from, out);
        self.notify_commit(out);
        self.continue_transfer(from, out);
    }

    pub(super) fn on_append_rejected(
        &mut self,
        from: NodeId,
        rejected: LogIndex,
        hint: (LogIndex, Term),
        out: &mut Vec<Effect>,
    ) {
        let now = self.now;
        let (found, _) = self.log.last_not_above(hint.0, hint.1);
        // Where the hint lies before the compaction point, so does what is needed.
        let next = found.min(hint.0).next().min(rejected);
        if next < rejected && self.log.term_at(next.previous()) != self.log.term_at(next) {
            marks::HINT_SKIPPED_TERM.reach();
        }
        let Some(progress) = self.progress_mut(from) else { return };
        progress.heard_at = now;
        if progress.heeds_rejection(rejected) && !Mistake::IgnoreRejectionHint.is_planted() {
            progress.become_probe(next);
            self.replicate_to(from, out);
        }
    }

    /// Moves the commit index as far as a quorum's disks allow.
    pub(super) fn advance_commit(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = &self.leadership else { return };
        let (own, durable) = (self.config.id, self.disk.durable());
        let matched = |id: NodeId| {
            if id == own {
                durable
            } else {
                leadership.progress.get(&id).map_or(LogIndex(0), Progress::matched)
            }
        };
        let Some(agreed) = self.log.configuration().agreed(matched) else { return };
        // An entry of an older term may be on a quorum and yet be replaced: only own entries count (Raft §5.4.2).
        let is_own = self.log.term_at(agreed) == Some(self.hard_state.term)
            || Mistake::CommitOldTermByCounting.is_planted();
        if agreed <= self.commit {
            return;
        }
        if !is_own {
            marks::OLD_TERM_HELD_BACK.reach();
            return;
        }
        if self.log.term_at(self.commit.next()) != Some(self.hard_state.term) {
            marks::OLD_TERM_COMMITTED.reach();
        }
        let had_read_index = leadership.knows_commit(self.commit);
        self.commit_to(agreed, out);
        self.replicate_to_all(out);
        self.notify_commit(out);
        if !had_read_index {
            self.start_read_round_if_needed(out);
        }
    }

    /// Tells each member what of its log is committed, unless an `Append` just did: its clients wait for that.
    fn notify_commit(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = &mut self.leadership else { return };
        for (to, progress) in &mut leadership.progress {
            let commit = self.commit.min(progress.matched());
            if progress.state() == ProgressState::Replicate && commit > progress.commit_sent {
                progress.commit_sent = commit;
                let body = Body::Heartbeat { commit, round: 0 };
                out.push(Effect::Send {
                    to: *to,
                    message: super::Message { term: self.hard_state.term, body },
                });
            }
        }
    }

    pub(super) fn progress_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.leadership.as_mut()?.progress.get_mut(&id)
    }

    /// The leader's timer: shows that it leads, checks that it still may, repeats what was lost.
    pub(super) fn on_leader_tick(&mut self, out: &mut Vec<Effect>) {
        self.check_transfer(out);
        self.check_disk_stall(out);
        let Some(leadership) = &mut self.leadership else { return };
        if self.now < leadership.heartbeat_due {
            return;
        }
        leadership.heartbeat_due = self.now + self.config.heartbeat_interval;
        if !self.hears_quorum() {
            marks::QUORUM_LOST.reach();
            let term = self.hard_state.term;
            return self.become_follower(term);
        }
        self.start_round(out);
        self.repeat_unanswered(out);
    }

    /// Whether a quorum answered within the longest election timeout: otherwise another may lead already.
    fn hears_quorum(&self) -> bool {
        let Some(leadership) = &self.leadership else { return false };
        let timeout = self.config.election_timeout_max;
        self.log.configuration().has_quorum(|id| {
            id == self.config.id
                || leadership.progress.get(&id).is_some_and(|member| self.now < member.heard_at + timeout)
        })
    }

    fn repeat_unanswered(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = &mut self.leadership else { return };
        let mut sender = Sender { config: &self.config, log: &self.log, now: self.now };
        let at = (self.hard_state.term, self.commit);
        for (to, progress) in &mut leadership.progress {
            match progress.state() {
                ProgressState::Probe
                    if self.now >= progress.waiting_since + self.config.heartbeat_interval =>
                {
                    progress.forget_probe();
                    sender.replicate(*to, progress, at, out);
                }
                ProgressState::Replicate
                    if progress.is_waiting()
                        && self.now >= progress.waiting_since + self.config.heartbeat_interval =>
                {
                    sender.ask_for_position(*to, progress, at, out);
                }
                ProgressState::Snapshot => sender.repeat_snapshot(*to, progress, at.0, out),
                ProgressState::Probe | ProgressState::Replicate => {}
            }
        }
    }

    /// A leader that cannot write holds everybody up: another member should lead.
    fn check_disk_stall(&mut self, out: &mut Vec<Effect>) {
        if !self.disk.is_stalled(self.now, self.config.disk_stall_timeout) {
            if let Some(leadership) = &mut self.leadership {
                leadership.stall_was_handled = false;
            }
            return;
        }
        let successor = self.best_successor();
        let (Some(leadership), Some(successor)) = (&mut self.leadership, successor) else { return };
        if leadership.transfer.is_some() {
            return;
        }
        if leadership.stall_was_handled {
            marks::SLOW_DISK_STEPPED_DOWN.reach();
            let term = self.hard_state.term;
            self.become_follower(term);
        } else {
            marks::SLOW_DISK_HANDED_OVER.reach();
            leadership.stall_was_handled = true;
            self.on_transfer_leadership(successor, out);
        }
    }

    /// The other voter that holds most of the log.
    pub(super) fn best_successor(&self) -> Option<NodeId> {
        let leadership = self.leadership.as_ref()?;
        let voters = leadership.progress.iter().filter(|(id, _)| self.log.configuration().is_voter(**id));
        voters.max_by_key(|(_, progress)| (progress.matched(), progress.heard_at)).map(|(id, _)| *id)
    }

    pub(super) fn on_disk_failed(&mut self, out: &mut Vec<Effect>) {
        self.disk.on_failed();
        if self.role == Role::Leader {
            marks::FAILED_DISK_STEPPED_DOWN.reach();
        }
        if self.role == Role::Leader
            && let Some(successor) = self.best_successor()
        {
            self.send(successor, Body::TimeoutNow, out);
        }
        if self.role != self.passive_role() {
            let term = self.hard_state.term;
            self.become_follower(term);
        }
        self.reject_all_reads(super::message::Rejection::DiskFailed, out);
    }
}

/// What sending entries needs of the core, apart from the member's progress, which it changes.
pub(super) struct Sender<'a> {
    pub(super) config: &'a super::Config,
    pub(super) log: &'a super::log::Log,
    pub(super) now: Time,
}

impl Sender<'_> {
    /// Sends as many entries as the member's window allows. `at` is the leader's term and commit index.
    fn replicate(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        at: (Term, LogIndex),
        out: &mut Vec<Effect>,
    ) {
        // Each turn fills the window by one message or ends, so there are at most `max_inflight_appends`.
        while progress.may_send(self.config) {
            let is_probe = progress.state() == ProgressState::Probe;
            if progress.next() > self.log.last_index() && !is_probe {
                return;
            }
            let previous_index = progress.next().previous();
            let Some(previous_term) = self.log.term_at(previous_index) else {
                return self.start_snapshot(to, progress, out);
            };
            let budget = Budget { len_bytes: self.config.max_append_bytes, entries: usize::MAX };
            let (entries, len_bytes) = self.log.slice(progress.next(), self.log.last_index(), budget);
            let last = LogIndex(previous_index.0 + entries.len() as u64);
            progress.on_sent(last, len_bytes, self.now);
            progress.commit_sent = progress.commit_sent.max(at.1.min(last));
            let body = Body::Append { previous_index, previous_term, entries, commit: at.1 };
            out.push(Effect::Send { to, message: super::Message { term: at.0, body } });
            if last < self.log.last_index() && !is_probe && !progress.may_send(self.config) {
                marks::INFLIGHT_WINDOW_FULL.reach();
            }
        }
    }

    /// Asks a silent member whether all that was sent has arrived.
    fn ask_for_position(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        at: (Term, LogIndex),
        out: &mut Vec<Effect>,
    ) {
        let previous_index = progress.next().previous();
        let Some(previous_term) = self.log.term_at(previous_index) else {
            return self.start_snapshot(to, progress, out);
        };
        marks::SILENT_FOLLOWER_ASKED.reach();
        progress.waiting_since = self.now;
        let body = Body::Append { previous_index, previous_term, entries: Vec::new(), commit: at.1 };
        out.push(Effect::Send { to, message: super::Message { term: at.0, body } });
    }
}
