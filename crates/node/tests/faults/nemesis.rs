//! Where the clients' requests and the faults come from.

use super::world::{Event, MS, World};
use quorate_node::Input;
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_types::NodeId;

/// How often clients and faults strike.
const STRIKE_MS: u64 = 20;

impl World {
    pub fn strike(&mut self) {
        for id in self.ids() {
            if self.is_up(id) && self.rng.chance(1, 2) {
                self.ask_something(id);
            }
            if self.is_up(id) {
                self.strike_member(id);
            }
        }
        if self.rng.chance(self.options.partition, 3000) {
            self.partition();
        }
        self.schedule(STRIKE_MS * MS, Event::Strike);
    }

    fn strike_member(&mut self, id: NodeId) {
        if self.rng.chance(self.options.table_sync, 4000) {
            self.sync_tables(id);
        }
        if self.rng.chance(1, 50) {
            let running = self.member(id).up();
            let applied = running.view.applied().0;
            running.reader.forget_idle(applied);
        }
        if self.rng.chance(self.options.transfer, 4000) {
            let ids = self.ids();
            let to = ids[self.rng.below(ids.len() as u64) as usize];
            self.step(id, Input::TransferLeadership { group: DEFAULT_GROUP, to });
        }
        if self.rng.chance(self.options.crash, 4000) {
            self.crash_later(id, 800);
        }
    }

    /// The tables of `id` become durable as they are.
    pub fn sync_tables(&mut self, id: NodeId) {
        if self.member(id).persist() {
            let index = self.members[&id].durable().applied().0;
            self.report(id, Input::Durable { group: DEFAULT_GROUP, index });
        }
    }

    /// Crashes `id` now and restarts it within `max_ms`.
    pub fn crash_later(&mut self, id: NodeId, max_ms: u64) {
        let mut rng = self.rng.fork();
        self.member(id).crash(&mut rng);
        self.oracle.on_crashed(id);
        self.forget_reads(id);
        self.counts.crashes += 1;
        let delay = self.rng.below(max_ms * MS);
        self.schedule(delay, Event::Restart { to: id });
    }

    /// Blocks a random set of directed links, or none.
    fn partition(&mut self) {
        self.blocked.clear();
        let ids = self.ids();
        let kind = self.rng.below(4);
        let side: Vec<bool> = ids.iter().map(|_| self.rng.chance(1, 2)).collect();
        for (a, a_side) in ids.iter().zip(&side) {
            for (b, b_side) in ids.iter().zip(&side) {
                let is_blocked = match kind {
                    0 => false,
                    1 => a_side != b_side,
                    2 => *a_side && !*b_side,
                    _ => self.rng.chance(1, 3),
                };
                if is_blocked && a != b {
                    self.blocked.insert((*a, *b));
                }
            }
        }
    }

    /// From now on nothing fails any more, and clients ask nothing.
    pub fn heal(&mut self) {
        self.options.calm();
        self.blocked.clear();
        self.events.retain(|_, event| !matches!(event, Event::Strike));
        for id in self.ids() {
            if !self.is_up(id) {
                self.start(id);
            }
        }
    }

    pub fn leaders(&self) -> Vec<NodeId> {
        let leads = |id: &NodeId| {
            self.status(*id).is_some_and(|status| status.role == quorate_consensus::raft::Role::Leader)
        };
        self.ids().into_iter().filter(leads).collect()
    }
}
