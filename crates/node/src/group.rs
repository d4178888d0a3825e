//! One group's replication side: its Raft core, and the requests of this node's clients around it.

use crate::checkpoint::Checkpoints;
use crate::envelope::{Envelope, UNANSWERED, stamp};
use crate::input::{Effect, Input, ReadRequest, RequestFailure, SnapshotPiece, WriteRequest};
use crate::marks;
use crate::peer::PeerMessage;
use crate::pending::Pending;
use crate::reads::Reads;
use quorate_consensus::raft::{self, Proposal, ProposalId, Raft, Rejection, Role};
use quorate_kv::{Command, Stamped};
use quorate_types::mistake::Mistake;
use quorate_types::{GroupId, LogIndex, NodeId, Term, Time};
use std::time::Duration;

/// How often deadlines are looked at, so how late a refusal may come.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// How soon a refused request is tried again while the leader stays the same.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// What is proposed at once, so what one message forwards, is bounded by this and the largest command.
const PARCEL_LEN_BYTES: usize = 4 << 20;

/// How many of `proposals` make up one parcel; at least one.
fn parcel_count(proposals: &[Proposal]) -> usize {
    let mut len_bytes = 0;
    let fitting = proposals.iter().take_while(|proposal| {
        len_bytes += proposal.command.len();
        len_bytes <= PARCEL_LEN_BYTES
    });
    fitting.count().max(1)
}

/// See the module.
pub struct Group {
    id: GroupId,
    me: NodeId,
    raft: Raft,
    pending: Pending,
    reads: Reads,
    checkpoints: Checkpoints,
    diverged: bool,
    disk_failed: bool,
    applied_term: Term,
    /// The group's time minus this node's, in ns, as the leader of a term knows it once its machine has applied an entry of that term.
    clock_offset_ns: Option<(Term, i64)>,
    log_start: LogIndex,
    retry_at: Option<Time>,
    sweep_at: Option<Time>,
    scratch: Vec<raft::Effect>,
}

/// A group as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupStatus {
    /// Which.
    pub group: GroupId,
    /// What this node is in it.
    pub role: Role,
    /// In which term.
    pub term: Term,
    /// Who leads, if known.
    pub leader: Option<NodeId>,
    /// The newest log position.
    pub last_index: LogIndex,
    /// The newest committed one.
    pub commit: LogIndex,
    /// The newest applied one.
    pub applied: LogIndex,
    /// Requests that wait for an outcome.
    pub pending_requests: usize,
    /// The newest position at which this replica was seen to equal the leader.
    pub agreed: LogIndex,
}

impl Group {
    /// A group that goes on from what `raft` was restored with.
    #[must_use]
    pub fn new(id: GroupId, raft: Raft) -> Self {
        let me = raft.id();
        let log_start = raft.droppable_index();
        Group {
            id,
            me,
            raft,
            pending: Pending::new(me),
            reads: Reads::default(),
            checkpoints: Checkpoints::default(),
            diverged: false,
            disk_failed: false,
            applied_term: Term(0),
            clock_offset_ns: None,
            log_start,
            retry_at: None,
            sweep_at: None,
            scratch: Vec::new(),
        }
    }

