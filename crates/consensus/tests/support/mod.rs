//! A group whose every message and write is moved by hand.
//!
//! The clock moves only when a member's timer is fired; messages wait until they are delivered; disks write at once unless they are
//! held; machines apply at once.

#![expect(dead_code, reason = "each test file uses its own part")]

pub mod lone;
pub mod text;

use quorate_consensus::raft::{
    Config, Configuration, Effect, Entry, HardState, Input, LogWrite, Message, Payload, Proposal, ProposalId,
    Raft, ReadId, Restored, Role, SnapshotMeta, WriteId,
};
use quorate_types::{Bytes, LogIndex, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Far more rounds of delivery than any exchange takes: a group that still talks then talks without end.
const MAX_DELIVERIES: usize = 10_000;

/// A write under way: its name, what it writes, and what may be sent after it.
type Write = (WriteId, LogWrite, Vec<(NodeId, Message)>);

/// What a member's disk holds, what it is asked to, and whether it does.
#[derive(Default)]
pub struct Disk {
    pub hard_state: HardState,
    pub snapshot: SnapshotMeta,
    pub entries: Vec<Entry>,
    pub writes: VecDeque<Write>,
    pub is_held: bool,
}

impl Disk {
    fn write(&mut self, log: &LogWrite) {
        if let Some(meta) = &log.reset {
            (self.snapshot, self.entries) = (meta.clone(), Vec::new());
        }
        self.hard_state = log.hard_state.unwrap_or(self.hard_state);
        if let Some(first) = log.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
            self.entries.extend(log.entries.iter().cloned());
        }
    }
}

/// One member and what surrounds it.
pub struct Member {
    pub raft: Option<Raft>,
    pub disk: Disk,
    /// The commands applied, and the position of the last entry.
    pub applied: Vec<Entry>,
    pub table: Vec<Entry>,
    /// What its clients were told, in words.
    pub answers: Vec<String>,
    pub config: Config,
}

pub struct Cluster {
    pub members: BTreeMap<NodeId, Member>,
    pub network: VecDeque<(NodeId, NodeId, Message)>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub now: Time,
    configuration: Configuration,
    seed: u64,
    sequence: u64,
    /// Everything sent and answered since it was last taken, in words.
    pub trace: String,
}

pub fn id(id: u64) -> NodeId {
    NodeId(id)
}

impl Cluster {
    pub fn of_voters(count: u64) -> Cluster {
        Cluster::new(&Configuration::of_voters((1..=count).map(NodeId).collect()), |_| ())
    }

    pub fn new(configuration: &Configuration, change: impl Fn(&mut Config)) -> Cluster {
        let mut cluster = Cluster {
            members: BTreeMap::new(),
            network: VecDeque::new(),
            cut: BTreeSet::new(),
            now: Time::from_millis(1000),
            configuration: configuration.clone(),
            seed: 0,
            sequence: 0,
            trace: String::new(),
        };
        for id in configuration.members() {
            let mut config = Config::new(id);
            change(&mut config);
            let snapshot = SnapshotMeta { configuration: configuration.clone(), ..SnapshotMeta::default() };
            let disk = Disk { snapshot, ..Disk::default() };
            let member = Member {
                raft: None,
                disk,
                applied: Vec::new(),
                table: Vec::new(),
                answers: Vec::new(),
                config,
            };
            cluster.members.insert(id, member);
            cluster.restart(id);
        }
        cluster
    }

    pub fn raft(&self, id: NodeId) -> &Raft {
        self.members[&id].raft.as_ref().expect("the member is up")
    }

    pub fn member(&mut self, id: NodeId) -> &mut Member {
        self.members.get_mut(&id).expect("the member exists")
    }

    pub fn leader(&self) -> Option<NodeId> {
        let leads = |member: &Member| member.raft.as_ref().is_some_and(|raft| raft.role() == Role::Leader);
        self.members.iter().find(|(_, member)| leads(member)).map(|(id, _)| *id)
    }

    pub fn step(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let raft = self.member(id).raft.as_mut().expect("the member is up");
        let mut effects = Vec::new();
        raft.step(now, input, &mut effects);
        raft.check_invariants();
        for effect in effects {
            self.execute(id, effect);
        }
    }

    fn execute(&mut self, id: NodeId, effect: Effect) {
        if let Some(line) = text::effect(id, &effect) {
            self.trace.push_str(&line);
        }
        match effect {
            Effect::Append { write, log, then } => {
                self.member(id).disk.writes.push_back((write, log, then));
                if !self.members[&id].disk.is_held {
                    self.persist(id);
                }
            }
            Effect::Send { to, message } => self.network.push_back((id, to, message)),
            Effect::Apply { entries } => {
                let index = entries.last().expect("a batch is never empty").index;
                self.member(id).applied.extend(entries);
                self.step(id, Input::Applied { index });
            }
            Effect::ReadReady { .. } | Effect::ReadRejected { .. } | Effect::Rejected { .. } => {
                let line = text::effect(id, &effect).expect("answers are shown");
                self.member(id).answers.push(line.trim().to_string());
            }
            Effect::ReadSnapshot { to, index, sequence } => self.read_snapshot(id, to, index, sequence),
            Effect::StoreSnapshot { meta, sequence, last, .. } => {
                if last {
                    self.member(id).applied = self.snapshot_source(&meta);
                }
                self.step(id, Input::SnapshotStored { index: meta.index, sequence });
            }
            Effect::Became { .. } => {}
        }
    }

