//! A node's log thread: gathers what is to be written, writes and syncs it as one batch, then reports.

use super::noise::Topic;
use super::{Local, World, marks};
use crate::trace::{Actor, What};
use crate::violation::Invariant;
use crate::world::event::LogJob;
use quorate_boot::Log;
use quorate_consensus::raft::{LogWrite, WriteId};
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{Input, PeerMessage};
use quorate_storage::WalError;
use quorate_types::{NodeId, Time};

/// How long a report takes to reach the executor, at most.
const REPORT_MAX_NS: u64 = 200_000;
/// As the driver's: a log without work for so long is idle.
const IDLE_BEFORE_HOUSEKEEPING_NS: u64 = 20_000_000;

/// What one batch made durable.
#[derive(Default)]
struct Batch {
    /// Its writes, in order.
    pub writes: Vec<LogWrite>,
    newest: WriteId,
    then: Vec<(NodeId, PeerMessage)>,
}

/// Writes `jobs` as one batch: all of it is durable when this returns.
fn write_batch(log: &mut Log, jobs: impl Iterator<Item = LogJob>) -> Result<Batch, WalError> {
    let mut batch = Batch::default();
    let mut compactions = Vec::new();
    for job in jobs {
        match job {
            LogJob::Append { write, log: what, mut then } => {
                log.append(DEFAULT_GROUP, &what)?;
                batch.newest = write;
                batch.then.append(&mut then);
                batch.writes.push(what);
            }
            LogJob::Compact { upto } => compactions.push(upto),
        }
    }
    if !batch.writes.is_empty() {
        log.sync()?;
    }
    for upto in compactions {
        log.compact(DEFAULT_GROUP, upto)?;
    }
    Ok(batch)
}

/// Where the next batch goes: (segment, offset).
fn position(log: &Log) -> (u64, u64) {
    match log {
        Log::Durable { wal, .. } => wal.position(),
        Log::Memory => (0, 0),
    }
}

impl World {
    pub(super) fn queue_log(&mut self, id: NodeId, job: LogJob) {
        let running = self.host(id).up();
        if running.log.is_some() {
            running.log_jobs.push_back(job);
            self.start_log(id);
        }
    }

    /// Lets an idle log begin with what waits.
    fn start_log(&mut self, id: NodeId) {
        let running = self.host(id).up();
        let waiting = running.log_jobs.len();
        if running.log_writing > 0 || waiting == 0 || running.log.is_none() {
            return;
        }
        let mut rng = self.decide(Topic::LogBatch, id);
        let disk = &self.scenario.settings.disk;
        let count = waiting.min(1 + rng.below(disk.max_batch) as usize);
        let slow_us: u64 = self.hosts[&id].slow_sync_us.values().sum();
        let delay = 1000 * (rng.below(disk.sync_max_us + 1) + slow_us) + rng.below(1000);
        self.host(id).up().log_writing = count;
        self.schedule_local(id, Time(self.now.0 + delay), Local::LogDone { count });
    }

    /// The batch's write and sync return.
    pub(super) fn finish_log(&mut self, id: NodeId, count: usize) {
        let host = self.hosts.get_mut(&id).expect("it is up");
        let running = host.running.as_mut().expect("it is up");
        let Some(log) = &mut running.log else { return };
        let before = position(log);
        host.last_batch.get_or_insert(before.1);
        running.log_writing = 0;
        match write_batch(log, running.log_jobs.drain(..count)) {
            Ok(batch) => {
                // A batch that began a new segment stands at that segment's start.
                let after = position(log).0;
                if !batch.writes.is_empty() {
                    host.last_batch = (after == before.0).then_some(before.1);
                }
                self.on_written(id, batch);
            }
            Err(error) => self.fail_log(id, &error),
        }
    }