    /// The group as an operator sees it.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        GroupStatus {
            group: self.id,
            role: self.raft.role(),
            term: self.raft.term(),
            leader: self.raft.leader(),
            last_index: self.raft.last_index(),
            commit: self.raft.commit(),
            applied: self.raft.applied(),
            pending_requests: self.pending.len() + self.reads.len(),
            agreed: self.checkpoints.agreed(),
        }
    }

    /// When the group next wants an [`Input::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        [self.raft.next_deadline(), self.retry_at, self.sweep_at].into_iter().flatten().min()
    }

    /// Its Raft core, for an observer.
    #[must_use]
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// Checks what must always hold. Costs O(log), for tests and the simulator.
    pub fn check_invariants(&self) {
        self.raft.check_invariants();
    }

    /// Takes one input.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Peer { from, message: PeerMessage::Raft(mut message), .. } => {
                self.stamp_forwarded(now, &mut message);
                self.raft_step(now, raft::Input::Message { from, message }, out);
            }
            Input::Peer { message: PeerMessage::Checkpoint { index, hash }, .. } => {
                let verdict = self.checkpoints.note_theirs(index, hash);
                self.on_comparison(verdict, out);
            }
            Input::Requests { writes, reads, .. } => self.on_requests(now, writes, reads, out),
            Input::Persisted { write, .. } => self.raft_step(now, raft::Input::Persisted { write }, out),
            Input::DiskFailed => self.on_disk_failed(now, out),
            Input::MachineFailed { .. } => self.on_machine_failed(now, out),
            Input::Applied { index, term, answered, clock_offset_ns, .. } => {
                if self.raft.role() == Role::Leader && self.raft.term() == term {
                    self.clock_offset_ns = Some((term, clock_offset_ns));
                }
                self.on_applied(now, index, term, &answered, out);
            }
            Input::Checkpoint { index, hash, .. } => self.on_checkpoint(index, hash, out),
            Input::Propose { command, term, .. } => self.on_propose(now, command, term, out),
            Input::Durable { index, .. } => self.on_durable(now, index, out),
            Input::SnapshotRead { to, piece, .. } => {
                let input = match piece {
                    Some(SnapshotPiece { meta, sequence, data, last }) => {
                        raft::Input::SnapshotRead { to, meta, sequence, data, last }
                    }
                    None => raft::Input::SnapshotReadFailed { to },
                };
                self.raft_step(now, input, out);
            }
            Input::SnapshotStored { index, sequence, .. } => {
                self.on_snapshot_stored(now, index, sequence, out);
            }
            Input::TransferLeadership { to, .. } => {
                self.raft_step(now, raft::Input::TransferLeadership { to }, out);
            }
            Input::Tick => self.on_tick(now, out),
        }
    }

    fn on_requests(
        &mut self,
        now: Time,
        writes: Vec<WriteRequest>,
        reads: Vec<ReadRequest>,
        out: &mut Vec<Effect>,
    ) {
        let refusal = |this: &Self, require_leader: bool| {
            if this.diverged {
                Some(RequestFailure::Corrupt)
            } else if this.disk_failed {
                marks::REFUSED_DISK_FAILED.reach();
                Some(RequestFailure::DiskFailed)
            } else if require_leader && this.raft.leader().is_none() {
                marks::REFUSED_NO_LEADER.reach();
                Some(RequestFailure::NoLeader)
            } else {
                None
            }
        };
        for WriteRequest { sequence, command, deadline, require_leader } in writes {
            if let Some(failure) = refusal(self, require_leader) {
                out.push(Effect::Fail { sequence, failure });
                continue;
            }
            let command = self.envelope(0, sequence, command);
            if !self.pending.insert(sequence, command, deadline) {
                marks::REFUSED_OVERLOADED.reach();
                out.push(Effect::Fail { sequence, failure: RequestFailure::Overloaded });
            }
        }
        for ReadRequest { sequence, deadline, require_leader } in reads {
            if let Some(failure) = refusal(self, require_leader) {
                out.push(Effect::Fail { sequence, failure });
            } else if !self.reads.insert(sequence, deadline) {
                out.push(Effect::Fail { sequence, failure: RequestFailure::Overloaded });
            }
        }
        if self.sweep_at.is_none() {
            self.sweep_at = Some(now + SWEEP_INTERVAL);
        }
        self.submit(now, out);
    }

    /// The group's time, if this node leads and knows it. While nobody knows it, entries carry 0, which leaves it as it was: the group's
    /// clock stands still until the new leader's machine goes on from the last entry of the old one's.
    fn cluster_time_ns(&self, now: Time) -> Option<u64> {
        let (term, offset_ns) = self.clock_offset_ns?;
        let leads = self.raft.role() == Role::Leader && self.raft.term() == term;
        leads.then(|| now.0.saturating_add_signed(offset_ns))
    }

    /// Gives commands that enter this leader's log by way of a follower the time, or none while it is not known: whatever they carried is of
    /// another leadership.
    fn stamp_forwarded(&self, now: Time, message: &mut raft::Message) {
        if let raft::Body::Forward { proposals, .. } = &mut message.body
            && self.raft.role() == Role::Leader
            && !(Mistake::StaleTime.is_planted() && self.cluster_time_ns(now).is_none())
        {
            let time_ns = self.cluster_time_ns(now).unwrap_or(0);
            for proposal in proposals {
                proposal.command = stamp(std::mem::take(&mut proposal.command), time_ns);
            }
        }
    }

    fn envelope(&self, cluster_time_ns: u64, sequence: u64, command: Command) -> quorate_types::Bytes {
        let id = ProposalId { origin: self.me, sequence };
        Envelope { id, command: Stamped { cluster_time_ns, command } }.encode()
    }

    /// Hands what waits to the core, if there is a leader that could take it.
    fn submit(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.raft.leader().is_none() {
            return;
        }
        self.retry_at = None;
        if self.pending.has_unsent() {
            let mut rest = self.pending.send_all(self.raft.term(), self.cluster_time_ns(now));
            while !rest.is_empty() {
                let after = rest.split_off(parcel_count(&rest));
                let proposals = std::mem::replace(&mut rest, after);
                self.raft_step(now, raft::Input::Propose { proposals }, out);
            }
        }
        if let Some(id) = self.reads.next_batch() {
            self.raft_step(now, raft::Input::Read { id }, out);
        }
    }

    fn raft_step(&mut self, now: Time, input: raft::Input, out: &mut Vec<Effect>) {
        let mut effects = std::mem::take(&mut self.scratch);
        self.raft.step(now, input, &mut effects);
        let mut leader_changed = false;
        for effect in effects.drain(..) {
            leader_changed |= matches!(effect, raft::Effect::Became { leader: Some(_), .. });
            self.on_raft_effect(now, effect, out);
        }
        self.scratch = effects;
        if leader_changed {
            if Mistake::RetryUnproved.is_planted() {
                self.pending.unsend_before(self.raft.term());
            }
            self.submit(now, out);
        }
    }

    fn on_raft_effect(&mut self, now: Time, effect: raft::Effect, out: &mut Vec<Effect>) {
        let group = self.id;
        match effect {
            raft::Effect::Append { write, log, then } => {
                let then = then.into_iter().map(|(to, message)| (to, PeerMessage::Raft(message))).collect();
                out.push(Effect::Append { group, write, log, then });
            }
            raft::Effect::Send { to, message } => {
                out.push(Effect::Send { to, group, message: PeerMessage::Raft(message) });
            }
            raft::Effect::Apply { entries } => out.push(Effect::Apply { group, entries }),
            raft::Effect::ReadReady { id, .. } => {
                out.push(Effect::ReadReady { sequences: self.reads.finish(id).collect() });
            }
            raft::Effect::ReadRejected { id, reason } => self.on_read_rejected(now, id, reason, out),
            raft::Effect::Rejected { ids, reason } => self.on_rejected(now, &ids, reason, out),
            raft::Effect::ReadSnapshot { to, index, sequence } => {
                out.push(Effect::ReadSnapshot { group, to, index, sequence });
            }
            raft::Effect::StoreSnapshot { meta, sequence, data, last } => {
                out.push(Effect::StoreSnapshot {
                    group,
                    piece: SnapshotPiece { meta, sequence, data, last },
                });
            }
            raft::Effect::Became { role, term, leader } => {
                out.push(Effect::Became { group, role, term, leader });
            }
        }
    }

    fn on_read_rejected(&mut self, now: Time, id: raft::ReadId, reason: Rejection, out: &mut Vec<Effect>) {
        match reason {
            Rejection::NotLeader { .. } | Rejection::Transferring | Rejection::DiskFailed => {
                marks::READ_ASKED_AGAIN.reach();
                self.reads.wait_again(id);
                self.retry_at = Some(now + RETRY_INTERVAL);
            }
            Rejection::Overloaded => {
                marks::REFUSED_OVERLOADED.reach();
                for sequence in self.reads.finish(id) {
                    out.push(Effect::Fail { sequence, failure: RequestFailure::Overloaded });
                }
            }
        }
    }

    fn on_rejected(&mut self, now: Time, ids: &[ProposalId], reason: Rejection, out: &mut Vec<Effect>) {
        for id in ids.iter().filter(|id| id.origin == self.me && id.sequence != UNANSWERED) {
            match reason {
                Rejection::Overloaded => {
                    marks::REFUSED_OVERLOADED.reach();
                    if self.pending.remove(id.sequence) {
                        out.push(Effect::Fail { sequence: id.sequence, failure: RequestFailure::Overloaded });
                    }
                }
                Rejection::NotLeader { .. } | Rejection::Transferring | Rejection::DiskFailed => {
                    marks::REJECTED_AND_RETRIED.reach();
                    self.pending.unsend(id.sequence);
                    self.retry_at = Some(now + RETRY_INTERVAL);
                }
            }
        }
    }

    fn on_applied(
        &mut self,
        now: Time,
        index: LogIndex,
        term: Term,
        answered: &[u64],
        out: &mut Vec<Effect>,
    ) {
        for sequence in answered {
            let _ = self.pending.remove(*sequence);
        }
        if term > self.applied_term {
            self.applied_term = term;
            self.pending.unsend_before(term);
        }
        self.raft_step(now, raft::Input::Applied { index }, out);
        if Mistake::CompactBeforeDurable.is_planted() {
            self.on_durable(now, index, out);
        }
        if self.pending.has_unsent() && self.retry_at.is_none() {
            self.submit(now, out);
        }
    }

    fn on_checkpoint(&mut self, index: LogIndex, hash: quorate_types::StateHash, out: &mut Vec<Effect>) {
        let verdict = self.checkpoints.note_ours(index, hash);
        self.on_comparison(verdict, out);
        if self.raft.role() == Role::Leader {
            let group = self.id;
            for to in self.raft.configuration().members().filter(|to| *to != self.me) {
                out.push(Effect::Send { to, group, message: PeerMessage::Checkpoint { index, hash } });
            }
        }
    }

    fn on_comparison(&mut self, verdict: Result<(), crate::checkpoint::Diverged>, out: &mut Vec<Effect>) {
        if let Err(diverged) = verdict
            && !self.diverged
        {
            self.diverged = true;
            out.push(Effect::Diverged { group: self.id, index: diverged.index });
        }
    }

    fn on_propose(&mut self, now: Time, command: Command, term: Term, out: &mut Vec<Effect>) {
        if self.raft.role() != Role::Leader || self.raft.term() != term || self.diverged {
            return;
        }
        let command = self.envelope(self.cluster_time_ns(now).unwrap_or(0), UNANSWERED, command);
        let id = ProposalId { origin: self.me, sequence: UNANSWERED };
        self.raft_step(now, raft::Input::Propose { proposals: vec![Proposal { id, command }] }, out);
    }

    fn on_durable(&mut self, now: Time, index: LogIndex, out: &mut Vec<Effect>) {
        self.raft_step(now, raft::Input::Compactable { index }, out);
        self.note_log_start(out);
    }

    fn on_snapshot_stored(&mut self, now: Time, index: LogIndex, sequence: u64, out: &mut Vec<Effect>) {
        let applied = self.raft.applied();
        self.raft_step(now, raft::Input::SnapshotStored { index, sequence }, out);
        if self.raft.applied() > applied {
            if Mistake::SnapshotProvesLoss.is_planted() {
                self.pending.unsend_before(Term(u64::MAX));
                self.submit(now, out);
            } else {
                self.give_up_sent(out);
            }
        }
        self.note_log_start(out);
    }

    /// Ends the requests whose outcomes can not be learned any more.
    fn give_up_sent(&mut self, out: &mut Vec<Effect>) {
        for sequence in self.pending.give_up_sent() {
            marks::GIVEN_UP_FOR_SNAPSHOT.reach();
            out.push(Effect::Fail { sequence, failure: RequestFailure::TimedOut });
        }
    }

    /// Tells the log when its start has moved.
    fn note_log_start(&mut self, out: &mut Vec<Effect>) {
        let start = self.raft.droppable_index();
        if start > self.log_start {
            self.log_start = start;
            out.push(Effect::CompactLog { group: self.id, upto: start });
        }
    }

    /// Without a disk this member takes no more entries, so nothing that is asked here can be learned to be done: not even what
    /// another leader does for it.
    fn on_disk_failed(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.disk_failed = true;
        self.raft_step(now, raft::Input::DiskFailed, out);
        self.expire(Time(u64::MAX), out);
    }

    /// A machine that applies nothing makes the log grow without end, and as a leader's it would hold up everybody: so the group takes no
    /// more writes, as if its disk had failed.
    fn on_machine_failed(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.on_disk_failed(now, out);
    }

    /// Ends the requests whose deadline has come.
    fn expire(&mut self, now: Time, out: &mut Vec<Effect>) {
        let unsent =
            if self.disk_failed { RequestFailure::DiskFailed } else { RequestFailure::TimedOutUnsent };
        for expired in self.pending.expire(now) {
            let (failure, mark) = if expired.may_be_done {
                (RequestFailure::TimedOut, marks::EXPIRED_MAYBE_DONE)
            } else {
                (unsent, marks::EXPIRED_UNSENT)
            };
            if !self.disk_failed {
                mark.reach();
            }
            out.push(Effect::Fail { sequence: expired.sequence, failure });
        }
        let reads = self.reads.expire(now).into_iter();
        out.extend(reads.map(|sequence| Effect::Fail { sequence, failure: unsent }));
    }

    fn on_tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.raft_step(now, raft::Input::Tick, out);
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.expire(now, out);
            let idle = self.pending.is_empty() && self.reads.is_empty();
            self.sweep_at = (!idle).then(|| now + SWEEP_INTERVAL);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = Some(now + RETRY_INTERVAL);
            self.submit(now, out);
        }
    }
}
