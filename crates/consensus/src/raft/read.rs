//! Linearizable reads without writing to the log.
//!
//! Problem: a leader may have been replaced without knowing, so its state may be old. Idea: note the commit index, then let
//! a quorum confirm with one round of heartbeats that no newer leader is known; all reads that came meanwhile share the next
//! round, which starts as soon as the one under way is confirmed. A follower asks the leader for such an index. With leases
//! (opt-in), a round that a quorum confirmed lately stands in for a new one.
//!
//! **Invariant:** an index handed to a read is at least the commit index of any leader at the moment the read was asked.
//!
//! Source: dissertation §6.4 (read index), §6.4.1 (leases), Raft §8 (a leader's first entry must be committed).

use super::Raft;
use super::input::Effect;
use super::marks;
use super::message::{Body, ReadId, Rejection};
use super::progress::Progress;
use quorate_types::{LogIndex, Mistake, NodeId, Rng, Time};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Batches that a follower may have asked its leader for and that are unanswered; further reads gather in the next.
const MAX_ASKED_BATCHES: usize = 8;
/// Rounds whose moment of sending is remembered, for leases. A confirmation of an older one renews no lease.
const MAX_REMEMBERED_ROUNDS: usize = 256;

/// Who waits for a read index on the leader.
#[derive(Clone, Copy)]
pub(super) enum Waiter {
    /// This node's own clients.
    Local(ReadId),
    /// A follower's batch.
    Remote(NodeId, ReadId),
}

struct ReadRound {
    round: u64,
    index: LogIndex,
    waiters: Vec<Waiter>,
}

/// The leader's part.
pub(super) struct LeaderReads {
    /// Wait for the next round, or for the leadership's first commit.
    held: Vec<Waiter>,
    /// Rounds that reads depend on, oldest first.
    rounds: VecDeque<ReadRound>,
    /// The newest round of heartbeats; rounds without reads count too.
    newest: u64,
    /// When the newest rounds were sent; the last is `newest`.
    sent_at: VecDeque<Time>,
    /// Whether leadership may be handed over at any moment, so that no lease can be trusted.
    leases_are_void: bool,
    /// Whether a read was served by a lease already, so that the mark for it costs each leadership once.
    served_by_lease: bool,
}

impl LeaderReads {
    pub(super) fn new() -> Self {
        LeaderReads {
            held: Vec::new(),
            rounds: VecDeque::new(),
            newest: 0,
            sent_at: VecDeque::new(),
            leases_are_void: false,
            served_by_lease: false,
        }
    }

    /// A member was or will be told to start an election that ignores leases.
    pub(super) fn void_leases(&mut self) {
        self.leases_are_void = true;
    }

    fn len(&self) -> usize {
        self.held.len() + self.rounds.iter().map(|round| round.waiters.len()).sum::<usize>()
    }

    fn sent_at(&self, round: u64) -> Option<Time> {
        let age = usize::try_from(self.newest.checked_sub(round)?).ok()?;
        self.sent_at.get(self.sent_at.len().checked_sub(age + 1)?).copied()
    }
}

struct Batch {
    id: ReadId,
    reads: Vec<ReadId>,
    asked_at: Time,
}

/// Every member's part.
pub(super) struct Reads {
    /// Not asked for yet.
    queued: Vec<ReadId>,
    /// Asked of the leader.
    asked: VecDeque<Batch>,
    /// Drawn at start, so that an answer to an earlier life finds nothing.
    next_batch: u64,
    /// Confirmed; the machine has yet to apply that far.
    confirmed: BTreeSet<(LogIndex, ReadId)>,
    /// Since when no leader has been known, if none is.
    pub(super) leaderless_since: Time,
}

impl Reads {
    pub(super) fn new(rng: &mut Rng, now: Time) -> Self {
        Reads {
            queued: Vec::new(),
            asked: VecDeque::new(),
            next_batch: rng.next_u64(),
            confirmed: BTreeSet::new(),
            leaderless_since: now,
        }
    }

    /// The leadership is over: its local reads wait for the next leader, other members ask again by themselves.
    pub(super) fn take_back(&mut self, reads: LeaderReads) {
        if reads.len() > 0 {
            marks::READ_TAKEN_BACK.reach();
        }
        let waiters = reads.rounds.into_iter().flat_map(|round| round.waiters).chain(reads.held);
        self.queued.extend(waiters.filter_map(|waiter| match waiter {
            Waiter::Local(id) => Some(id),
            Waiter::Remote(..) => None,
        }));
    }

