//! A node's apply thread and its maintenance thread: the machine's jobs, tables that become durable, snapshots that are read.

use super::noise::Topic;
use super::{Local, MS, World, marks};
use crate::trace::{Actor, What};
use crate::violation::Invariant;
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{Input, MachineEffect, MachineInput};
use quorate_types::{LogIndex, NodeId, Time};

/// How long a report takes to reach the executor, at most.
const REPORT_MAX_NS: u64 = 300_000;
/// How long tables take to become durable, at most.
const PERSIST_MAX_NS: u64 = 30 * MS;
/// Once in so many times, snapshots that nobody reads are forgotten.
const FORGET_CHANCE: u64 = 8;

impl World {
    pub(super) fn queue_machine(&mut self, id: NodeId, job: MachineInput) {
        self.host(id).up().machine_jobs.push_back(job);
        self.start_machine(id);
    }

    fn start_machine(&mut self, id: NodeId) {
        let running = self.host(id).up();
        if running.machine_works || running.machine_jobs.is_empty() || running.machine.is_none() {
            return;
        }
        running.machine_works = true;
        let max = self.scenario.settings.apply_max_us;
        let delay = 1000 * self.decide(Topic::MachineJob, id).below(max + 1);
        self.schedule_local(id, Time(self.now.0 + delay), Local::MachineDone);
    }

    /// The machine does its oldest job, and the entries behind it at once.
    pub(super) fn finish_machine(&mut self, id: NodeId) {
        let joins = self.decide(Topic::MachineJob, id).chance(1, 2);
        let running = self.host(id).up();
        running.machine_works = false;
        let Some(mut job) = running.machine_jobs.pop_front() else { return };
        if let MachineInput::Apply { entries } = &mut job {
            while joins && let Some(MachineInput::Apply { entries: more }) = running.machine_jobs.front_mut()
            {
                entries.append(more);
                running.machine_jobs.pop_front();
            }
        }
        self.step_machine(id, job);
        if self.is_up(id) {
            self.start_machine(id);
        }
    }

    pub(super) fn tick_machine(&mut self, id: NodeId, at: Time) {
        let now = self.now;
        let host = self.host(id);
        let local = host.clock.local(now);
        let running = host.up();
        if running.machine_tick_at == Some(at) {
            running.machine_tick_at = None;
            let deadline = running.machine.as_ref().and_then(|machine| machine.next_deadline());
            if deadline.is_some_and(|deadline| deadline <= local) {
                self.step_machine(id, MachineInput::Tick);
            } else {
                self.schedule_ticks(id);
            }
        }
    }

    pub(super) fn step_machine(&mut self, id: NodeId, input: MachineInput) {
        let (now, life) = (self.now, self.hosts[&id].life);
        let host = self.hosts.get_mut(&id).expect("it is up");
        let running = host.running.as_mut().expect("it is up");
        let Some(machine) = &mut running.machine else { return };
        if let MachineInput::Apply { entries } = &input {
            for entry in entries {
                self.oracle.on_apply(now, id, entry);
            }
        }
        let installs = matches!(&input, MachineInput::StoreSnapshot { piece } if piece.last);
        let applies = match &input {
            MachineInput::Apply { entries } => entries.last().map(|last| (last.index, last.term)),
            _ => None,
        };
        let mut effects = Vec::new();
        if let Err(failure) = machine.step(host.clock.local(now), input, &mut effects) {
            return self.fail_machine(id, &failure.to_string());
        }
        self.count_step();
        if let Some((index, term)) = applies {
            self.happened(Actor::Node(id), What::Applied { index, term });
        }
        if installs {
            self.on_installed(id);
        }
        for effect in effects {
            self.execute_machine(id, effect);
            if !self.survives_effect(id, life) {
                return;
            }
        }
        self.schedule_ticks(id);
    }

    fn on_installed(&mut self, id: NodeId) {
        let index = self.hosts[&id].running.as_ref().and_then(|running| running.machine.as_ref());
        let Some(index) = index.map(|machine| machine.view().applied().0) else { return };
        self.counts.snapshots += 1;
        if self.network.is_partitioned() {
            marks::SNAPSHOT_IN_PARTITION.reach();
        }
        self.happened(Actor::Node(id), What::Installed { index });
    }

