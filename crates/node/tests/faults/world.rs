//! A whole cluster in one thread: virtual time, a bad network, bad disks, slow machines, clocks that start anywhere, and crashes.
//!
//! It plays the driver: carries out the effects of nodes and machines as the real one's threads do, each in its own time.

use super::clients::Clients;
use super::log::LogJob;
use super::member::{Member, kv_with};
use super::options::Options;
use super::oracle::Oracle;
use quorate_consensus::raft::{HardState, Role, SnapshotMeta};
use quorate_kv::{Kv, View};
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{
    CHECKPOINT_INTERVAL, Effect, GroupStatus, Input, MachineEffect, MachineInput, PeerMessage, RecoveredLog,
};
use quorate_table::MemoryTables;
use quorate_types::{Bytes, LogIndex, NodeId, Revision, Rng, Term, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const MS: u64 = 1_000_000;
/// Many times what any seed takes.
const MAX_STEPS: u64 = 1_000_000;
/// Invariants that cost more are checked once in so many steps.
const CHECK_EVERY: u64 = 16;

#[derive(Debug)]
pub enum Event {
    Message {
        to: NodeId,
        from: NodeId,
        message: PeerMessage,
    },
    /// Something that only concerns one life of a member.
    Of {
        to: NodeId,
        life: u64,
        what: Local,
    },
    Restart {
        to: NodeId,
    },
    /// Clients and faults strike.
    Strike,
}

#[derive(Debug)]
pub enum Local {
    /// Void if another tick has been scheduled since.
    Tick {
        at: Time,
    },
    MachineTick {
        at: Time,
    },
    LogDone,
    MachineDone,
    Report(Input),
    Crash,
    /// A client that has read a counter adds one to it.
    Increment {
        counter: u64,
        seen: Revision,
    },
    ReadSnapshot {
        to: NodeId,
        index: Option<LogIndex>,
        sequence: u64,
    },
}

/// What a run has met, to know that the world is not too kind.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub steps: u64,
    pub answers: u64,
    pub failures: u64,
    pub reads: u64,
    pub elections: u64,
    pub crashes: u64,
    pub snapshots: u64,
    pub resets: u64,
    pub checkpoints: u64,
    pub expired_leases: u64,
}

pub struct World {
    pub options: Options,
    pub rng: Rng,
    pub now: Time,
    pub events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    pub members: BTreeMap<NodeId, Member>,
    pub blocked: BTreeSet<(NodeId, NodeId)>,
    pub oracle: Oracle,
    pub clients: Clients,
    pub counts: Counts,
    /// A digest of everything that happened, to compare two runs.
    pub digest: u64,
}