    fn len(&self) -> usize {
        let asked: usize = self.asked.iter().map(|batch| batch.reads.len()).sum();
        self.queued.len() + asked + self.confirmed.len()
    }

    fn drain_unconfirmed(&mut self) -> Vec<ReadId> {
        let asked = self.asked.drain(..).flat_map(|batch| batch.reads);
        asked.chain(self.queued.drain(..)).collect()
    }
}

impl Raft {
    fn reads_are_full(&self) -> bool {
        let led = self.leadership.as_ref().map_or(0, |leadership| leadership.reads.len());
        self.reads.len() + led >= self.config.max_pending_reads
    }

    fn is_leaderless_too_long(&self) -> bool {
        self.leader.is_none() && self.now >= self.reads.leaderless_since + self.config.election_timeout_max
    }

    pub(super) fn on_read(&mut self, id: ReadId, out: &mut Vec<Effect>) {
        let refusal = if self.disk.has_failed() {
            Some(Rejection::DiskFailed)
        } else if self.reads_are_full() {
            marks::READ_OVERLOADED.reach();
            Some(Rejection::Overloaded)
        } else if self.is_leaderless_too_long() {
            Some(Rejection::NotLeader { leader: None })
        } else {
            None
        };
        if let Some(reason) = refusal {
            out.push(Effect::ReadRejected { id, reason });
        } else if self.leadership.is_some() {
            self.lead_read(Waiter::Local(id), out);
        } else {
            self.reads.queued.push(id);
            self.ask_for_reads(out);
        }
    }

    pub(super) fn on_read_index(&mut self, from: NodeId, id: ReadId, out: &mut Vec<Effect>) {
        if self.leadership.is_none() || self.reads_are_full() {
            return self.send(from, Body::ReadIndexReply { id, index: None }, out);
        }
        self.lead_read(Waiter::Remote(from, id), out);
    }

    fn lead_read(&mut self, waiter: Waiter, out: &mut Vec<Effect>) {
        if self.has_read_lease() {
            self.mark_first_lease_read();
            return self.confirm_read(waiter, self.commit, out);
        }
        let leadership = self.leadership.as_mut().expect("only a leader confirms reads");
        if Mistake::ReadWithoutRound.is_planted() && leadership.knows_commit(self.commit) {
            return self.confirm_read(waiter, self.commit, out);
        }
        if !leadership.knows_commit(self.commit) {
            marks::READ_BEFORE_FIRST_COMMIT.reach();
        }
        leadership.reads.held.push(waiter);
        self.start_read_round_if_needed(out);
    }

    fn mark_first_lease_read(&mut self) {
        if let Some(leadership) = &mut self.leadership
            && !std::mem::replace(&mut leadership.reads.served_by_lease, true)
        {
            marks::LEASE_SERVED.reach();
        }
    }

    /// Starts a round for the reads that wait, unless one is under way or the commit index may be behind.
    pub(super) fn start_read_round_if_needed(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = &self.leadership else { return };
        let reads = &leadership.reads;
        if leadership.knows_commit(self.commit) && reads.rounds.is_empty() && !reads.held.is_empty() {
            self.start_round(out);
        }
    }

    /// Sends heartbeats to everyone. All reads that wait join this round.
    pub(super) fn start_round(&mut self, out: &mut Vec<Effect>) {
        let (commit, now) = (self.commit, self.now);
        let Some(leadership) = &mut self.leadership else { return };
        let knows_commit = leadership.knows_commit(commit);
        let reads = &mut leadership.reads;
        reads.newest += 1;
        if reads.sent_at.len() == MAX_REMEMBERED_ROUNDS {
            reads.sent_at.pop_front();
        }
        reads.sent_at.push_back(now);
        let round = reads.newest;
        if knows_commit && !reads.held.is_empty() {
            let waiters = std::mem::take(&mut reads.held);
            reads.rounds.push_back(ReadRound { round, index: commit, waiters });
        }
        let term = self.hard_state.term;
        for (to, progress) in &mut leadership.progress {
            let mut known = commit.min(progress.matched());
            if Mistake::CommitBeyondMatched.is_planted() {
                known = commit;
            }
            progress.commit_sent = progress.commit_sent.max(known);
            let body = Body::Heartbeat { commit: known, round };
            out.push(Effect::Send { to: *to, message: super::Message { term, body } });
        }
        self.confirm_rounds(out);
    }

