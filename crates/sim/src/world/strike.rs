//! Faults begin and end.

use super::lifecycle::ASTRAY_EVIDENCE;
use super::network::Degraded;
use super::noise::Topic;
use super::{Event, MS, World, marks};
use crate::scenario::{Direction, FaultKind, Link, Scenario, Target, Wiped};
use crate::trace::{Actor, What};
use crate::world::host::DATA_DIR;
use quorate_node::Input;
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_types::{NodeId, Time};
use std::path::{Path, PathBuf};

/// A fault that is under way.
#[derive(Clone, Debug)]
pub struct Active {
    /// Whom it struck, if it has a target.
    target: Option<NodeId>,
    /// In which of its lives.
    life: u64,
    /// The links that it holds.
    links: Vec<Link>,
}

/// Whether no fault of the scenario makes a clock run otherwise than its settings say.
#[must_use]
pub fn clocks_are_true(scenario: &Scenario) -> bool {
    !scenario.faults.iter().any(|fault| {
        matches!(
            fault.kind,
            FaultKind::ClockJump { .. } | FaultKind::ClockDrift { .. } | FaultKind::ClockStrobe { .. }
        )
    })
}

/// Whom a kind of fault strikes, if it is about one node.
fn target(kind: &FaultKind) -> Option<Target> {
    match kind {
        FaultKind::Isolate { target, .. }
        | FaultKind::Crash { target, .. }
        | FaultKind::Pause { target }
        | FaultKind::SlowDisk { target, .. }
        | FaultKind::FailSync { target }
        | FaultKind::FullDisk { target }
        | FaultKind::MisdirectedWrite { target, .. }
        | FaultKind::FlipBit { target, .. }
        | FaultKind::LatentSectorError { target, .. }
        | FaultKind::Wipe { target, .. }
        | FaultKind::FailTables { target }
        | FaultKind::ClockJump { target, .. }
        | FaultKind::ClockDrift { target, .. }
        | FaultKind::ClockStrobe { target, .. } => Some(*target),
        FaultKind::Cut { .. }
        | FaultKind::Clog { .. }
        | FaultKind::Degrade { .. }
        | FaultKind::Transfer { .. } => None,
    }
}

impl World {
    pub(super) fn strike(&mut self, fault: usize) {
        let planned = self.scenario.faults[fault].clone();
        let struck = match target(&planned.kind) {
            None => None,
            Some(Target::Node(id)) => Some(NodeId(id)),
            Some(Target::Leader) => match self.leader() {
                Some(leader) => Some(leader),
                None => return,
            },
        };
        *self.counts.faults.entry(planned.kind.name()).or_default() += 1;
        let words =
            if self.trace.keeps() { crate::explain::fault_words(&planned.kind) } else { String::new() };
        let actor = struck.map_or(Actor::World, Actor::Node);
        self.happened(actor, What::FaultBegan { fault, words });
        let links = self.links(&planned.kind, struck);
        let life = struck.map_or(0, |id| self.hosts[&id].life);
        self.active.insert(fault, Active { target: struck, life, links: links.clone() });
        if planned.for_us > 0 {
            self.agenda.put(Time(self.now.0 + 1000 * planned.for_us), Event::Cease { fault });
        }
        match struck {
            Some(id) => self.strike_node(fault, &planned.kind, id, 1000 * planned.for_us),
            None => self.strike_cluster(fault, &planned.kind),
        }
        self.network.cut(&links);
    }

    /// The links that a fault cuts.
    fn links(&self, kind: &FaultKind, struck: Option<NodeId>) -> Vec<Link> {
        match (kind, struck) {
            (FaultKind::Cut { links, .. }, _) => links.clone(),
            (FaultKind::Isolate { direction, .. }, Some(id)) => {
                let others = self.hosts.keys().filter(|other| **other != id);
                let (out, back) = match direction {
                    Direction::Both => (true, true),
                    Direction::In => (false, true),
                    Direction::Out => (true, false),
                };
                let both = others.flat_map(|other| [((id.0, other.0), out), ((other.0, id.0), back)]);
                both.filter(|(_, is_cut)| *is_cut).map(|(link, _)| link).collect()
            }
            _ => Vec::new(),
        }
    }

    fn strike_cluster(&mut self, fault: usize, kind: &FaultKind) {
        match kind {
            FaultKind::Clog { links } => self.network.clog(links),
            FaultKind::Degrade { loss_per_mille, duplicate_per_mille, slow_us } => {
                let by = Degraded {
                    loss_per_mille: *loss_per_mille,
                    duplicate_per_mille: *duplicate_per_mille,
                    slow_us: *slow_us,
                };
                self.network.degrade(fault, by);
            }
            FaultKind::Transfer { to } => {
                if let Some(leader) = self.leader().filter(|leader| !self.is_paused(*leader)) {
                    let to = NodeId(*to);
                    self.step(leader, Input::TransferLeadership { group: DEFAULT_GROUP, to });
                }
            }
            _ => {}
        }
    }

