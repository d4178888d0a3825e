//! All promises side by side, and what one must tell another.

use super::broken::Check;
use super::deadlines::Deadlines;
use super::disk::Disks;
use super::election::Elections;
use super::end::{self, Standing, raft_of};
use super::leases::{Done, Leases};
use super::logs::Logs;
use super::machine::Machines;
use super::reads::Reads;
use super::requests::Requests;
use super::watches::Watches;
use crate::client::RequestId;
use quorate_consensus::raft::{Entry, LogWrite, Role};
use quorate_kv::{Kv, View};
use quorate_node::{Answer, Node};
use quorate_types::{NodeId, Term, Time};

/// Whole logs are compared once in so many steps.
const WHOLE_LOGS_EVERY: u64 = 64;

/// See the module.
pub(super) struct Promises {
    pub(super) elections: Elections,
    pub(super) logs: Logs,
    pub(super) disks: Disks,
    pub(super) machines: Machines,
    pub(super) requests: Requests,
    pub(super) reads: Reads,
    pub(super) leases: Leases,
    pub(super) watches: Watches,
    pub(super) deadlines: Deadlines,
    clocks_are_true: bool,
    steps: u64,
}

impl Promises {
    pub(super) fn new(kv: Kv, clocks_are_true: bool, drift_ppm: u64) -> Self {
        Promises {
            elections: Elections::default(),
            logs: Logs::new(kv.applied().0),
            disks: Disks::default(),
            leases: Leases::new(&kv.view(), clocks_are_true, drift_ppm),
            machines: Machines::new(kv),
            requests: Requests::default(),
            reads: Reads::default(),
            watches: Watches::default(),
            deadlines: Deadlines::default(),
            clocks_are_true,
            steps: 0,
        }
    }

    pub(super) fn on_started(&mut self, node: NodeId, state: &Node, view: &View) -> Check {
        self.elections.on_started(node);
        if let Some(raft) = raft_of(state) {
            self.disks.on_started(node, raft, view)?;
            self.logs.on_started(node, raft)?;
        }
        self.machines.on_started(node, view)
    }

    pub(super) fn on_crashed(&mut self, node: NodeId) {
        self.logs.on_crashed(node);
        self.machines.on_crashed(node);
        self.requests.on_crashed(node);
        self.reads.on_crashed(node);
        self.watches.on_crashed(node);
        self.deadlines.on_crashed(node);
    }

    pub(super) fn on_persisted(&mut self, node: NodeId, write: &LogWrite) -> Check {
        self.disks.on_persisted(node, write);
        self.logs.on_persisted(node, &write.entries)
    }

    pub(super) fn on_became(
        &mut self,
        now: Time,
        node: NodeId,
        (role, term): (Role, Term),
        state: &Node,
    ) -> Check {
        if role != Role::Leader {
            return Ok(());
        }
        self.elections.on_leads(now, node, term)?;
        match raft_of(state) {
            Some(raft) => self.logs.on_leads(node, term, raft),
            None => Ok(()),
        }
    }

    pub(super) fn on_stepped(&mut self, now: Time, node: NodeId, nodes: &[(NodeId, &Node)]) -> Check {
        let stepped = nodes.iter().find(|(id, _)| *id == node);
        if let Some(raft) = stepped.and_then(|(_, state)| raft_of(state)) {
            if raft.role() == Role::Leader {
                self.elections.on_leads(now, node, raft.term())?;
            }
            if let Some(cut) = self.logs.on_stepped(node, raft)? {
                self.disks.on_cut(node, cut);
            }
        }
        if self.clocks_are_true {
            self.deadlines.on_stepped(now, node)?;
        }
        self.steps += 1;
        if self.steps.is_multiple_of(WHOLE_LOGS_EVERY) {
            let mut rafts = nodes.iter().filter_map(|(id, state)| Some((*id, raft_of(state)?)));
            // One whole log at a time, in turn: which one does not matter, as long as each gets its.
            let turn = (self.steps / WHOLE_LOGS_EVERY) as usize % nodes.len().max(1);
            if let Some((id, raft)) = rafts.nth(turn) {
                self.logs.check_whole(id, raft)?;
            }
        }
        Ok(())
    }

    pub(super) fn on_apply(&mut self, now: Time, node: NodeId, entry: &Entry) -> Check {
        let envelope = self.machines.on_apply(now, node, entry)?;
        self.logs.on_apply(node, entry)?;
        let Some(envelope) = envelope else { return Ok(()) };
        self.requests.on_placed(entry.index, &envelope)?;
        let placed = self.machines.placed(entry.index);
        let done = Done {
            index: entry.index,
            term: entry.term,
            command: &envelope.command.command,
            outcome: placed.and_then(|placed| placed.outcome.as_ref().ok()),
            asked_at: self.requests.asked_at(envelope.id.sequence),
        };
        self.leases.on_done(now, &done, self.machines.view())
    }

    pub(super) fn on_answered(&mut self, node: NodeId, request: RequestId, answer: &Answer) -> Check {
        self.deadlines.on_ended(request);
        let placed = self.machines.placed(answer.index);
        self.requests.on_answered(node, request, answer, placed)?;
        self.disks.on_answered(answer.index, answer.term)
    }

    pub(super) fn on_end(&mut self, now: Time, healed: Time, core: &[Standing<'_>]) -> Check {
        let nodes: Vec<NodeId> = core.iter().map(|(id, ..)| *id).collect();
        for (id, state, _) in core {
            if let Some(raft) = raft_of(state) {
                self.logs.check_whole(*id, raft)?;
            }
        }
        end::check_known(core, self.requests.known())?;
        let term = end::check_leader(core)?;
        self.deadlines.check_all(now, &nodes)?;
        end::check_replicas(now, core, &self.machines)?;
        self.watches.check_all(&nodes, &self.machines)?;
        let led_since = self.elections.led_since(term).unwrap_or(now).max(healed);
        self.leases.check_ended(now, led_since)
    }
}
