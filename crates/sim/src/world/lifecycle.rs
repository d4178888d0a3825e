//! Nodes start, end, stop and go on.

use super::noise::Topic;
use super::{Event, Local, MS, World, marks};
use crate::client::{StreamTold, Told};
use crate::trace::{Actor, What};
use crate::violation::Invariant;
use crate::world::host::Running;
use quorate_boot::Opened;
use quorate_storage::disk::Survivors;
use quorate_types::{NodeId, Time};

/// In phase one the power fails once in so many times while a node starts again.
const START_CRASH_CHANCE: u64 = 12;
/// So many batches after a misdirected write, something stands behind it that gives it away.
pub(super) const ASTRAY_EVIDENCE: u64 = 3;
/// A clock starts a new life within so much.
const CLOCK_BASE_MAX_NS: u64 = 100_000 * MS;
/// A node that could not start is tried again after this.
const RETRY_NS: u64 = 50 * MS;

impl World {
    /// Starts `id` if it is down and may come back.
    pub(super) fn restart(&mut self, id: NodeId) {
        if self.is_up(id) || self.hosts[&id].stays_down {
            return;
        }
        let (now, members) = (self.now, self.ids());
        let settings = self.scenario.settings.clone();
        let first_life = self.hosts[&id].life == 0;
        if !first_life {
            let base = MS * 1000 + self.decide(Topic::ClockBase, id).below(CLOCK_BASE_MAX_NS);
            self.host(id).clock.restart(now, Time(base));
        }
        let mut seeds = self.decide(Topic::Start, id);
        let may_fail = !first_life && self.healed_at.is_none();
        let interruption = may_fail.then(|| self.decide(Topic::StartCrash, id));
        let host = self.host(id);
        host.life += 1;
        if let Some(mut rng) = interruption.filter(|rng| rng.clone().chance(1, START_CRASH_CHANCE)) {
            rng.next_u64();
            host.disk.crash_at(host.disk.operations() + 1 + rng.below(20));
        }
        self.counts.starts += 1;
        let local = self.hosts[&id].clock.local(now);
        match self.hosts[&id].open(&settings, &members, local, &mut seeds) {
            Ok(opened) => self.on_opened(id, opened),
            Err(_) if self.hosts[&id].disk.is_without_power() => {
                marks::CRASH_WHILE_STARTING.reach();
                self.host(id).disk.power_cycle(Survivors::Random);
                self.host(id).tables.lose_power(|unsynced| unsynced);
                self.agenda.put(Time(now.0 + RETRY_NS), Event::Restart { node: id });
            }
            // An operator makes room, and then starts it again.
            Err(_) if self.hosts[&id].full > 0 => {
                self.host(id).disk.kill_processes();
                self.host(id).tables.restart();
                self.agenda.put(Time(now.0 + RETRY_NS), Event::Restart { node: id });
            }
            Err(error) => self.on_refused(id, error.to_string()),
        }
    }

    fn on_opened(&mut self, id: NodeId, opened: Opened) {
        let now = self.now;
        let running = Running::new(opened, &self.scenario.settings, now);
        let status = running.node.statuses().next().expect("one group");
        let words =
            format!("log up to {}, applied {}, term {}", status.last_index, status.applied, status.term);
        self.oracle.on_started(now, id, &running.node, &running.view);
        if self.hosts[&id].is_harmed {
            marks::HARM_SURVIVED.reach();
        }
        self.host(id).running = Some(running);
        // The interruption that was planned, if any, did not come to pass.
        self.host(id).disk.forget_plans();
        self.happened(Actor::Node(id), What::Started { words });
        self.schedule_ticks(id);
        self.schedule_persist(id);
    }

    fn on_refused(&mut self, id: NodeId, words: String) {
        self.counts.refused_starts += 1;
        self.host(id).stays_down = true;
        if self.hosts[&id].is_harmed {
            marks::START_REFUSED.reach();
        } else {
            self.break_promise(
                Invariant::Restart,
                format!("node {id}, whose disk was not harmed, refuses to start: {words}"),
            );
        }
        self.happened(Actor::Node(id), What::Refused { words });
    }

