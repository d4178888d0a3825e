//! Where the clients' requests and the faults come from.

use super::world::{Event, MS, World};
use quorate_consensus::raft::{Input, Role};
use quorate_types::{NodeId, Time};

fn is_fault(event: &Event) -> bool {
    matches!(event, Event::Strike | Event::Spring { .. } | Event::Isolate { .. } | Event::Release)
}

impl World {
    /// Every 20 ms: clients ask, faults happen.
    pub fn strike(&mut self) {
        for id in self.ids() {
            if self.members[&id].raft.is_none() {
                continue;
            }
            if self.rng.chance(1, 4) && self.members[&id].paused_until <= self.now {
                let count = 1 + self.rng.below(4);
                let commands = (0..count).map(|_| self.new_command(id)).collect();
                self.propose(id, commands);
            }
            if self.rng.chance(1, 3) && self.members[&id].paused_until <= self.now {
                self.read(id);
            }
            if self.rng.chance(self.options.table_sync, 4000) {
                self.sync_table(id);
            }
            self.strike_member(id);
        }
        if self.rng.chance(self.options.partition, 3000) {
            self.partition();
        }
        if self.rng.chance(self.options.ambush, 4000) {
            self.ambush();
        }
        self.schedule(20 * MS, Event::Strike);
    }

    fn strike_member(&mut self, id: NodeId) {
        if self.rng.chance(self.options.pause, 4000) {
            let until = Time(self.now.0 + self.rng.below(600 * MS));
            self.member(id).paused_until = until;
        }
        if self.rng.chance(self.options.transfer, 4000) {
            let ids = self.ids();
            let to = ids[self.rng.below(ids.len() as u64) as usize];
            self.step(id, Input::TransferLeadership { to });
        }
        if self.rng.chance(self.options.crash, 4000) {
            let delay = self.rng.below(800 * MS);
            self.crash_later(id, delay);
        }
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

    /// Leases break only if much comes together, so it is brought together: a leader and one member are kept apart until that
    /// member longs for an election…
    fn ambush(&mut self) {
        let leads =
            |id: &NodeId| self.members[id].raft.as_ref().is_some_and(|raft| raft.role() == Role::Leader);
        let ids = self.ids();
        let Some(leader) = ids.iter().copied().find(leads) else { return };
        let spared = ids[self.rng.below(ids.len() as u64) as usize];
        self.blocked.clear();
        self.blocked.extend([(leader, spared), (spared, leader)]);
        let delay = 150 * MS + self.rng.below(400 * MS);
        self.schedule(delay, Event::Spring { leader, spared });
        self.counts.ambushes += 1;
    }

    /// …then the leader is cut off, while the others forget by a restart that they heard it, or it tells one of them to stand.
    pub fn spring(&mut self, leader: NodeId, spared: NodeId) {
        self.schedule(300 * MS, Event::Release);
        if self.rng.chance(1, 2) {
            self.isolate(leader);
            for id in self.ids() {
                if id != leader && id != spared && self.members[&id].raft.is_some() {
                    let delay = self.rng.below(5 * MS);
                    self.crash_later(id, delay);
                }
            }
        } else if self.members[&leader].raft.is_some() {
            self.blocked.clear();
            self.step(leader, Input::TransferLeadership { to: spared });
            let delay = 1000 * self.rng.below(self.options.max_delay_us);
            self.schedule(delay, Event::Isolate { of: leader });
        }
    }

    pub fn isolate(&mut self, of: NodeId) {
        for other in self.ids() {
            self.blocked.extend([(of, other), (other, of)]);
        }
    }

    /// From now on nothing fails any more, and no new requests come.
    pub fn heal(&mut self) {
        self.options.calm();
        self.blocked.clear();
        self.events.retain(|_, event| !is_fault(event));
        for id in self.ids() {
            let now = self.now;
            let member = self.member(id);
            member.paused_until = now;
            member.disk_free_at = now;
            // A disk that was stalled catches up.
            let (life, writes) = (member.life, member.writes.len());
            for _ in 0..writes {
                self.schedule(0, Event::DiskDone { to: id, life });
            }
            if self.members[&id].raft.is_none() {
                self.start(id);
            }
        }
    }
}
