//! Raft: one log, kept equal on all members by a leader that they elect.
//!
//! Problem: a few members must agree on one sequence of commands although messages are lost, repeated and overtaken and members
//! crash. Idea: [`Raft`] is one member as a state machine without input or output: [`Raft::step`] takes what happened and
//! appends what is to be done. What must be durable before a message may leave says so in its type ([`Effect::Append`]).
//!
//! **Invariants:** at most one leader in a term; two logs that agree on an entry's index and term agree on all before it; a
//! leader's log holds every committed entry; what is applied anywhere at an index is applied everywhere at that index.
//!
//! Source: Ongaro, Ousterhout: "In Search of an Understandable Consensus Algorithm" (extended version; "Raft §n"); Ongaro:
//! "Consensus: Bridging Theory and Practice" ("dissertation §n"). Deviations stand in each file and in `docs/protocols/raft.md`.

mod apply;
mod config;
mod configuration;
mod disk;
mod election;
mod following;
mod input;
mod log;
mod marks;
mod message;
mod progress;
mod proposal;
mod read;
mod replication;
mod snapshot;
mod transfer;
pub mod wire;

pub use config::{Config, InvalidConfig, MAX_DRIFT_PPM};
pub use configuration::Configuration;
pub use input::{Effect, Input, LogWrite, Restored, Role, WriteId};
pub use marks::ALL as MARKS;
pub use message::{
    Body, Entry, ForwardId, HardState, Message, Payload, Proposal, ProposalId, ReadId, Rejection,
    SnapshotMeta,
};
pub use progress::{Progress, ProgressState};

use apply::ApplyQueue;
use disk::Disk;
use election::Election;
use following::Following;
use log::Log;
use proposal::Forwards;
use quorate_types::{LogIndex, Mistake, NodeId, Rng, Term, Time};
use read::Reads;
use replication::Leadership;
use snapshot::IncomingSnapshot;

/// One member of one group.
///
/// **Invariant:** `leadership` is there exactly while `role` is [`Role::Leader`]; term and commit index never fall.
pub struct Raft {
    config: Config,
    rng: Rng,
    /// The latest moment that any step was told.
    now: Time,
    hard_state: HardState,
    role: Role,
    leader: Option<NodeId>,
    /// What the last [`Effect::Became`] said.
    announced: (Role, Term, Option<NodeId>),
    log: Log,
    disk: Disk,
    commit: LogIndex,
    apply: ApplyQueue,
    election: Election,
    following: Following,
    leadership: Option<Leadership>,
    reads: Reads,
    forwards: Forwards,
    incoming: Option<IncomingSnapshot>,
}

impl Raft {
    /// A member as it stands after a start or restart. `seed` must differ from one start to the next.
    ///
    /// If `restored.snapshot` is ahead of the restored entries, or disagrees with them, they are dropped and the first step
    /// resets the log on disk: so a crash between storing a snapshot and resetting the log heals itself. `restored.applied`
    /// may be ahead of the log.
    ///
    /// # Panics
    /// If `config` is not valid or the machine is behind the log's first position: then entries are missing for good.
    #[must_use]
    pub fn new(config: Config, restored: Restored, now: Time, seed: u64) -> Raft {
        assert_eq!(config.validate(), Ok(()), "the configuration was checked by the caller");
        assert!(restored.applied >= restored.snapshot.index, "the log reaches back to what is applied");
        let mut rng = Rng::new(seed);
        let commit = restored.snapshot.index;
        let (log, needs_reset) = restore_log(restored.snapshot, restored.entries);
        let mut disk = Disk::new(log.last_index());
        if restored.applied > log.last_index() {
            marks::MACHINE_AHEAD_OF_LOG.reach();
        }
        if needs_reset {
            marks::LOG_RESET_AT_START.reach();
            disk.stage_reset(log.snapshot().clone());
        }
        let mut following = Following::default();
        following.reset(commit);
        let mut raft = Raft {
            announced: (Role::Follower, restored.hard_state.term, None),
            apply: ApplyQueue::new(restored.applied),
            election: Election::new(now, now, config.lease_reads.is_some()),
            reads: Reads::new(&mut rng, now),
            forwards: Forwards::new(&mut rng),
            hard_state: restored.hard_state,
            role: Role::Follower,
            leader: None,
            leadership: None,
            incoming: None,
            config,
            rng,
            now,
            log,
            disk,
            commit,
            following,
        };
        raft.role = raft.passive_role();
        raft.restart_election_timer();
        if raft.log.configuration().has_quorum(|voter| voter == raft.config.id) {
            // Nobody else can lead: there is nothing to wait for.
            raft.election.deadline = now;
        }
        raft
    }

