//! The execution side of one group: its key-value store, its watchers, and the answers to this node's clients.
//!
//! Entries come in committed and in order; each batch becomes one table commit, then one published view, then the answers, then
//! the watchers' events: so a client that has its answer reads its own write from the view at once.
//!
//! On the leader the machine also watches over leases. Their clock is the group's own (see [`quorate_kv::Stamped`]): a new leader
//! takes it up where the last entry of an earlier term left it, and from then on it advances with this node's clock. So it counts only time
//! in which the group was led, and never more than has passed; the other nodes' clocks, which may have run on while the log was idle, do
//! not matter. An expiry is proposed only after this leader has applied an entry of its own term, so all earlier renewals are known.

use crate::checkpoint::CHECKPOINT_INTERVAL;
use crate::envelope::{Envelope, UNANSWERED};
use crate::failure::MachineFailure;
use crate::input::SnapshotPiece;
use crate::marks;
use crate::upkeep::{Upkeep, UpkeepOptions};
use quorate_consensus::raft::{Entry, Payload, wire};
use quorate_kv::watch::{HubInput, StreamId, WatchHub, WatchMessage, WatchRequest};
use quorate_kv::{AlarmKind, Command, HistoryError, Kv, Outcome, Refusal, SnapshotWriter, View};
use quorate_table::Engine;
use quorate_types::mistake::Mistake;
use quorate_types::{LogIndex, NodeId, Revision, StateHash, Term, Time};
use std::sync::Arc;
use std::time::Duration;

/// At most so many leases are expired by one entry.
const MAX_EXPIRED_PER_ENTRY: usize = 1000;
/// How long a proposed expiry is waited for before it is proposed again.
const EXPIRY_RETRY: Duration = Duration::from_millis(500);
/// So much time a new leader lets pass uncounted: clients that could not renew get the chance to, and an entry that was taken before the
/// clock was known, and so carries no time, costs no lease any of its own.
const TAKEOVER_GRACE: Duration = Duration::from_millis(500);
/// While there are leases, the group's clock is written to the log at least so often: so much is forgotten if all nodes stop.
const CLOCK_INTERVAL: Duration = Duration::from_secs(5);
/// Rows of given-up history that are removed in one go.
const COMPACTION_SLICE_ROWS: usize = 500;
/// The pause between two such slices, so that clients' work comes first.
const COMPACTION_PAUSE: Duration = Duration::from_millis(2);

/// Something happened outside of the machine.
#[derive(Debug)]
pub enum MachineInput {
    /// Committed entries, following all earlier ones.
    Apply {
        /// See above.
        entries: Vec<Entry>,
    },
    /// This node began or ceased to lead.
    Role {
        /// The term.
        term: Term,
        /// Whether it leads in it.
        leads: bool,
    },
    /// A client opened a watch stream.
    OpenStream {
        /// Its name.
        stream: StreamId,
    },
    /// A client asked something on its watch stream.
    Watch {
        /// The stream.
        stream: StreamId,
        /// What it asks.
        request: WatchRequest,
    },
    /// A watch stream's messages were handed to its client.
    Consumed {
        /// The stream.
        stream: StreamId,
        /// How much of them.
        len_bytes: usize,
    },
    /// A watch stream ended.
    CloseStream {
        /// Its name.
        stream: StreamId,
    },
    /// A piece of the leader's state.
    StoreSnapshot {
        /// The piece.
        piece: SnapshotPiece,
    },
    /// Time has passed.
    Tick,
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The outcome; a refusal changed nothing.
    pub outcome: Result<Outcome, Refusal>,
    /// The store's revision right after it.
    pub revision: Revision,
    /// The term of its entry.
    pub term: Term,
    /// The position of its entry: a session that saw this answer reads nowhere before it.
    pub index: LogIndex,
}