    /// Ends `id` now: by a power failure, which loses what was not synced, or as a process that is killed.
    pub(super) fn crash(&mut self, id: NodeId, power: bool) {
        if !self.is_up(id) {
            return;
        }
        let mut rng = self.decide(Topic::Survivors, id);
        let writes = self.hosts[&id].running.as_ref().is_some_and(|running| running.log_writing > 0);
        if writes && power {
            marks::TORN_WRITE.reach();
            let host = self.host(id);
            host.disk.crash_at(host.disk.operations() + 1 + rng.below(3));
            self.finish_interrupted_write(id);
        } else if power && rng.chance(1, 2) {
            self.interrupt_housekeeping(id, 1 + rng.below(6));
        } else if writes && rng.chance(1, 2) {
            self.finish_interrupted_write(id);
        }
        let host = self.host(id);
        let running = host.running.take().expect("just looked");
        host.held = None;
        host.pauses = 0;
        host.crash_after = None;
        if host.astray.take().is_some_and(|batches| batches < ASTRAY_EVIDENCE) {
            // Nothing behind the lost write gives it away: nobody could notice, so the node counts as lost.
            host.stays_down = true;
        }
        host.tables_fail = false;
        host.sync_fails = false;
        let streams: Vec<u64> = running.streams.keys().copied().collect();
        drop(running);
        if power {
            let survivors = match rng.below(4) {
                0 => Survivors::Nothing,
                1 => Survivors::Everything,
                _ => Survivors::Random,
            };
            host.disk.power_cycle(survivors);
            host.tables.lose_power(|unsynced| {
                if rng.chance(1, 2) { unsynced } else { rng.below(unsynced as u64 + 1) as usize }
            });
        } else {
            host.disk.kill_processes();
            host.tables.restart();
        }
        self.on_crashed(id, power, &streams);
    }

    fn on_crashed(&mut self, id: NodeId, power: bool, streams: &[u64]) {
        let how = if power { "the power fails" } else { "the process is killed" };
        self.happened(Actor::Node(id), What::Crashed { how });
        let now = self.now;
        self.oracle.on_crashed(now, id);
        if self.hosts.values().all(|host| host.running.is_none()) {
            marks::ALL_DOWN.reach();
        }
        for client in streams {
            marks::WATCH_CUT.reach();
            self.oracle.on_stream_gone(*client);
            let asks = self.told_stream(*client, StreamTold::Gone);
            self.ask_all(asks);
        }
        for request in self.requests.take_of(id) {
            self.tell(request, Told::Gone { sent: true });
        }
    }

    /// `id` crashes and starts again within `after_ns`.
    pub(super) fn crash_and_restart(&mut self, id: NodeId, power: bool, after_ns: u64) {
        self.crash(id, power);
        self.agenda.put(Time(self.now.0 + after_ns), Event::Restart { node: id });
    }

    pub(super) fn pause(&mut self, id: NodeId) {
        let host = self.host(id);
        if host.running.is_some() {
            host.pauses += 1;
            host.held.get_or_insert_default();
            let now = self.now;
            self.oracle.on_paused(now, id);
        }
    }

    pub(super) fn resume(&mut self, id: NodeId) {
        let host = self.host(id);
        host.pauses = host.pauses.saturating_sub(1);
        if host.pauses > 0 {
            return;
        }
        let now = self.now;
        let held = self.host(id).held.take().into_iter().flatten();
        // What has waited is looked at before the time, as in a round of the executor.
        let is_tick = |event: &Event| {
            matches!(event, Event::Local { what: Local::Tick { .. } | Local::MachineTick { .. }, .. })
        };
        let (ticks, others): (Vec<Event>, Vec<Event>) = held.partition(is_tick);
        for event in others.into_iter().chain(ticks) {
            self.agenda.put(now, event);
        }
    }
}