/// A state just before a position at which replicas compare theirs, so that runs are short and yet meet one.
fn state_before_checkpoint(rng: &mut Rng) -> Arc<View> {
    let mut kv = Kv::open(Box::new(MemoryTables::new())).expect("memory");
    for index in 1..=CHECKPOINT_INTERVAL - rng.below(60) {
        kv.apply(LogIndex(index), Term(1), None).expect("memory");
    }
    kv.commit().expect("memory").view
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let options = Options::draw(&mut rng);
        let tables = if rng.chance(1, 2) {
            state_before_checkpoint(&mut rng)
        } else {
            Kv::open(Box::new(MemoryTables::new())).expect("memory").view()
        };
        let (index, term) = tables.applied();
        let snapshot = SnapshotMeta { index, term, configuration: options.configuration.clone() };
        let image =
            RecoveredLog { hard_state: HardState { term, vote: None }, snapshot, entries: Vec::new() };
        let member = |id| (id, Member::new(id, image.clone(), tables.clone()));
        let mut world = World {
            members: options.configuration.members().map(member).collect(),
            oracle: Oracle::new(kv_with(&tables)),
            options,
            rng,
            now: Time(0),
            events: BTreeMap::new(),
            next_event: 0,
            blocked: BTreeSet::new(),
            clients: Clients::default(),
            counts: Counts::default(),
            digest: seed,
        };
        for id in world.ids() {
            // Nodes of a new cluster are not started at once.
            let delay = world.rng.below(500 * MS);
            world.schedule(delay, Event::Restart { to: id });
        }
        world.schedule(0, Event::Strike);
        world
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.members.keys().copied().collect()
    }

    pub fn member(&mut self, id: NodeId) -> &mut Member {
        self.members.get_mut(&id).expect("members never leave")
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.members[&id].running.is_some()
    }

    pub fn status(&self, id: NodeId) -> Option<GroupStatus> {
        self.members[&id].running.as_ref()?.node.statuses().next()
    }

    pub fn schedule(&mut self, delay_ns: u64, event: Event) {
        self.events.insert((Time(self.now.0 + delay_ns), self.next_event), event);
        self.next_event += 1;
    }

    pub fn schedule_at(&mut self, to: NodeId, at: Time, what: Local) {
        let life = self.members[&to].life;
        self.schedule(at.0.saturating_sub(self.now.0), Event::Of { to, life, what });
    }

    /// Runs until nothing more happens before `until_ms`.
    pub fn run_until(&mut self, until_ms: u64) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > Time::from_millis(until_ms) {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.digest = self.digest.rotate_left(7) ^ at.0 ^ self.rng.clone().next_u64();
            self.handle(event);
        }
        self.now = Time::from_millis(until_ms);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Message { to, from, message } => {
                if self.is_up(to) {
                    self.step(to, Input::Peer { from, group: DEFAULT_GROUP, message });
                }
            }
            Event::Of { to, life, what } => {
                if self.is_up(to) && self.members[&to].life == life {
                    self.handle_local(to, what);
                }
            }
            Event::Restart { to } => {
                if !self.is_up(to) {
                    self.start(to);
                }
            }
            Event::Strike => self.strike(),
        }
    }

    fn handle_local(&mut self, id: NodeId, what: Local) {
        match what {
            Local::Tick { at } => {
                if self.member(id).up().tick_at == Some(at) {
                    self.member(id).up().tick_at = None;
                    self.step(id, Input::Tick);
                }
            }
            Local::MachineTick { at } => {
                if self.member(id).up().machine_tick_at == Some(at) {
                    self.member(id).up().machine_tick_at = None;
                    self.step_machine(id, MachineInput::Tick);
                }
            }
            Local::LogDone => self.finish_write(id),
            Local::MachineDone => self.finish_job(id),
            Local::Report(input) => self.step(id, input),
            Local::Crash => self.crash_later(id, 500),
            Local::Increment { counter, seen } => self.increment(id, counter, seen),
            Local::ReadSnapshot { to, index, sequence } => self.read_snapshot(id, to, (index, sequence)),
        }
    }

    pub fn start(&mut self, id: NodeId) {
        let (now, options) = (self.now, self.options.clone());
        let mut rng = self.rng.fork();
        let before = self.members[&id].log.image.snapshot.index;
        self.member(id).start(now, &options, &mut rng);
        self.counts.resets += u64::from(self.members[&id].log.image.snapshot.index > before);
        let view = self.member(id).up().view.clone();
        self.oracle.on_published(&view);
        self.schedule_ticks(id);
    }

    pub fn step(&mut self, id: NodeId, input: Input) {
        let now = self.members[&id].local(self.now);
        let node = &mut self.member(id).up().node;
        let mut effects = Vec::new();
        node.step(now, input, &mut effects);
        self.count_step();
        if self.counts.steps.is_multiple_of(CHECK_EVERY) {
            self.member(id).up().node.check_invariants();
        }
        for effect in effects {
            self.execute(id, effect);
        }
        if self.is_up(id) {
            self.schedule_ticks(id);
        }
    }

    fn count_step(&mut self) {
        self.counts.steps += 1;
        assert!(self.counts.steps < MAX_STEPS, "the cluster never falls silent");
    }

    fn schedule_ticks(&mut self, id: NodeId) {
        let now = self.now;
        let member = self.member(id);
        let running = member.running.as_ref().expect("it is up");
        let node_at = running.node.next_deadline().expect("there is always a timer");
        let machine_at = running.machine.as_ref().and_then(|machine| machine.next_deadline());
        let (node_at, machine_at) = (member.global(node_at), machine_at.map(|at| member.global(at)));
        let running = member.up();
        let at = node_at.max(now);
        let is_sooner = running.tick_at.is_none_or(|scheduled| at < scheduled);
        if is_sooner {
            running.tick_at = Some(at);
        }
        let machine_at = machine_at.map(|at| at.max(now));
        let machine_at =
            machine_at.filter(|at| running.machine_tick_at.is_none_or(|scheduled| *at < scheduled));
        if machine_at.is_some() {
            running.machine_tick_at = machine_at;
        }
        if is_sooner {
            self.schedule_at(id, at, Local::Tick { at });
        }
        if let Some(at) = machine_at {
            self.schedule_at(id, at, Local::MachineTick { at });
        }
    }

    fn execute(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Append { write, log, then, .. } => {
                self.queue_log(id, LogJob::Append { write, log, then });
            }
            Effect::CompactLog { upto, .. } => self.queue_log(id, LogJob::Compact { upto }),
            Effect::Send { to, message, .. } => self.send(id, to, &message),
            Effect::Apply { entries, .. } => self.queue_job(id, MachineInput::Apply { entries }),
            Effect::StoreSnapshot { piece, .. } => self.queue_job(id, MachineInput::StoreSnapshot { piece }),
            Effect::ReadReady { sequences } => {
                for sequence in sequences {
                    self.on_readable(id, sequence);
                }
            }
            Effect::Fail { sequence, failure } => {
                self.counts.failures += 1;
                if self.is_write(sequence) {
                    self.oracle.on_failed(sequence, failure);
                }
            }
            Effect::ReadSnapshot { to, index, sequence, .. } => {
                let at = Time(self.now.0 + 1000 * self.rng.below(self.options.max_apply_delay_us));
                self.schedule_at(id, at, Local::ReadSnapshot { to, index, sequence });
            }
            Effect::Became { role, term, .. } => {
                self.counts.elections += u64::from(role == Role::Leader);
                self.queue_job(id, MachineInput::Role { term, leads: role == Role::Leader });
            }
            Effect::Diverged { index, .. } => panic!("{id} believes to differ from its leader at {index}"),
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: &PeerMessage) {
        assert_ne!(from, to, "members do not write to themselves");
        let copies = 1 + u64::from(self.rng.chance(self.options.duplication, 1000));
        for _ in 0..copies {
            if self.blocked.contains(&(from, to)) || self.rng.chance(self.options.loss, 1000) {
                continue;
            }
            let is_slow = self.rng.chance(self.options.slow_message, 1000);
            let delay_us =
                self.rng.below(self.options.max_delay_us) + if is_slow { self.rng.below(800_000) } else { 0 };
            let message = if self.rng.chance(1, 16) { through_the_wire(message) } else { message.clone() };
            self.schedule(1000 * (50 + delay_us), Event::Message { to, from, message });
        }
    }

    fn queue_log(&mut self, id: NodeId, job: LogJob) {
        let delay = 1000 * self.rng.below(self.options.max_disk_delay_us);
        let now = self.now;
        let member = self.member(id);
        member.log.queue.push_back(job);
        let at = Time(member.up().disk_free_at.max(now).0 + delay);
        member.up().disk_free_at = at;
        self.schedule_at(id, at, Local::LogDone);
    }

    /// Some of the oldest work of the log is done, by one sync.
    fn finish_write(&mut self, id: NodeId) {
        if self.rng.chance(self.options.disk_failure, 1000) {
            self.member(id).log.queue.clear();
            self.step(id, Input::DiskFailed);
            return self.crash_later(id, 500);
        }
        let count = 1 + self.rng.below(self.options.max_batch);
        let mut persisted = None;
        for _ in 0..count {
            let Some(job) = self.member(id).log.finish_oldest() else { break };
            if let LogJob::Append { write, then, .. } = job {
                persisted = Some(write);
                for (to, message) in then {
                    self.send(id, to, &message);
                }
            }
        }
        let member = &self.members[&id];
        assert!(
            member.log.image.snapshot.index <= member.durable().applied().0,
            "the log is given up only where the tables are durable"
        );
        if let Some(write) = persisted {
            let at = Time(self.now.0 + self.rng.below(300_000));
            let reports_at = &mut self.member(id).up().log_reports_at;
            *reports_at = at.max(*reports_at);
            let at = *reports_at;
            self.schedule_at(id, at, Local::Report(Input::Persisted { group: DEFAULT_GROUP, write }));
        }
    }

    fn queue_job(&mut self, id: NodeId, job: MachineInput) {
        let delay = 1000 * self.rng.below(self.options.max_apply_delay_us);
        let now = self.now;
        let running = self.member(id).up();
        running.jobs.push_back(job);
        let at = Time(running.machine_free_at.max(now).0 + delay);
        running.machine_free_at = at;
        self.schedule_at(id, at, Local::MachineDone);
    }

    /// The machine of `id` does its oldest job, and the entries behind it at once.
    fn finish_job(&mut self, id: NodeId) {
        let Some(mut job) = self.member(id).up().jobs.pop_front() else { return };
        let is_joining = self.rng.chance(1, 2);
        if let MachineInput::Apply { entries } = &mut job {
            let jobs = &mut self.member(id).up().jobs;
            while is_joining && let Some(MachineInput::Apply { entries: more }) = jobs.front_mut() {
                entries.append(more);
                jobs.pop_front();
            }
        }
        if self.rng.chance(self.options.machine_failure, 1000) {
            self.member(id).up().machine = None;
            self.report(id, Input::MachineFailed { group: DEFAULT_GROUP });
            // An operator looks after it.
            let at = Time(self.now.0 + (100 + self.rng.below(500)) * MS);
            return self.schedule_at(id, at, Local::Crash);
        }
        self.step_machine(id, job);
    }

    fn step_machine(&mut self, id: NodeId, input: MachineInput) {
        let now = self.now;
        if self.member(id).up().machine.is_none() {
            return;
        }
        if let MachineInput::Apply { entries } = &input {
            entries.iter().for_each(|entry| self.oracle.on_apply(entry, now));
        }
        self.count_step();
        let installs = matches!(&input, MachineInput::StoreSnapshot { piece } if piece.last);
        let member = self.member(id);
        let local = member.local(now);
        let mut effects = Vec::new();
        let machine = member.up().machine.as_mut().expect("just looked");
        machine.step(local, input, &mut effects).expect("memory");
        for effect in effects {
            self.execute_machine(id, effect);
        }
        if installs {
            self.counts.snapshots += 1;
            self.member(id).persist();
        }
        self.schedule_ticks(id);
    }

    fn execute_machine(&mut self, id: NodeId, effect: MachineEffect) {
        let group = DEFAULT_GROUP;
        match effect {
            MachineEffect::Publish { view, .. } => {
                self.oracle.on_published(&view);
                let member = self.member(id);
                assert!(view.applied() >= member.up().view.applied(), "views never go back");
                member.note_commit(&view);
                member.up().view = view;
            }
            MachineEffect::Answer { sequence, answer } => {
                self.on_outcome(id, sequence, &answer);
            }
            MachineEffect::Applied { index, term, answered, clock_offset_ns } => {
                self.report(id, Input::Applied { group, index, term, answered, clock_offset_ns });
            }
            MachineEffect::Checkpoint { index, hash } => {
                self.counts.checkpoints += 1;
                self.report(id, Input::Checkpoint { group, index, hash });
            }
            MachineEffect::Propose { command, term } => {
                self.report(id, Input::Propose { group, command, term });
            }
            MachineEffect::Watch { .. } => unreachable!("nobody watches"),
            MachineEffect::SnapshotStored { index, sequence } => {
                self.report(id, Input::SnapshotStored { group, index, sequence });
            }
        }
    }

    /// Tells the node what its machine says, in order.
    pub fn report(&mut self, id: NodeId, input: Input) {
        let at = Time(self.now.0 + self.rng.below(300_000));
        let reports_at = &mut self.member(id).up().machine_reports_at;
        *reports_at = at.max(*reports_at);
        let at = *reports_at;
        self.schedule_at(id, at, Local::Report(input));
    }

    fn read_snapshot(&mut self, id: NodeId, to: NodeId, piece: (Option<LogIndex>, u64)) {
        let fails = self.rng.chance(self.options.reader_failure, 1000);
        let configuration = self.options.configuration.clone();
        let running = self.member(id).up();
        let view = running.view.clone();
        let read = running.reader.read(&view, &configuration, to, piece).expect("memory");
        let piece = read.filter(|_| !fails);
        self.step(id, Input::SnapshotRead { group: DEFAULT_GROUP, to, piece });
    }
}

fn through_the_wire(message: &PeerMessage) -> PeerMessage {
    let mut bytes = Vec::new();
    message.encode(DEFAULT_GROUP, &mut bytes);
    let (group, decoded) = PeerMessage::decode(Bytes::from(bytes)).expect("what was encoded can be decoded");
    assert_eq!((group, &decoded), (DEFAULT_GROUP, message), "a message survives the wire");
    decoded
}