    fn strike_node(&mut self, fault: usize, kind: &FaultKind, id: NodeId, for_ns: u64) {
        match kind {
            FaultKind::Crash { after_effects, power, .. } => {
                if *after_effects == 0 {
                    self.crash(id, *power);
                } else {
                    self.host(id).crash_after = Some((*after_effects, *power));
                }
                // Down for so long, whenever it came down; a restart of a node that is up is nothing.
                self.agenda.put(Time(self.now.0 + for_ns.max(MS)), Event::Restart { node: id });
                if for_ns == 0 {
                    self.agenda.put(Time(self.now.0 + MS), Event::Cease { fault });
                }
            }
            FaultKind::Pause { .. } => self.pause(id),
            FaultKind::SlowDisk { extra_us, .. } => {
                self.host(id).slow_sync_us.insert(fault, *extra_us);
            }
            FaultKind::FailSync { .. } => {
                if self.is_up(id) {
                    self.host(id).disk.fail_next_sync();
                    self.host(id).sync_fails = true;
                }
            }
            FaultKind::FullDisk { .. } => {
                let host = self.host(id);
                let used = host.disk.files().iter().map(|(_, len_bytes)| len_bytes).sum();
                host.disk.set_capacity_bytes(Some(used));
                host.full += 1;
            }
            FaultKind::FailTables { .. } => {
                if self.is_up(id) {
                    self.host(id).tables_fail = true;
                    self.host(id).tables.fail_next_commit();
                }
            }
            FaultKind::MisdirectedWrite { place, .. } => {
                if self.is_up(id) {
                    let at = place % (self.scenario.settings.disk.segment_kib << 10);
                    self.harm(id);
                    self.host(id).disk.misdirect_next_write(at);
                    self.host(id).astray = Some(0);
                }
            }
            FaultKind::FlipBit { place, .. } => self.damage(id, for_ns, |world, id| world.flip(id, *place)),
            FaultKind::LatentSectorError { place, .. } => {
                self.damage(id, for_ns, |world, id| world.break_sector(id, *place));
            }
            FaultKind::Wipe { what, .. } => self.wipe(id, *what, for_ns),
            FaultKind::ClockJump { by_ms, .. } => self.jump_clock(id, *by_ms),
            FaultKind::ClockDrift { ppm, .. } => {
                let now = self.now;
                self.host(id).clock.set_drift(now, Some(*ppm));
                self.reschedule_ticks(id);
            }
            FaultKind::ClockStrobe { .. } => self.strobe(fault, false),
            FaultKind::Isolate { .. }
            | FaultKind::Cut { .. }
            | FaultKind::Clog { .. }
            | FaultKind::Degrade { .. }
            | FaultKind::Transfer { .. } => {}
        }
    }

    pub(super) fn cease(&mut self, fault: usize) {
        let Some(Active { target, life, links }) = self.active.remove(&fault) else { return };
        self.happened(target.map_or(Actor::World, Actor::Node), What::FaultEnded { fault });
        self.network.mend(&links);
        let kind = self.scenario.faults[fault].kind.clone();
        match (&kind, target) {
            (FaultKind::Clog { links }, _) => {
                self.network.unclog(links);
                self.release_clogged();
            }
            (FaultKind::Degrade { .. }, _) => self.network.restore(fault),
            (FaultKind::Pause { .. }, Some(id)) if self.hosts[&id].life == life => self.resume(id),
            (FaultKind::SlowDisk { .. }, Some(id)) => {
                self.host(id).slow_sync_us.remove(&fault);
            }
            (FaultKind::FullDisk { .. }, Some(id)) => {
                let host = self.host(id);
                host.full = host.full.saturating_sub(1);
                if host.full == 0 {
                    host.disk.set_capacity_bytes(None);
                }
                self.operate(id);
            }
            (FaultKind::FailSync { .. } | FaultKind::FailTables { .. }, Some(id)) => {
                // If it has not struck by now it will not.
                if self.hosts[&id].astray.is_none() {
                    self.host(id).forget_plans();
                }
                self.operate(id);
            }
            (FaultKind::ClockDrift { .. }, Some(id)) => {
                let now = self.now;
                self.host(id).clock.set_drift(now, None);
                self.reschedule_ticks(id);
            }
            (FaultKind::Crash { .. }, Some(id)) => self.host(id).crash_after = None,
            _ => {}
        }
    }