/// Something that the machine wants done, in order.
#[derive(Debug)]
pub enum MachineEffect {
    /// From now on this is the newest view.
    Publish {
        /// See above.
        view: Arc<View>,
        /// Cluster time minus this node's time, in ns.
        clock_offset_ns: i64,
    },
    /// Answer a request of this node.
    Answer {
        /// Its number.
        sequence: u64,
        /// The answer.
        answer: Answer,
    },
    /// Tell the replication side: [`crate::Input::Applied`].
    Applied {
        /// Up to and including.
        index: LogIndex,
        /// The term of that entry.
        term: Term,
        /// The requests of this node that were among the entries.
        answered: Vec<u64>,
        /// As in [`MachineEffect::Publish`].
        clock_offset_ns: i64,
    },
    /// Tell the replication side: [`crate::Input::Checkpoint`].
    Checkpoint {
        /// After this entry.
        index: LogIndex,
        /// The state's hash.
        hash: StateHash,
    },
    /// Tell the replication side: [`crate::Input::Propose`].
    Propose {
        /// What.
        command: Command,
        /// Only in this term.
        term: Term,
    },
    /// Hand a message to a watch stream.
    Watch {
        /// The stream.
        stream: StreamId,
        /// The message.
        message: WatchMessage,
    },
    /// Tell the replication side: [`crate::Input::SnapshotStored`].
    SnapshotStored {
        /// Which snapshot.
        index: LogIndex,
        /// Which piece.
        sequence: u64,
    },
}

/// See the module.
pub struct Machine {
    me: NodeId,
    space: String,
    engine: Arc<dyn Engine>,
    kv: Kv,
    view: Arc<View>,
    hub: WatchHub,
    leading: Option<Term>,
    clock_offset_ns: i64,
    /// Whether the clock is this leadership's. Then all that is applied carries its own time, so it simply runs on.
    clock_leads: bool,
    expire_again_at: Option<Time>,
    clock_written_at: Time,
    compact_at: Option<Time>,
    upkeep: Upkeep,
    incoming: Option<SnapshotWriter>,
    deliveries: Vec<(StreamId, WatchMessage)>,
}

impl Machine {
    /// The machine of one group on node `me`, with its tables in `space` of `engine`.
    #[must_use]
    pub fn new(me: NodeId, space: &str, engine: Arc<dyn Engine>, kv: Kv, hub: WatchHub, now: Time) -> Self {
        let view = kv.view();
        let clock_offset_ns = offset(kv.cluster_time_ns(), now);
        Machine {
            me,
            space: space.to_owned(),
            engine,
            kv,
            view,
            hub,
            leading: None,
            clock_offset_ns,
            clock_leads: false,
            expire_again_at: None,
            clock_written_at: now,
            compact_at: Some(now),
            upkeep: Upkeep::new(me, &UpkeepOptions::default()),
            incoming: None,
            deliveries: Vec::new(),
        }
    }

