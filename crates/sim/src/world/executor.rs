//! A node's executor: gives the node its inputs and carries out its effects.

use super::network::Fate;
use super::noise::Topic;
use super::{Event, Local, World, marks, words};
use crate::trace::{Actor, What};
use crate::violation::Invariant;
use crate::world::event::LogJob;
use quorate_consensus::raft::Role;
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{Effect, Input, MachineInput, Node, PeerMessage};
use quorate_types::{Bytes, NodeId, Time};

/// One timer of so many is late,
const LATE_TICK_CHANCE: u64 = 16;
/// by at most so much.
const LATE_TICK_MAX_NS: u64 = 20_000_000;

impl World {
    /// Gives `id` an input, if it is up, and carries out what follows.
    pub(super) fn step(&mut self, id: NodeId, input: Input) {
        if !self.is_up(id) {
            return;
        }
        let (now, life) = (self.now, self.hosts[&id].life);
        let host = self.host(id);
        let local = host.clock.local(now);
        let mut effects = Vec::new();
        host.up().node.step(local, input, &mut effects);
        host.up().node.check_invariants();
        self.count_step();
        let nodes: Vec<(NodeId, &Node)> =
            self.hosts.values().filter_map(|host| Some((host.id, &host.running.as_ref()?.node))).collect();
        self.oracle.on_stepped(now, id, &nodes);
        for effect in effects {
            self.execute(id, effect);
            if !self.survives_effect(id, life) {
                return;
            }
        }
        self.schedule_ticks(id);
    }