    /// An operator starts a node again that has failed.
    fn operate(&mut self, id: NodeId) {
        if self.hosts[&id].running.as_ref().is_some_and(super::host::Running::has_failed) {
            self.crash_and_restart(id, false, 20 * MS);
        }
    }

    pub(super) fn release_clogged(&mut self) {
        let now = self.now;
        let waiting = std::mem::take(&mut self.clogged);
        for (at, (link, event)) in waiting.into_iter().enumerate() {
            if self.network.is_clogged(link) {
                self.clogged.push((link, event));
            } else {
                self.agenda.put(Time(now.0 + at as u64), event);
            }
        }
    }

    fn jump_clock(&mut self, id: NodeId, by_ms: i64) {
        let now = self.now;
        self.host(id).clock.jump(now, by_ms);
        self.reschedule_ticks(id);
    }

    pub(super) fn strobe(&mut self, fault: usize, forth: bool) {
        let (Some(active), FaultKind::ClockStrobe { by_ms, every_ms, .. }) =
            (self.active.get(&fault), &self.scenario.faults[fault].kind)
        else {
            return;
        };
        let (by_ms, every_ns) = (*by_ms, (*every_ms).max(1) * MS);
        if let Some(id) = active.target {
            self.jump_clock(id, if forth { by_ms.saturating_neg() } else { by_ms });
            self.agenda.put(Time(self.now.0 + every_ns), Event::Strobe { fault, forth: !forth });
        }
    }

    fn harm(&mut self, id: NodeId) {
        let now = self.now;
        self.host(id).is_harmed = true;
        self.oracle.on_harmed(now, id);
    }

    /// A node ends, its disk is damaged, and it is started again.
    fn damage(&mut self, id: NodeId, for_ns: u64, how: impl FnOnce(&mut World, NodeId) -> bool) {
        self.crash(id, false);
        if how(self, id) {
            self.harm(id);
        }
        self.agenda.put(Time(self.now.0 + for_ns.max(MS)), Event::Restart { node: id });
    }

    /// The segments of a node's log, oldest first, each with how much of it may be damaged so that it can be noticed: damage to the very
    /// last batch looks like a write that the power cut short.
    fn segments(&self, id: NodeId) -> Vec<(PathBuf, u64)> {
        let host = &self.hosts[&id];
        let mut segments: Vec<(PathBuf, u64)> = host
            .disk
            .files()
            .into_iter()
            .filter(|(path, _)| path.extension().is_some_and(|e| e == "wal"))
            .collect();
        if let (Some((_, len_bytes)), Some(last_batch)) = (segments.last_mut(), host.last_batch) {
            *len_bytes = (*len_bytes).min(last_batch);
        }
        segments.retain(|(_, len_bytes)| *len_bytes > 0);
        segments
    }

    fn flip(&mut self, id: NodeId, place: u64) -> bool {
        let segments = self.segments(id);
        if segments.is_empty() {
            return false;
        }
        let (path, len_bytes) = &segments[(place % segments.len() as u64) as usize];
        let mut rng = self.noise.of(Topic::Damage, id.0, place);
        self.host(id).disk.flip_bit(path, rng.below(*len_bytes) as usize, rng.below(8) as u8);
        true
    }

    fn break_sector(&mut self, id: NodeId, place: u64) -> bool {
        let segments = self.segments(id);
        if segments.is_empty() {
            return false;
        }
        let (path, len_bytes) = &segments[(place % segments.len() as u64) as usize];
        let mut rng = self.noise.of(Topic::Damage, id.0, place);
        self.host(id).disk.break_sector(path, rng.below(*len_bytes));
        true
    }

    fn wipe(&mut self, id: NodeId, what: Wiped, for_ns: u64) {
        self.damage(id, for_ns, |world, id| {
            let host = world.host(id);
            match what {
                Wiped::All => {
                    host.disk.wipe(Path::new(DATA_DIR));
                    host.tables.wipe();
                    // It has forgotten its votes: without a change of members it may not come back.
                    host.stays_down = true;
                }
                Wiped::Log => host.disk.wipe(&Path::new(DATA_DIR).join("log")),
                Wiped::Tables => host.tables.wipe(),
            }
            true
        });
    }

    /// After a misdirected write: the power fails once another batch stands behind it, so that the loss can be noticed. Whether the node
    /// is down now.
    pub(super) fn note_astray(&mut self, id: NodeId) -> bool {
        let Some(batches) = &mut self.host(id).astray else { return false };
        *batches += 1;
        if *batches < ASTRAY_EVIDENCE {
            return false;
        }
        marks::WRITE_ASTRAY.reach();
        self.crash_and_restart(id, true, 100 * MS);
        true
    }
}