    /// Takes in one thing that happened and appends to `out` what is to be done.
    ///
    /// # Panics
    /// If an assertion about this member's own state, or a promise of the driver or of another member, is broken.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        let (term, commit) = (self.hard_state.term, self.commit);
        match input {
            Input::Message { from, message } => self.on_message(from, message, out),
            Input::Propose { proposals } => self.on_propose(proposals, out),
            Input::Read { id } => self.on_read(id, out),
            Input::Persisted { write } => self.on_persisted(write, out),
            Input::DiskFailed => self.on_disk_failed(out),
            Input::Applied { index } => self.on_applied(index, out),
            Input::Compactable { index } => self.on_compactable(index),
            Input::SnapshotRead { to, meta, sequence, data, last } => {
                self.on_snapshot_read(to, meta, (sequence, data, last), out);
            }
            Input::SnapshotReadFailed { to } => self.on_snapshot_read_failed(to),
            Input::SnapshotStored { index, sequence } => self.on_snapshot_stored(index, sequence, out),
            Input::TransferLeadership { to } => self.on_transfer_leadership(to, out),
            Input::Tick => self.on_tick(out),
        }
        self.disk.flush(self.now, self.hard_state, &self.log, out);
        self.announce(out);
        let keeps_commit = self.commit >= commit || Mistake::SnapshotOverNewer.is_planted();
        assert!(self.hard_state.term >= term && keeps_commit, "term and commit index never fall");
        assert_eq!(self.leadership.is_some(), self.role == Role::Leader, "only a leader has a leadership");
    }

    /// When [`Input::Tick`] is wanted next; `None` never happens while the member works.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let Some(leadership) = &self.leadership else {
            return [Some(self.election.deadline), self.reads_deadline()].into_iter().flatten().min();
        };
        let transfer = leadership.transfer.as_ref().map(|transfer| transfer.deadline);
        let stall = self.disk.oldest_started().map(|started| started + self.config.disk_stall_timeout);
        // A stall that was noticed already is looked at with each heartbeat.
        let stall = stall.filter(|at| *at > self.now);
        [Some(leadership.heartbeat_due), transfer, stall].into_iter().flatten().min()
    }

    fn on_tick(&mut self, out: &mut Vec<Effect>) {
        if self.leadership.is_some() {
            self.on_leader_tick(out);
        } else {
            if self.now >= self.election.deadline {
                self.on_election_timeout(out);
            }
            self.on_reads_tick(out);
        }
    }

    fn on_persisted(&mut self, write: WriteId, out: &mut Vec<Effect>) {
        if self.disk.has_failed() {
            return;
        }
        self.disk.on_persisted(write);
        self.on_own_vote_persisted(out);
        self.pay_owed_acknowledgement(out);
        self.advance_commit(out);
    }

    fn on_message(&mut self, from: NodeId, message: Message, out: &mut Vec<Effect>) {
        let Message { term, body } = message;
        match body {
            Body::PreVote { last_index, last_term } => {
                return self.on_pre_vote(from, term, (last_index, last_term), out);
            }
            Body::Vote { transfer, .. } if self.ignores_vote(term, transfer) => {
                return marks::VOTE_IGNORED_FOR_LEADER.reach();
            }
            _ if from == self.config.id => return,
            _ => {}
        }
        if term < self.hard_state.term && !Mistake::AcceptStaleTerm.is_planted() {
            return self.on_stale_message(from, &body, out);
        }
        if term > self.hard_state.term {
            self.become_follower(term);
        }
        self.on_current_message(from, body, out);
    }

    /// The sender lives in an older term. Those that believe to lead or to stand for election are told.
    fn on_stale_message(&mut self, from: NodeId, body: &Body, out: &mut Vec<Effect>) {
        match body {
            Body::Append { .. } | Body::Heartbeat { .. } | Body::SnapshotChunk { .. } => {
                self.send(from, Body::HeartbeatReply { round: 0 }, out);
            }
            Body::Vote { .. } => self.send(from, Body::VoteReply { granted: false }, out),
            _ => {}
        }
    }

    /// A message of this member's present term.
    fn on_current_message(&mut self, from: NodeId, body: Body, out: &mut Vec<Effect>) {
        if matches!(body, Body::Append { .. } | Body::Heartbeat { .. } | Body::SnapshotChunk { .. }) {
            self.follow(from, out);
        }
        match body {
            Body::PreVote { .. } => unreachable!("answered before the term was looked at"),
            Body::PreVoteReply { granted } => self.on_pre_vote_reply(from, granted),
            Body::Vote { last_index, last_term, .. } => self.on_vote(from, (last_index, last_term), out),
            Body::VoteReply { granted } => self.on_vote_reply(from, granted, out),
            Body::Append { previous_index, previous_term, entries, commit } => {
                self.on_append(from, (previous_index, previous_term), entries, commit, out);
            }
            Body::AppendAccepted { matched } => self.on_append_accepted(from, matched, out),
            Body::AppendRejected { rejected, hint_index, hint_term } => {
                self.on_append_rejected(from, rejected, (hint_index, hint_term), out);
            }
            Body::Heartbeat { commit, round } => self.on_heartbeat(from, commit, round, out),
            Body::HeartbeatReply { round } => self.on_heartbeat_reply(from, round, out),
            Body::SnapshotChunk { meta, sequence, data, last } => {
                self.on_snapshot_chunk(from, meta, (sequence, data, last), out);
            }
            Body::SnapshotProgress { index, next } => self.on_snapshot_progress(from, index, next, out),
            Body::Forward { forward, proposals } => self.on_forward(from, forward, proposals, out),
            Body::ForwardRejected { forward, ids, reason } => {
                self.on_forward_rejected(forward, ids, reason, out);
            }
            Body::ReadIndex { id } => self.on_read_index(from, id, out),
            Body::ReadIndexReply { id, index } => self.on_read_index_reply(id, index, out),
            Body::TimeoutNow => self.on_timeout_now(from),
        }
    }

    fn send(&self, to: NodeId, body: Body, out: &mut Vec<Effect>) {
        out.push(Effect::Send { to, message: Message { term: self.hard_state.term, body } });
    }

    fn announce(&mut self, out: &mut Vec<Effect>) {
        let present = (self.role, self.hard_state.term, self.leader);
        if present != self.announced {
            self.announced = present;
            let (role, term, leader) = present;
            out.push(Effect::Became { role, term, leader });
        }
    }
}