    pub(super) fn on_heartbeat_reply(&mut self, from: NodeId, round: u64, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(leadership) = &mut self.leadership else { return };
        let sent_at = leadership.reads.sent_at(round);
        let Some(progress) = leadership.progress.get_mut(&from) else { return };
        assert!(round <= leadership.reads.newest, "{from} confirms a round that was never sent");
        progress.heard_at = now;
        if round > progress.confirmed_round {
            progress.confirmed_round = round;
            progress.confirmed_sent_at = progress.confirmed_sent_at.max(sent_at.unwrap_or_default());
            self.confirm_rounds(out);
        }
    }

    /// Serves the reads of all rounds that a quorum confirmed, and starts the next round if reads wait.
    fn confirm_rounds(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = &mut self.leadership else { return };
        if leadership.reads.rounds.is_empty() {
            return;
        }
        let (own, newest) = (self.config.id, leadership.reads.newest);
        let round_of = |id: NodeId| {
            if id == own { newest } else { leadership.progress.get(&id).map_or(0, |p| p.confirmed_round) }
        };
        let confirmed = self.log.configuration().agreed(round_of).unwrap_or(0);
        let rounds = &mut leadership.reads.rounds;
        let done = rounds.iter().take_while(|round| round.round <= confirmed).count();
        let done: Vec<ReadRound> = rounds.drain(..done).collect();
        for round in done {
            if round.round < confirmed {
                marks::READ_CONFIRMED_LATER.reach();
            }
            for waiter in round.waiters {
                self.confirm_read(waiter, round.index, out);
            }
        }
        self.start_read_round_if_needed(out);
    }

    /// No newer leader existed when this read was asked.
    fn confirm_read(&mut self, waiter: Waiter, index: LogIndex, out: &mut Vec<Effect>) {
        match waiter {
            Waiter::Remote(to, id) => self.send(to, Body::ReadIndexReply { id, index: Some(index) }, out),
            Waiter::Local(id) if index <= self.apply.applied() || Mistake::ReadBeforeApplied.is_planted() => {
                out.push(Effect::ReadReady { id, index });
            }
            Waiter::Local(id) => {
                self.reads.confirmed.insert((index, id));
            }
        }
    }

    /// Whether no other leader can exist yet: a quorum that heard this one lately elects nobody until its shortest election
    /// timeout is over, and that takes at least this long on the leader's clock.
    fn has_read_lease(&self) -> bool {
        let (Some(drift_ppm), Some(leadership)) = (self.config.lease_reads, &self.leadership) else {
            return false;
        };
        if !leadership.knows_commit(self.commit) {
            return false;
        }
        if leadership.reads.leases_are_void {
            marks::LEASE_VOID.reach();
            return false;
        }
        let (own, now) = (self.config.id, self.now);
        let confirmed_at = |id: NodeId| {
            if id == own {
                now
            } else {
                leadership.progress.get(&id).map_or(Time(0), |progress: &Progress| progress.confirmed_sent_at)
            }
        };
        let Some(start) = self.log.configuration().agreed(confirmed_at) else { return false };
        // One clock may run fast while the other runs slow.
        let trusted_ppm = 1_000_000 - 2 * u64::from(drift_ppm);
        let mut term_nanos =
            self.config.election_timeout_min.as_nanos() * u128::from(trusted_ppm) / 1_000_000;
        if Mistake::LeaseTooLong.is_planted() {
            term_nanos = 2 * self.config.election_timeout_max.as_nanos();
        }
        if start > Time(0) && now >= start + Duration::from_nanos(term_nanos as u64) {
            marks::LEASE_ENDED.reach();
            return false;
        }
        start > Time(0)
    }