    /// Says what this node does by itself while it leads; before the first step.
    pub fn set_upkeep(&mut self, options: &UpkeepOptions) {
        self.upkeep = Upkeep::new(self.me, options);
    }

    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.clone()
    }

    /// Waits, on the thread that calls it, until what is committed to the tables now is durable.
    #[must_use]
    pub fn persist_handle(&self) -> Arc<dyn quorate_table::Persist> {
        self.kv.persist_handle()
    }

    /// Cluster time minus this node's time, in ns.
    #[must_use]
    pub fn clock_offset_ns(&self) -> i64 {
        self.clock_offset_ns
    }

    /// How many watchers have yet to be sent events that have happened.
    #[must_use]
    pub fn slow_watchers(&self) -> usize {
        self.hub.slow_watchers()
    }

    /// Takes one input; appends what is to be done to `out`.
    ///
    /// # Errors
    /// [`MachineFailure`]; then the machine must not be used any more.
    pub fn step(
        &mut self,
        now: Time,
        input: MachineInput,
        out: &mut Vec<MachineEffect>,
    ) -> Result<(), MachineFailure> {
        match input {
            MachineInput::Apply { entries } => self.on_apply(now, entries, out)?,
            MachineInput::Role { term, leads } => {
                self.leading = leads.then_some(term);
                self.clock_leads = false;
                self.expire_again_at = None;
                self.clock_written_at = now;
            }
            MachineInput::OpenStream { stream } => self.hub_step(now, HubInput::Open { stream })?,
            MachineInput::Watch { stream, request } => {
                self.hub_step(now, HubInput::Request { stream, request })?;
            }
            MachineInput::Consumed { stream, len_bytes } => {
                self.hub_step(now, HubInput::Consumed { stream, len_bytes })?;
            }
            MachineInput::CloseStream { stream } => self.hub_step(now, HubInput::Close { stream })?,
            MachineInput::StoreSnapshot { piece } => self.on_store_snapshot(now, piece, out)?,
            MachineInput::Tick => self.on_tick(now, out)?,
        }
        self.keep_up(now, out);
        let deliveries = self.deliveries.drain(..);
        out.extend(deliveries.map(|(stream, message)| MachineEffect::Watch { stream, message }));
        Ok(())
    }

    /// When the machine next wants a [`MachineInput::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let lease = self.watching_term().and_then(|_| {
            let expiry = self.view.next_lease_expiry()?;
            let due = Time(expiry.saturating_add_signed(self.clock_offset_ns.saturating_neg()));
            let due = self.expire_again_at.map_or(due, |again| due.max(again));
            Some(due.min(self.clock_written_at + CLOCK_INTERVAL))
        });
        let deadlines = [lease, self.compact_at, self.upkeep.next_deadline(), self.hub.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Proposes what is due, if this node leads.
    fn keep_up(&mut self, now: Time, out: &mut Vec<MachineEffect>) {
        let term = self.watching_term();
        if let (Some(command), Some(term)) = (self.upkeep.step(now, &self.view, term.is_some()), term) {
            out.push(MachineEffect::Propose { command, term });
        }
    }

    fn hub_step(&mut self, now: Time, input: HubInput<'_>) -> Result<(), MachineFailure> {
        match self.hub.step(now, self.view.as_ref(), input, &mut self.deliveries) {
            Ok(()) => Ok(()),
            Err(HistoryError::Tables(source)) => Err(MachineFailure::Tables(source)),
            Err(HistoryError::Compacted { at }) => {
                unreachable!("the hub asks only for history from {at} on, which its view still has")
            }
        }
    }

    fn on_apply(
        &mut self,
        now: Time,
        entries: Vec<Entry>,
        out: &mut Vec<MachineEffect>,
    ) -> Result<(), MachineFailure> {
        let Some(last) = entries.last().map(|entry| (entry.index, entry.term)) else { return Ok(()) };
        let mut answers = Vec::new();
        let mut checkpoints = Vec::new();
        for entry in entries {
            let index = entry.index;
            self.apply_entry(entry, &mut answers)?;
            if index.0 % CHECKPOINT_INTERVAL == 0 {
                checkpoints.push(MachineEffect::Checkpoint { index, hash: self.kv.state_hash() });
            }
        }
        let committed = self.kv.commit()?;
        self.view = committed.view;
        let clock_offset_ns = self.set_clock(now);
        out.push(MachineEffect::Publish { view: self.view.clone(), clock_offset_ns });
        let answered = answers.iter().map(|(sequence, _)| *sequence).collect();
        out.extend(answers.into_iter().map(|(sequence, answer)| MachineEffect::Answer { sequence, answer }));
        out.push(MachineEffect::Applied { index: last.0, term: last.1, answered, clock_offset_ns });
        out.append(&mut checkpoints);
        self.hub_step(now, HubInput::Applied { events: &committed.events })?;
        if self.compact_at.is_none() && self.kv.has_garbage() {
            self.compact_at = Some(now + COMPACTION_PAUSE);
        }
        Ok(())
    }

    fn apply_entry(&mut self, entry: Entry, answers: &mut Vec<(u64, Answer)>) -> Result<(), MachineFailure> {
        let Entry { term, index, payload } = entry;
        match payload {
            Payload::NoOp => {
                self.kv.apply(index, term, None)?;
            }
            Payload::Configuration(configuration) => {
                let mut bytes = Vec::new();
                wire::encode_configuration(&configuration, &mut bytes);
                self.kv.set_configuration(bytes.into());
                self.kv.apply(index, term, None)?;
            }
            Payload::Command(bytes) => {
                let envelope = Envelope::decode(bytes)
                    .map_err(|source| MachineFailure::Undecodable { index, source })?;
                let applied = self.kv.apply(index, term, Some(&envelope.command))?;
                if envelope.id.origin == self.me && envelope.id.sequence != UNANSWERED {
                    let answer = Answer { outcome: applied.outcome, revision: applied.revision, term, index };
                    answers.push((envelope.id.sequence, answer));
                }
            }
        }
        Ok(())
    }

    fn on_tick(&mut self, now: Time, out: &mut Vec<MachineEffect>) -> Result<(), MachineFailure> {
        self.hub_step(now, HubInput::Tick)?;
        if self.compact_at.is_some_and(|at| at <= now) {
            let more = self.kv.compact_slice(COMPACTION_SLICE_ROWS)?;
            self.view = self.kv.commit()?.view;
            let clock_offset_ns = self.clock_offset_ns;
            out.push(MachineEffect::Publish { view: self.view.clone(), clock_offset_ns });
            self.compact_at = more.then(|| now + COMPACTION_PAUSE);
        }
        self.watch_over_leases(now, out);
        Ok(())
    }

    /// Sets the clock by what was just applied, and returns it.
    fn set_clock(&mut self, now: Time) -> i64 {
        let led = self.clock_leads;
        self.clock_leads = self.watching_term().is_some();
        if Mistake::LeaseClockLocal.is_planted() {
            self.clock_offset_ns = 0;
        } else if !self.clock_leads {
            self.clock_offset_ns = offset(self.kv.cluster_time_ns(), now);
        } else if !led {
            if self.view.next_lease_expiry().is_some() {
                marks::LEASES_TAKEN_OVER.reach();
            }
            self.clock_offset_ns = offset(self.kv.cluster_time_ns(), now + TAKEOVER_GRACE);
        }
        self.clock_offset_ns
    }

    /// The term in which this node leads and has applied an entry, if it does.
    fn watching_term(&self) -> Option<Term> {
        self.leading.filter(|term| self.kv.applied().1 == *term)
    }

    fn watch_over_leases(&mut self, now: Time, out: &mut Vec<MachineEffect>) {
        let Some(term) = self.watching_term() else { return };
        // No lease ends in a store that takes no writes.
        if self.view.next_lease_expiry().is_none() || self.view.has_alarm(AlarmKind::Corrupt) {
            return;
        }
        let cluster_time_ns = now.0.saturating_add_signed(self.clock_offset_ns);
        if self.expire_again_at.is_none_or(|again| again <= now) {
            let leases = self.view.due_leases(cluster_time_ns, MAX_EXPIRED_PER_ENTRY);
            let waited = self.expire_again_at.take().is_some();
            if !leases.is_empty() {
                if waited {
                    marks::EXPIRY_PROPOSED_AGAIN.reach();
                }
                self.expire_again_at = Some(now + EXPIRY_RETRY);
                self.clock_written_at = now;
                let command = Command::LeaseExpire { leases, term: term.0 };
                out.push(MachineEffect::Propose { command, term });
            }
        }
        if now.since(self.clock_written_at) >= CLOCK_INTERVAL {
            marks::CLOCK_WRITTEN.reach();
            self.clock_written_at = now;
            out.push(MachineEffect::Propose { command: Command::Tick, term });
        }
    }

    fn on_store_snapshot(
        &mut self,
        now: Time,
        piece: SnapshotPiece,
        out: &mut Vec<MachineEffect>,
    ) -> Result<(), MachineFailure> {
        let SnapshotPiece { meta, sequence, data, last } = piece;
        if sequence == 0 {
            if self.incoming.is_some() {
                marks::SNAPSHOT_BEGUN_OVER.reach();
            }
            self.incoming = Some(SnapshotWriter::new(self.engine.stage(&self.space)?));
        }
        let Some(incoming) = &mut self.incoming else {
            // A restart lost the first pieces: without an answer the leader begins again.
            return Ok(());
        };
        let _ = incoming.store(&data).map_err(MachineFailure::Snapshot)?;
        if last {
            let writer = self.incoming.take().expect("it was there a moment ago");
            let staged = writer.finish().map_err(MachineFailure::Snapshot)?;
            let tables = self.engine.promote(&self.space, staged)?;
            self.kv = Kv::open(tables).map_err(MachineFailure::Reopen)?;
            assert_eq!(self.kv.applied(), (meta.index, meta.term), "a snapshot says where it stands");
            self.view = self.kv.view();
            self.compact_at = Some(now + COMPACTION_PAUSE);
            let clock_offset_ns = self.set_clock(now);
            out.push(MachineEffect::Publish { view: self.view.clone(), clock_offset_ns });
            // The hub finds its revision behind the view's, and reads what lies between from the history.
            self.hub_step(now, HubInput::Applied { events: &[] })?;
        }
        out.push(MachineEffect::SnapshotStored { index: meta.index, sequence });
        Ok(())
    }
}

/// Cluster time minus `now`.
fn offset(cluster_time_ns: u64, now: Time) -> i64 {
    i64::try_from(i128::from(cluster_time_ns) - i128::from(now.0)).unwrap_or(i64::MAX)
}