    /// A snapshot has two pieces; what they say does not matter, as the receiver takes the state from the sender.
    fn read_snapshot(&mut self, from: NodeId, to: NodeId, index: Option<LogIndex>, sequence: u64) {
        let Some(last) = self.members[&from].applied.last() else {
            return self.step(from, Input::SnapshotReadFailed { to });
        };
        let configuration = self.configuration.clone();
        let meta = SnapshotMeta { index: last.index, term: last.term, configuration };
        let input = if index.is_none_or(|index| index == meta.index) {
            Input::SnapshotRead {
                to,
                meta,
                sequence,
                data: Bytes::from_static(b"piece"),
                last: sequence == 1,
            }
        } else {
            Input::SnapshotReadFailed { to }
        };
        self.step(from, input);
    }

    fn snapshot_source(&self, meta: &SnapshotMeta) -> Vec<Entry> {
        let has_all = |member: &&Member| member.applied.last().is_some_and(|last| last.index >= meta.index);
        let source = self.members.values().find(has_all).expect("somebody sent it");
        source.applied.iter().filter(|entry| entry.index <= meta.index).cloned().collect()
    }

    /// Makes everything that `id` has written durable.
    pub fn persist(&mut self, id: NodeId) {
        while let Some((write, log, then)) = self.member(id).disk.writes.pop_front() {
            self.member(id).disk.write(&log);
            for (to, message) in then {
                self.trace.push_str(&text::message(id, to, &message));
                self.network.push_back((id, to, message));
            }
            self.step(id, Input::Persisted { write });
        }
    }

    /// Moves the clock to the timer of `id` and fires it.
    pub fn tick(&mut self, id: NodeId) {
        self.now = self.now.max(self.raft(id).next_deadline().expect("there is always a timer"));
        self.step(id, Input::Tick);
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Delivers, in order, the messages that `wanted` picks, and those that follow from them, until none is left.
    pub fn deliver_where(&mut self, wanted: impl Fn(NodeId, NodeId) -> bool) {
        for _ in 0..MAX_DELIVERIES {
            let Some(position) = self.network.iter().position(|(from, to, _)| wanted(*from, *to)) else {
                return;
            };
            let (from, to, message) = self.network.remove(position).expect("it was found there");
            let is_up = self.members.get(&to).is_some_and(|member| member.raft.is_some());
            if is_up && !self.cut.contains(&(from, to)) {
                self.step(to, Input::Message { from, message });
            }
        }
        panic!("the group never falls silent");
    }

    pub fn deliver(&mut self) {
        self.deliver_where(|_, _| true);
    }

    pub fn drop_where(&mut self, unwanted: impl Fn(NodeId, NodeId) -> bool) {
        self.network.retain(|(from, to, _)| !unwanted(*from, *to));
    }

    /// Makes `id` leader by its own election timeout, and lets everybody know.
    pub fn elect(&mut self, id: NodeId) {
        let timeout = self.raft(id).config().election_timeout_max;
        self.wait(timeout);
        self.tick(id);
        self.deliver();
        assert_eq!(self.leader(), Some(id), "{id} was elected");
    }

    /// Stops `id` from hearing and being heard.
    pub fn isolate(&mut self, id: NodeId) {
        for other in self.members.keys().copied().collect::<Vec<_>>() {
            self.cut.insert((id, other));
            self.cut.insert((other, id));
        }
    }

    pub fn propose(&mut self, id: NodeId, command: &str) {
        self.sequence += 1;
        let proposal = Proposal {
            id: ProposalId { origin: id, sequence: self.sequence },
            command: Bytes::copy_from_slice(command.as_bytes()),
        };
        self.step(id, Input::Propose { proposals: vec![proposal] });
    }

    pub fn read(&mut self, id: NodeId, read: u64) {
        self.step(id, Input::Read { id: ReadId(read) });
    }

    /// The machine's tables are durable up to all that is applied; the log before may go.
    pub fn compact(&mut self, id: NodeId) {
        let member = self.member(id);
        member.table = member.applied.clone();
        let index = member.table.last().map_or(LogIndex(0), |entry| entry.index);
        self.step(id, Input::Compactable { index });
    }

    pub fn crash(&mut self, id: NodeId) {
        let member = self.member(id);
        member.raft = None;
        member.disk.writes.clear();
    }

    pub fn restart(&mut self, id: NodeId) {
        self.seed += 1;
        let (now, seed) = (self.now, self.seed);
        let member = self.member(id);
        member.applied = member.table.clone();
        let restored = Restored {
            hard_state: member.disk.hard_state,
            snapshot: member.disk.snapshot.clone(),
            entries: member.disk.entries.clone(),
            applied: member.applied.last().map_or(member.disk.snapshot.index, |entry| entry.index),
        };
        member.raft = Some(Raft::new(member.config.clone(), restored, now, seed));
    }

    /// The commands that `id` has applied, in order.
    pub fn commands(&self, id: NodeId) -> Vec<String> {
        let command = |entry: &Entry| match &entry.payload {
            Payload::Command(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Payload::NoOp | Payload::Configuration(_) => None,
        };
        self.members[&id].applied.iter().filter_map(command).collect()
    }

    pub fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }
}
