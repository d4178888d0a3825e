//! A whole group in one thread: virtual time, a bad network, bad disks, drifting clocks, crashing members, and their clients.

use super::checks::{Checks, command_of};
use super::member::{Machine, Member, Work};
use super::options::Options;
use quorate_consensus::raft::{
    Body, Effect, Entry, Input, Message, Proposal, ProposalId, ReadId, Rejection, Role, SnapshotMeta, wire,
};
use quorate_types::{Bytes, LogIndex, NodeId, Rng, Term, Time};
use std::collections::{BTreeMap, BTreeSet};

pub const MS: u64 = 1_000_000;
/// Pieces that a snapshot is cut into have at most this many bytes.
const PIECE_BYTES: usize = 80;
/// Many times what any seed takes.
const MAX_STEPS: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub enum Event {
    /// `life` 0: whatever life it has then.
    Step {
        to: NodeId,
        life: u64,
        input: Input,
    },
    /// Void if the member has scheduled another one since.
    Tick {
        to: NodeId,
        life: u64,
        at: Time,
    },
    DiskDone {
        to: NodeId,
        life: u64,
    },
    MachineDone {
        to: NodeId,
        life: u64,
    },
    Retry {
        to: NodeId,
        life: u64,
        command: u64,
    },
    Restart {
        to: NodeId,
    },
    /// An ambush on a leader enters its second act.
    Spring {
        leader: NodeId,
        spared: NodeId,
    },
    /// All links of one member are cut.
    Isolate {
        of: NodeId,
    },
    /// All links work again.
    Release,
    /// Clients and faults strike.
    Strike,
}

pub struct World {
    pub options: Options,
    pub rng: Rng,
    pub now: Time,
    pub events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    pub members: BTreeMap<NodeId, Member>,
    pub blocked: BTreeSet<(NodeId, NodeId)>,
    pub checks: Checks,
    next_command: u64,
    next_read: u64,
    /// A digest of everything that happened, to compare two runs.
    pub digest: u64,
    pub counts: Counts,
}