    /// Asks the leader for an index for the reads that wait, as far as the bound on batches allows.
    fn ask_for_reads(&mut self, out: &mut Vec<Effect>) {
        let Some(leader) = self.leader.filter(|leader| *leader != self.config.id) else { return };
        if self.reads.queued.is_empty() || self.reads.asked.len() >= MAX_ASKED_BATCHES {
            return;
        }
        let id = ReadId(self.reads.next_batch);
        self.reads.next_batch = self.reads.next_batch.wrapping_add(1);
        let reads = std::mem::take(&mut self.reads.queued);
        self.reads.asked.push_back(Batch { id, reads, asked_at: self.now });
        self.send(leader, Body::ReadIndex { id }, out);
    }

    /// A leader was found: what an earlier one left unanswered is asked of it.
    pub(super) fn ask_reads_again(&mut self, out: &mut Vec<Effect>) {
        let Some(leader) = self.leader else { return };
        let now = self.now;
        let unanswered = self.reads.asked.iter_mut().map(|batch| {
            batch.asked_at = now;
            batch.id
        });
        for id in unanswered.collect::<Vec<_>>() {
            marks::READ_ASKED_OF_NEXT_LEADER.reach();
            self.send(leader, Body::ReadIndex { id }, out);
        }
        self.ask_for_reads(out);
    }

    pub(super) fn on_read_index_reply(&mut self, id: ReadId, index: Option<LogIndex>, out: &mut Vec<Effect>) {
        // Without an index the batch stays and is asked for again in a heartbeat's time.
        let Some(index) = index else { return };
        let Some(position) = self.reads.asked.iter().position(|batch| batch.id == id) else { return };
        let batch = self.reads.asked.remove(position).expect("it was found there");
        for read in batch.reads {
            self.confirm_read(Waiter::Local(read), index, out);
        }
        self.ask_for_reads(out);
    }

    /// This member leads now: its reads need no message.
    pub(super) fn take_over_reads(&mut self, out: &mut Vec<Effect>) {
        for id in self.reads.drain_unconfirmed() {
            self.lead_read(Waiter::Local(id), out);
        }
    }

    /// The machine has applied further.
    pub(super) fn serve_applied_reads(&mut self, out: &mut Vec<Effect>) {
        while let Some((index, id)) = self.reads.confirmed.first().copied() {
            if index > self.apply.applied() {
                break;
            }
            self.reads.confirmed.pop_first();
            out.push(Effect::ReadReady { id, index });
        }
    }

    /// When the reads of a member that does not lead need attention.
    pub(super) fn reads_deadline(&self) -> Option<Time> {
        let Some(_) = self.leader else {
            let waits = !self.reads.asked.is_empty() || !self.reads.queued.is_empty();
            return waits.then_some(self.reads.leaderless_since + self.config.election_timeout_max);
        };
        self.reads.asked.iter().map(|batch| batch.asked_at + self.config.heartbeat_interval).min()
    }

    /// Asks again for what stayed unanswered; gives up where nobody leads.
    pub(super) fn on_reads_tick(&mut self, out: &mut Vec<Effect>) {
        if self.is_leaderless_too_long() {
            return self.reject_unconfirmed_reads(Rejection::NotLeader { leader: None }, out);
        }
        let Some(leader) = self.leader.filter(|_| self.leadership.is_none()) else { return };
        let (now, interval) = (self.now, self.config.heartbeat_interval);
        let overdue = self.reads.asked.iter_mut().filter(|batch| now >= batch.asked_at + interval);
        let overdue = overdue.map(|batch| {
            batch.asked_at = now;
            batch.id
        });
        for id in overdue.collect::<Vec<_>>() {
            marks::READ_ASKED_AGAIN.reach();
            self.send(leader, Body::ReadIndex { id }, out);
        }
    }

    fn reject_unconfirmed_reads(&mut self, reason: Rejection, out: &mut Vec<Effect>) {
        let ids = self.reads.drain_unconfirmed();
        if !ids.is_empty() && matches!(reason, Rejection::NotLeader { .. }) {
            marks::READ_REJECTED_WITHOUT_LEADER.reach();
        }
        out.extend(ids.into_iter().map(|id| Effect::ReadRejected { id, reason }));
    }

    /// Nothing will be applied any more.
    pub(super) fn reject_all_reads(&mut self, reason: Rejection, out: &mut Vec<Effect>) {
        self.reject_unconfirmed_reads(reason, out);
        let confirmed = std::mem::take(&mut self.reads.confirmed);
        out.extend(confirmed.into_iter().map(|(_, id)| Effect::ReadRejected { id, reason }));
    }
}