/// The log in memory as the disk and the machine's snapshot give it, and whether the disk's log must be reset to match it.
fn restore_log(snapshot: SnapshotMeta, entries: Vec<Entry>) -> (Log, bool) {
    let after = snapshot.index.next();
    let reaches_snapshot = match entries.iter().find(|entry| entry.index >= snapshot.index) {
        Some(entry) if entry.index == snapshot.index => entry.term == snapshot.term,
        Some(entry) => entry.index == after,
        None => entries.is_empty() && snapshot.index == LogIndex(0),
    };
    let mut log = Log::new(snapshot);
    if reaches_snapshot {
        for entry in entries.into_iter().filter(|entry| entry.index >= after) {
            log.append(entry);
        }
    }
    (log, !reaches_snapshot)
}

/// What an observer may see.
impl Raft {
    /// This member.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// How it behaves.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.hard_state.term
    }

    /// Its term and vote.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Who leads in its term, if known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// What it knows to be committed.
    #[must_use]
    pub fn commit(&self) -> LogIndex {
        self.commit
    }

    /// What its machine has applied.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.apply.applied()
    }

    /// The first position that it still holds, or would.
    #[must_use]
    pub fn first_index(&self) -> LogIndex {
        self.log.first_index()
    }

    /// The log on disk may drop its entries up to here: they are compacted away in memory, and no write that touches them or
    /// stands for them is still under way.
    #[must_use]
    pub fn droppable_index(&self) -> LogIndex {
        let compacted = self.first_index().previous();
        if compacted <= self.disk.durable() { compacted } else { LogIndex(0) }
    }

    /// The last position of its log.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.log.last_index()
    }

    /// Its log is on disk up to here.
    #[must_use]
    pub fn durable_index(&self) -> LogIndex {
        self.disk.durable()
    }

    /// The term of the entry at `index`; `None` if that is compacted away or not there yet.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.log.term_at(index)
    }

    /// The members, by the newest configuration in its log.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        self.log.configuration()
    }

    /// What a leader knows of the other members; nothing elsewhere.
    pub fn progress(&self) -> impl Iterator<Item = (NodeId, &Progress)> + '_ {
        self.leadership
            .iter()
            .flat_map(|leadership| &leadership.progress)
            .map(|(id, progress)| (*id, progress))
    }

    /// Bytes of entries that a leader has not committed yet; 0 elsewhere.
    #[must_use]
    pub fn uncommitted_bytes(&self) -> usize {
        self.leadership.as_ref().map_or(0, |leadership| leadership.uncommitted_bytes)
    }

    /// Whether the log can no longer be written.
    #[must_use]
    pub fn disk_has_failed(&self) -> bool {
        self.disk.has_failed()
    }

    /// Checks what must hold between any two steps; O(log). For tests and simulators.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        self.log.check_invariants();
        self.disk.check_invariants(self.last_index());
        assert!(self.first_index().previous() <= self.commit, "only committed entries are compacted");
        assert!(self.commit <= self.last_index(), "what is committed is in the log");
        assert!(self.applied() <= self.apply.emitted(), "only what was handed out is applied");
        assert!(self.following.verified() <= self.last_index(), "what was verified is in the log");
        assert!(self.log.last_term() <= self.term(), "no entry is of a term to come");
        assert_eq!(self.leadership.is_some(), self.role == Role::Leader, "only a leader has a leadership");
        if let Some(leadership) = &self.leadership {
            assert_eq!(self.leader, Some(self.id()), "a leader knows that it leads");
            assert!(leadership.no_op <= self.last_index(), "a leader starts with an entry of its own");
            for progress in leadership.progress.values() {
                progress.check_invariants(self.last_index());
            }
        }
    }
}