/// What a run has met, to know that the world is not too kind.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub steps: u64,
    pub acknowledged: u64,
    pub reads: u64,
    pub elections: u64,
    pub crashes: u64,
    pub snapshots: u64,
    pub overloads: u64,
    pub ambushes: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let options = Options::draw(&mut rng);
        let snapshot =
            SnapshotMeta { configuration: options.configuration.clone(), ..SnapshotMeta::default() };
        let drift = options.drift_ppm;
        let members = options.configuration.members().map(|id| {
            let ppm = rng.below(2 * drift + 1) as i64 - drift as i64;
            (id, Member::new(snapshot.clone(), rng.below(1000 * MS), ppm))
        });
        let members: BTreeMap<NodeId, Member> = members.collect();
        let mut world = World {
            members,
            options,
            rng,
            now: Time(0),
            events: BTreeMap::new(),
            next_event: 0,
            blocked: BTreeSet::new(),
            checks: Checks::default(),
            next_command: 1,
            next_read: 1,
            digest: seed,
            counts: Counts::default(),
        };
        for id in world.ids() {
            world.start(id);
        }
        world.schedule(0, Event::Strike);
        world
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.members.keys().copied().collect()
    }

    pub fn schedule(&mut self, delay_ns: u64, event: Event) {
        self.events.insert((Time(self.now.0 + delay_ns), self.next_event), event);
        self.next_event += 1;
    }

    pub fn start(&mut self, id: NodeId) {
        let mut config = self.options.config.clone();
        config.id = id;
        let (now, seed) = (self.now, self.rng.next_u64());
        self.member(id).start(config, now, seed);
        self.schedule_tick(id);
    }

    pub fn member(&mut self, id: NodeId) -> &mut Member {
        self.members.get_mut(&id).expect("members never leave")
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
        if let Event::Step { to, life, .. }
        | Event::Tick { to, life, .. }
        | Event::DiskDone { to, life }
        | Event::MachineDone { to, life }
        | Event::Retry { to, life, .. } = &event
        {
            let (to, life) = (*to, *life);
            let member = &self.members[&to];
            if member.raft.is_none() || (life != 0 && life != member.life) {
                return;
            }
            if member.paused_until > self.now {
                let wait = member.paused_until.0 - self.now.0;
                return self.schedule(wait, event);
            }
        }
        match event {
            Event::Step { to, input, .. } => self.step(to, input),
            Event::Tick { to, at, .. } => {
                if self.members[&to].tick_at == Some(at) {
                    self.member(to).tick_at = None;
                    self.step(to, Input::Tick);
                }
            }
            Event::DiskDone { to, .. } => self.finish_write(to),
            Event::MachineDone { to, .. } => self.finish_work(to),
            Event::Retry { to, command, .. } => self.propose(to, vec![command]),
            Event::Restart { to } if self.members[&to].raft.is_none() => self.start(to),
            Event::Restart { .. } => {}
            Event::Spring { leader, spared } => self.spring(leader, spared),
            Event::Isolate { of } => self.isolate(of),
            Event::Release => self.blocked.clear(),
            Event::Strike => self.strike(),
        }
    }

    pub fn step(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let member = self.member(id);
        let local = member.local(now);
        let raft = member.raft.as_mut().expect("only living members take steps");
        let (commit_before, was_leader) = (raft.commit(), raft.role() == Role::Leader);
        let mut effects = Vec::new();
        raft.step(local, input, &mut effects);
        self.counts.steps += 1;
        assert!(self.counts.steps < MAX_STEPS, "the group never falls silent");
        for effect in &effects {
            if let Effect::Append { log, .. } = effect {
                let raft = self.members[&id].raft.as_ref().expect("it just took a step");
                self.checks.on_written(raft, &log.entries);
            }
        }
        self.checks.on_step(id, &self.members, &self.options.configuration, commit_before, was_leader);
        for effect in effects {
            self.execute(id, effect);
        }
        self.schedule_tick(id);
    }

    fn schedule_tick(&mut self, id: NodeId) {
        let now = self.now;
        let member = self.member(id);
        let deadline =
            member.raft.as_ref().expect("it lives").next_deadline().expect("there is always a timer");
        let at = member.global(deadline).max(now);
        if member.tick_at.is_none_or(|scheduled| at < scheduled) {
            member.tick_at = Some(at);
            let life = member.life;
            self.schedule(at.0 - now.0, Event::Tick { to: id, life, at });
        }
    }

    fn execute(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Append { write, log, then } => {
                self.member(id).writes.push_back((write, log, then));
                let stalls = self.rng.chance(self.options.disk_stall, 1000);
                let delay =
                    if stalls { 1500 * MS } else { 1000 * self.rng.below(self.options.max_disk_delay_us) };
                let at = self.members[&id].disk_free_at.max(self.now).0 + delay;
                self.member(id).disk_free_at = Time(at);
                let life = self.members[&id].life;
                self.schedule(at - self.now.0, Event::DiskDone { to: id, life });
            }
            Effect::Send { to, message } => self.send(id, to, &message),
            Effect::Apply { entries } => self.queue_work(id, Work::Apply(entries)),
            Effect::ReadSnapshot { to, index, sequence } => {
                self.queue_work(id, Work::Read { to, index, sequence });
            }
            Effect::StoreSnapshot { meta, sequence, data, last } => {
                self.queue_work(id, Work::Store { meta, sequence, data, last });
            }
            Effect::ReadReady { id: read, index } => self.finish_read(id, read, index),
            Effect::ReadRejected { id: read, reason } => {
                self.counts.overloads += u64::from(reason == Rejection::Overloaded);
                self.member(id).reads.remove(&read.0).expect("a read is answered once");
            }
            Effect::Rejected { ids, reason } => {
                self.counts.overloads += u64::from(reason == Rejection::Overloaded);
                for proposal in ids {
                    self.reconsider(id, proposal.sequence);
                }
            }
            Effect::Became { role, .. } => self.counts.elections += u64::from(role == Role::Leader),
        }
    }

    fn queue_work(&mut self, id: NodeId, work: Work) {
        self.member(id).work.push_back(work);
        let delay = 1000 * self.rng.below(self.options.max_disk_delay_us);
        let at = self.members[&id].machine_free_at.max(self.now).0 + delay;
        self.member(id).machine_free_at = Time(at);
        let life = self.members[&id].life;
        self.schedule(at - self.now.0, Event::MachineDone { to: id, life });
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: &Message) {
        assert_ne!(from, to, "members do not write to themselves");
        self.checks.on_sent(from, to, message, &self.members[&from].disk);
        let copies = 1 + u64::from(self.rng.chance(self.options.duplication, 1000));
        for _ in 0..copies {
            if self.blocked.contains(&(from, to)) || self.rng.chance(self.options.loss, 1000) {
                continue;
            }
            let is_slow = self.rng.chance(self.options.slow_message, 1000);
            let delay_us =
                self.rng.below(self.options.max_delay_us) + if is_slow { self.rng.below(800_000) } else { 0 };
            let message = if self.rng.chance(1, 16) { through_the_wire(message) } else { message.clone() };
            let input = Input::Message { from, message };
            self.schedule(1000 * (50 + delay_us), Event::Step { to, life: 0, input });
        }
    }

    /// The oldest write of `id` is durable.
    fn finish_write(&mut self, id: NodeId) {
        let Some((write, log, then)) = self.member(id).writes.pop_front() else { return };
        if self.rng.chance(self.options.disk_failure, 1000) {
            self.member(id).writes.clear();
            let delay = 500 * MS + self.rng.below(1000 * MS);
            let life = self.members[&id].life;
            self.step(id, Input::DiskFailed);
            // An operator replaces what failed.
            if self.members[&id].life == life {
                self.crash_later(id, delay);
            }
            return;
        }
        self.member(id).disk.write(&log);
        for (to, message) in then {
            self.send(id, to, &message);
        }
        let life = self.members[&id].life;
        let delay = self.rng.below(300_000);
        self.schedule(delay, Event::Step { to: id, life, input: Input::Persisted { write } });
    }

    pub fn crash_later(&mut self, id: NodeId, delay: u64) {
        self.crash(id);
        self.schedule(delay, Event::Restart { to: id });
    }

    fn crash(&mut self, id: NodeId) {
        let survivors = self.rng.below(self.members[&id].writes.len() as u64 + 1) as usize;
        self.member(id).crash(survivors);
        self.counts.crashes += 1;
    }

    /// The machine of `id` has done its oldest piece of work.
    fn finish_work(&mut self, id: NodeId) {
        let Some(work) = self.member(id).work.pop_front() else { return };
        match work {
            Work::Apply(entries) => self.apply(id, &entries),
            Work::Read { to, index, sequence } => self.read_snapshot(id, to, index, sequence),
            Work::Store { meta, sequence, data, last } => {
                self.store_snapshot(id, &meta, sequence, &data, last);
            }
        }
    }

    fn apply(&mut self, id: NodeId, entries: &[Entry]) {
        for entry in entries {
            self.checks.on_applied(entry);
            let member = self.member(id);
            assert_eq!(entry.index, member.machine.applied.next(), "entries come in order, each once");
            member.machine.applied = entry.index;
            member.machine.applied_term = entry.term;
            if let Some(command) = command_of(entry) {
                member.machine.commands.push(command);
                if member.pending.remove(&command).is_some() {
                    self.counts.acknowledged += 1;
                }
            }
            self.repropose_before(id, entry.term);
        }
        let index = self.members[&id].machine.applied;
        self.step(id, Input::Applied { index });
    }

    /// An entry of `term` was applied: what was proposed in an earlier one and is not in the log yet never will be.
    fn repropose_before(&mut self, id: NodeId, term: Term) {
        let member = &self.members[&id];
        let lost: Vec<u64> =
            member.pending.iter().filter(|(_, at)| at.is_some_and(|at| at < term)).map(|(c, _)| *c).collect();
        for command in lost {
            self.reconsider(id, command);
        }
    }

    fn reconsider(&mut self, id: NodeId, command: u64) {
        let delay = self.rng.below(60 * MS);
        let member = self.member(id);
        if let Some(at) = member.pending.get_mut(&command) {
            *at = None;
            let life = member.life;
            self.schedule(delay, Event::Retry { to: id, life, command });
        }
    }

    pub fn propose(&mut self, id: NodeId, commands: Vec<u64>) {
        let member = self.member(id);
        let Some(raft) = &member.raft else { return };
        let term = raft.term();
        // A retry that was planned before the command turned up in a snapshot is void.
        let commands: Vec<u64> = commands.into_iter().filter(|c| member.pending.contains_key(c)).collect();
        for command in &commands {
            member.pending.insert(*command, Some(term));
        }
        let proposals = commands.iter().map(|command| Proposal {
            id: ProposalId { origin: id, sequence: *command },
            command: Bytes::copy_from_slice(&command.to_le_bytes()),
        });
        let proposals = proposals.collect();
        self.step(id, Input::Propose { proposals });
    }

    pub fn new_command(&mut self, id: NodeId) -> u64 {
        let command = self.next_command;
        self.next_command += 1;
        self.member(id).pending.insert(command, None);
        command
    }

    pub fn read(&mut self, id: NodeId) {
        let (read, floor) = (self.next_read, self.checks.max_commit());
        self.next_read += 1;
        self.member(id).reads.insert(read, floor);
        self.step(id, Input::Read { id: ReadId(read) });
    }

    fn finish_read(&mut self, id: NodeId, read: ReadId, index: LogIndex) {
        self.counts.reads += 1;
        let member = self.member(id);
        let floor = member.reads.remove(&read.0).expect("a read is answered once");
        assert!(index >= floor, "read at {index} misses what was committed at {floor} before it was asked");
        assert!(member.machine.applied >= index, "a read is served from a machine that stands at {index}");
    }

    fn read_snapshot(&mut self, id: NodeId, to: NodeId, index: Option<LogIndex>, sequence: u64) {
        let configuration = self.options.configuration.clone();
        let fails = self.rng.chance(self.options.crash, 4000);
        let member = self.member(id);
        if sequence == 0 && index.is_none() {
            let Machine { applied, applied_term, .. } = member.machine;
            let meta = SnapshotMeta { index: applied, term: applied_term, configuration };
            member.reading.insert(to, (meta, member.machine.to_bytes()));
        }
        let input = match member.reading.get(&to) {
            Some((meta, bytes)) if !fails && index.is_none_or(|index| index == meta.index) => {
                let start = (sequence as usize * PIECE_BYTES).min(bytes.len());
                let end = (start + PIECE_BYTES).min(bytes.len());
                let (data, last) = (bytes.slice(start..end), end == bytes.len());
                Input::SnapshotRead { to, meta: meta.clone(), sequence, data, last }
            }
            _ => Input::SnapshotReadFailed { to },
        };
        self.step(id, input);
    }

    fn store_snapshot(&mut self, id: NodeId, meta: &SnapshotMeta, sequence: u64, data: &Bytes, last: bool) {
        let member = self.member(id);
        if sequence == 0 {
            member.storing.clear();
        }
        assert_eq!(member.storing.len(), sequence as usize * PIECE_BYTES, "pieces come in order");
        member.storing.extend_from_slice(data);
        if last {
            assert!(meta.index > member.machine.applied, "a snapshot never takes the machine back");
            member.machine = Machine::from_bytes(meta, &member.storing);
            member.table = member.machine.clone();
            let commands = member.machine.commands.clone();
            member.pending.retain(|command, _| !commands.contains(command));
            self.counts.snapshots += 1;
            self.repropose_before(id, meta.term);
        }
        self.step(id, Input::SnapshotStored { index: meta.index, sequence });
    }

    /// The machine of `id` writes its tables; they may even be ahead of the log on disk.
    pub fn sync_table(&mut self, id: NodeId) {
        let member = self.member(id);
        if member.raft.is_none() || member.machine.applied < member.table.applied {
            return;
        }
        member.table = member.machine.clone();
        let index = member.table.applied;
        self.step(id, Input::Compactable { index });
        let member = self.member(id);
        let droppable = member.raft.as_ref().expect("it lives").droppable_index();
        if member.disk.snapshot.index < droppable && member.table.applied >= droppable {
            member.disk.compact(droppable);
        }
    }
}

fn through_the_wire(message: &Message) -> Message {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    let decoded = wire::decode(Bytes::from(bytes)).expect("what was encoded can be decoded");
    assert_eq!(&decoded, message, "a message survives the wire");
    if let Body::Append { entries, .. } = &decoded.body {
        assert!(entries.windows(2).all(|pair| pair[0].index.next() == pair[1].index));
    }
    decoded
}