    fn on_written(&mut self, id: NodeId, batch: Batch) {
        let Batch { writes, newest, then } = batch;
        let now = self.now;
        for write in &writes {
            self.oracle.on_persisted(now, id, write);
        }
        if let Some(last) = writes.iter().rev().find_map(|write| write.entries.last()) {
            let last = last.index;
            self.happened(Actor::Node(id), What::Persisted { last });
        }
        if !writes.is_empty() {
            let delay = self.decide(Topic::Report, id).below(REPORT_MAX_NS);
            let reports_at = &mut self.host(id).up().log_reports_at;
            let at = (*reports_at).max(Time(now.0 + delay));
            *reports_at = at;
            self.schedule_local(id, at, Local::LogReport { write: newest, then });
        }
        if !writes.is_empty() && self.note_astray(id) {
            return;
        }
        self.start_log(id);
        let running = self.host(id).up();
        if !running.log_keeps_house {
            running.log_keeps_house = true;
            self.schedule_local(id, Time(now.0 + IDLE_BEFORE_HOUSEKEEPING_NS), Local::Housekeeping);
        }
    }

    pub(super) fn on_log_report(&mut self, id: NodeId, write: WriteId, then: Vec<(NodeId, PeerMessage)>) {
        let life = self.hosts[&id].life;
        for (to, message) in then {
            self.send(id, to, &message);
            if !self.survives_effect(id, life) {
                return;
            }
        }
        self.step(id, Input::Persisted { group: DEFAULT_GROUP, write });
    }

    /// What the log had under way when the node ended: perhaps it was written.
    pub(super) fn finish_interrupted_write(&mut self, id: NodeId) {
        let host = self.host(id);
        let running = host.running.as_mut().expect("it is up");
        let count = running.log_writing;
        if let Some(log) = &mut running.log {
            host.last_batch.get_or_insert(position(log).1);
            // Whatever comes of it, nobody is left to be told.
            let _ = write_batch(log, running.log_jobs.drain(..count));
        }
    }

    /// One step of housekeeping, if the log is idle.
    pub(super) fn keep_house(&mut self, id: NodeId) {
        let host = self.host(id);
        let running = host.running.as_mut().expect("it is up");
        running.log_keeps_house = false;
        let is_busy = running.log_writing > 0;
        let Some(log) = &mut running.log else { return };
        host.last_batch.get_or_insert(position(log).1);
        let result = if is_busy { Ok(true) } else { log.maintain() };
        match result {
            Ok(false) => {}
            Ok(true) => {
                running.log_keeps_house = true;
                let delay = if is_busy { IDLE_BEFORE_HOUSEKEEPING_NS } else { super::MS };
                self.schedule_local(id, Time(self.now.0 + delay), Local::Housekeeping);
            }
            Err(error) => self.fail_log(id, &error),
        }
    }

    /// The power fails during a step of housekeeping, if one is due: at its disk operation number `operation`.
    pub(super) fn interrupt_housekeeping(&mut self, id: NodeId, operation: u64) {
        let host = self.host(id);
        host.disk.crash_at(host.disk.operations() + operation);
        let running = host.running.as_mut().expect("it is up");
        if running.log_keeps_house
            && let Some(log) = &mut running.log
        {
            host.last_batch.get_or_insert(position(log).1);
            if log.maintain().is_err() {
                marks::TORN_HOUSEKEEPING.reach();
            }
        }
    }

    fn fail_log(&mut self, id: NodeId, error: &WalError) {
        marks::LOG_FAILED.reach();
        let words = if self.trace.keeps() { format!("the log fails: {error}") } else { String::new() };
        self.happened(Actor::Node(id), What::Note { words });
        let host = self.host(id);
        let is_planned = host.sync_fails || host.full > 0 || host.is_harmed;
        let running = host.up();
        running.log = None;
        running.log_jobs.clear();
        let at = running.log_reports_at;
        if !is_planned {
            return self.break_promise(Invariant::Assertion, format!("the log of node {id} fails: {error}"));
        }
        self.schedule_local(id, at, Local::Report(Input::DiskFailed));
    }
}