    /// Whether `id` still lives the same life after one more effect.
    pub(super) fn survives_effect(&mut self, id: NodeId, life: u64) -> bool {
        if !self.is_up(id) || self.hosts[&id].life != life {
            return false;
        }
        match &mut self.host(id).crash_after {
            Some((0, power)) => {
                let power = *power;
                self.crash(id, power);
                false
            }
            Some((left, _)) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    pub(super) fn tick(&mut self, id: NodeId, at: Time) {
        let now = self.now;
        let host = self.host(id);
        let local = host.clock.local(now);
        let running = host.up();
        if running.tick_at == Some(at) {
            running.tick_at = None;
            // Deadlines may have moved since: as the driver, ticks are for those that have come.
            if running.node.next_deadline().is_some_and(|deadline| deadline <= local) {
                self.step(id, Input::Tick);
            } else {
                self.schedule_ticks(id);
            }
        }
    }

    /// Sees to it that node and machine are called when they want to be.
    pub(super) fn schedule_ticks(&mut self, id: NodeId) {
        let now = self.now;
        let late = self.lateness(id);
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let Some(running) = &mut host.running else { return };
        let due = |deadline: Option<Time>, scheduled: &mut Option<Time>| {
            let at = Time(host.clock.when(deadline?).max(now).0 + late);
            let is_sooner = scheduled.is_none_or(|scheduled| at < scheduled);
            is_sooner.then(|| *scheduled.insert(at))
        };
        let node = due(running.node.next_deadline(), &mut running.tick_at);
        let machine = running.machine.as_ref().and_then(|machine| machine.next_deadline());
        let machine = due(machine, &mut running.machine_tick_at);
        if let Some(at) = node {
            self.schedule_local(id, at, Local::Tick { at });
        }
        if let Some(at) = machine {
            self.schedule_local(id, at, Local::MachineTick { at });
        }
    }

    /// Timers are mostly on time, and now and then late: then messages come before the tick that was due before them.
    fn lateness(&mut self, id: NodeId) -> u64 {
        if !self.is_up(id) {
            return 0;
        }
        let mut rng = self.decide(Topic::Tick, id);
        match rng.below(LATE_TICK_CHANCE) {
            0 => rng.below(LATE_TICK_MAX_NS),
            _ => 0,
        }
    }

    /// The clock of `id` was changed: what was scheduled by it is void.
    pub(super) fn reschedule_ticks(&mut self, id: NodeId) {
        if let Some(running) = &mut self.host(id).running {
            (running.tick_at, running.machine_tick_at) = (None, None);
        }
        self.schedule_ticks(id);
    }

    fn execute(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Append { write, log, then, .. } => {
                self.queue_log(id, LogJob::Append { write, log, then });
            }
            Effect::CompactLog { upto, .. } => self.queue_log(id, LogJob::Compact { upto }),
            Effect::Send { to, message, .. } => self.send(id, to, &message),
            Effect::Apply { entries, .. } => self.queue_machine(id, MachineInput::Apply { entries }),
            Effect::StoreSnapshot { piece, .. } => {
                self.queue_machine(id, MachineInput::StoreSnapshot { piece });
            }
            Effect::ReadReady { sequences } => {
                for sequence in sequences {
                    self.on_readable(id, sequence);
                }
            }
            Effect::Fail { sequence, failure } => self.on_request_failed(sequence, failure),
            Effect::ReadSnapshot { to, index, sequence, .. } => {
                let delay = self.decide(Topic::SnapshotRead, id).below(2 * super::MS);
                let at = Time(self.now.0 + delay);
                self.schedule_local(id, at, Local::ReadSnapshot { to, index, sequence });
            }
            Effect::Became { role, term, leader, .. } => {
                self.counts.elections += u64::from(role == Role::Leader);
                if role == Role::Leader && self.network.is_partitioned() {
                    marks::ELECTED_IN_PARTITION.reach();
                }
                self.happened(Actor::Node(id), What::Became { role, term, leader });
                let (now, host) = (self.now, &self.hosts[&id]);
                let node = &host.running.as_ref().expect("it takes a step").node;
                self.oracle.on_became(now, id, (role, term), node);
                self.queue_machine(id, MachineInput::Role { term, leads: role == Role::Leader });
            }
            Effect::Diverged { index, .. } => {
                self.break_promise(
                    Invariant::ReplicaEquality,
                    format!("node {id} finds that its state differs from its leader's at {index}"),
                );
            }
        }
    }

    /// Puts a message on its way, as bytes.
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, message: &PeerMessage) {
        assert_ne!(from, to, "members do not write to themselves");
        self.messages += 1;
        self.counts.messages += 1;
        let (number, link) = (self.messages, (from.0, to.0));
        let (kind, term) = words::kind(message);
        let text = if self.trace.keeps() { words::message(message) } else { String::new() };
        self.happened(Actor::Node(from), What::Sent { message: number, to, kind, term, words: text });
        let now = self.now;
        let node = &self.hosts[&from].running.as_ref().expect("who sends is up").node;
        self.oracle.on_sent(now, from, node, (to, message));
        let mut bytes = Vec::new();
        message.encode(DEFAULT_GROUP, &mut bytes);
        let bytes = Bytes::from(bytes);
        match self.network.fate(link) {
            Fate::Lost(why) => self.lose(to, number, why),
            Fate::Arrives(delays) => {
                for delay in delays {
                    let event = Event::Message { to, from, message: number, bytes: bytes.clone() };
                    if self.network.is_clogged(link) {
                        self.clogged.push((link, event));
                    } else {
                        self.agenda.put(Time(self.now.0 + delay), event);
                    }
                }
            }
        }
    }

    fn lose(&mut self, to: NodeId, message: u64, why: &'static str) {
        self.counts.lost_messages += 1;
        self.happened(Actor::Node(to), What::Lost { message, why });
    }

    pub(super) fn deliver(&mut self, to: NodeId, from: NodeId, message: u64, bytes: Bytes) {
        if !self.is_up(to) {
            return self.lose(to, message, "down");
        }
        self.happened(Actor::Node(to), What::Delivered { message, from });
        match PeerMessage::decode(bytes) {
            Ok((group, message)) => self.step(to, Input::Peer { from, group, message }),
            Err(error) => self.break_promise(
                Invariant::Assertion,
                format!("message #{message} of node {from} cannot be read: {error}"),
            ),
        }
    }
}
