//! Phase two: a core of nodes works again, and then it must serve.

use super::{Event, MS, World, marks};
use crate::client::Told;
use crate::trace::{Actor, What};
use crate::violation::Invariant;
use quorate_kv::View;
use quorate_node::Node;
use quorate_types::{NodeId, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A healed cluster answers each of the last requests within this, beside what distance takes.
const SETTLING_MS: u64 = 400;

/// Calls that are under way at the end of phase two end within this: longer than any client waits.
const LAST_CALLS_MS: u64 = 4000;

impl World {
    /// The nodes that are to work in phase two. Those that never come back are not among them.
    fn core(&self) -> Vec<NodeId> {
        let core = self.scenario.core.iter().map(|id| NodeId(*id));
        core.filter(|id| self.hosts.get(id).is_some_and(|host| !host.stays_down)).collect()
    }

    fn has_quorum(&self, core: &[NodeId]) -> bool {
        2 * core.len() > self.hosts.len()
    }

    /// From now on nothing fails in the core any more; the rest stays as it is, and out of reach.
    pub(super) fn heal(&mut self) {
        self.happened(Actor::World, What::Note { words: "phase two: the core is healed".to_owned() });
        self.healed_at = Some(self.now);
        let core = self.core();
        if core.len() < self.hosts.len() && self.has_quorum(&core) {
            marks::BARE_QUORUM.reach();
        }
        let in_core = core.clone();
        self.agenda.retain(|event| match event {
            Event::Strike { .. } | Event::Cease { .. } | Event::Strobe { .. } => false,
            Event::Restart { node } => in_core.contains(node),
            _ => true,
        });
        let numbers: Vec<u64> = core.iter().map(|id| id.0).collect();
        let all: Vec<u64> = self.ids().iter().map(|id| id.0).collect();
        self.network.heal(&numbers, &all);
        self.release_clogged();
        for id in core {
            self.heal_host(id);
        }
        let outside: BTreeSet<NodeId> = self.ids().into_iter().filter(|id| self.is_paused(*id)).collect();
        for id in outside {
            // Nobody waits for what a stopped node may say one day.
            for request in self.requests.take_of(id) {
                self.tell(request, Told::Gone { sent: true });
            }
            let now = self.now;
            self.oracle.on_crashed(now, id);
        }
    }

    fn heal_host(&mut self, id: NodeId) {
        let now = self.now;
        let host = self.host(id);
        host.forget_plans();
        host.disk.set_capacity_bytes(None);
        host.full = 0;
        host.slow_sync_us.clear();
        host.crash_after = None;
        host.pauses = 0;
        host.clock.heal(now);
        self.resume(id);
        if self.hosts[&id].running.as_ref().is_some_and(super::host::Running::has_failed) {
            self.crash(id, false);
        }
        if self.is_up(id) {
            self.reschedule_ticks(id);
        } else {
            self.agenda.put(now, Event::Restart { node: id });
        }
    }

    /// A healed cluster serves a write and a read at each node of its core, and brings all of them to one state.
    pub(super) fn check_liveness(&mut self, until: Time) {
        let core = self.core();
        if !self.has_quorum(&core) {
            return;
        }
        self.stop_clients();
        let mut until = until;
        if self.requests.are_open() {
            until = Time(until.0 + LAST_CALLS_MS * MS);
            self.run_until(until);
        }
        for id in &core {
            if !self.is_up(*id) {
                return self.break_promise(Invariant::Liveness, format!("node {id} is healed and not up"));
            }
            let probe = self.probe(*id);
            until = Time(until.0 + self.settling_ns());
            self.run_until(until);
            if self.violation.is_some() {
                return;
            }
            if let Some(open) = self.requests.open_among(probe) {
                return self.break_promise(
                    Invariant::Liveness,
                    format!(
                        "after healing, node {id} does not answer its {open} within {} ms",
                        self.settling_ns() / MS
                    ),
                );
            }
        }
        // Watchers read what is left, and everybody learns what is committed.
        self.run_until(Time(until.0 + self.settling_ns()));
        if self.violation.is_some() {
            return;
        }
        let views: Vec<(NodeId, &Node, Arc<View>)> = core
            .iter()
            .filter_map(|id| {
                let running = self.hosts[id].running.as_ref()?;
                Some((*id, &running.node, running.view.clone()))
            })
            .collect();
        let views: Vec<(NodeId, &Node, &View)> =
            views.iter().map(|(id, node, view)| (*id, *node, view.as_ref())).collect();
        self.oracle.on_end(self.now, self.healed_at.unwrap_or_default(), &views);
        self.violation = self.oracle.violation().cloned();
    }

    fn settling_ns(&self) -> u64 {
        let network = &self.scenario.settings.network;
        let far = network.regions.iter().max().copied().unwrap_or_default();
        let there_and_back_us = 6 * (network.base_us + network.jitter_us + 2 * far * network.region_us);
        let disk_us = 4 * self.scenario.settings.disk.sync_max_us;
        let machine_us = 2 * self.scenario.settings.apply_max_us;
        SETTLING_MS * MS + 1000 * (there_and_back_us + disk_us + machine_us)
    }
}