    fn fail_machine(&mut self, id: NodeId, words: &str) {
        let is_planned = self.host(id).tables_fail;
        if !is_planned {
            return self
                .break_promise(Invariant::Assertion, format!("the machine of node {id} fails: {words}"));
        }
        marks::MACHINE_FAILED.reach();
        let words = if self.trace.keeps() { format!("the machine fails: {words}") } else { String::new() };
        self.happened(Actor::Node(id), What::Note { words });
        let running = self.host(id).up();
        running.machine = None;
        running.machine_jobs.clear();
        self.report(id, Input::MachineFailed { group: DEFAULT_GROUP });
    }

    fn execute_machine(&mut self, id: NodeId, effect: MachineEffect) {
        let group = DEFAULT_GROUP;
        match effect {
            MachineEffect::Publish { view, .. } => {
                let now = self.now;
                self.oracle.on_published(now, id, &view);
                self.host(id).up().view = view;
            }
            MachineEffect::Answer { sequence, answer } => self.on_answer(id, sequence, answer),
            MachineEffect::Applied { index, term, answered, clock_offset_ns } => {
                self.report(id, Input::Applied { group, index, term, answered, clock_offset_ns });
            }
            MachineEffect::Checkpoint { index, hash } => {
                self.report(id, Input::Checkpoint { group, index, hash });
            }
            MachineEffect::Propose { command, term } => {
                self.report(id, Input::Propose { group, command, term });
            }
            MachineEffect::Watch { stream, message } => self.on_watch_message(id, stream, message),
            MachineEffect::SnapshotStored { index, sequence } => {
                self.report(id, Input::SnapshotStored { group, index, sequence });
            }
        }
    }

    /// Tells the node what its machine says, in order.
    fn report(&mut self, id: NodeId, input: Input) {
        let delay = self.decide(Topic::Report, id).below(REPORT_MAX_NS);
        let at = Time(self.now.0 + delay);
        let reports_at = &mut self.host(id).up().machine_reports_at;
        let at = (*reports_at).max(at);
        *reports_at = at;
        self.schedule_local(id, at, Local::Report(input));
    }

    /// From time to time the tables are made durable.
    pub(super) fn schedule_persist(&mut self, id: NodeId) {
        let every_ns = self.scenario.settings.disk.persist_every_ms * MS;
        let delay = every_ns / 2 + self.decide(Topic::Persist, id).below(every_ns + 1);
        self.schedule_local(id, Time(self.now.0 + delay), Local::Persist);
    }

    pub(super) fn begin_persist(&mut self, id: NodeId) {
        let mut rng = self.decide(Topic::Persist, id);
        let running = self.host(id).up();
        let index = running.view.applied().0;
        if rng.chance(1, FORGET_CHANCE) {
            running.reader.forget_idle(index);
        }
        // As the maintenance thread: the view first, then the handle, which a snapshot may make the one of old tables meanwhile.
        running.persisting = running.machine.as_ref().map(quorate_node::Machine::persist_handle);
        let at = Time(self.now.0 + rng.below(PERSIST_MAX_NS));
        self.schedule_local(id, at, Local::Persisted { index });
    }

    pub(super) fn end_persist(&mut self, id: NodeId, index: LogIndex) {
        let running = self.host(id).up();
        let Some(persisting) = running.persisting.take().filter(|_| running.machine.is_some()) else {
            return;
        };
        if index > running.durable {
            if let Err(error) = persisting.persist() {
                return self.fail_machine(id, &error.to_string());
            }
            self.host(id).up().durable = index;
            self.step(id, Input::Durable { group: DEFAULT_GROUP, index });
        }
        if self.is_up(id) {
            self.schedule_persist(id);
        }
    }

    pub(super) fn read_snapshot(&mut self, id: NodeId, to: NodeId, piece: (Option<LogIndex>, u64)) {
        let running = self.host(id).up();
        let view = running.view.clone();
        let configuration = running.configuration.clone();
        // A piece that cannot be read is begun anew by the leader, as the driver's maintenance thread has it.
        let piece = running.reader.read(&view, &configuration, to, piece).unwrap_or_default();
        self.step(id, Input::SnapshotRead { group: DEFAULT_GROUP, to, piece });
    }
}
