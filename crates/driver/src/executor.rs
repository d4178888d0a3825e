//! One executor: a loop on a thread of its own that drives the groups given to it, and the sockets to their peers.
//!
//! It never waits for a disk: log writes go to the log thread, entries and snapshots to the apply thread, and both
//! report back through the inbox.

use crate::apply_thread::{ApplyJob, ApplySender};
use crate::clock::Clock;
use crate::inbox::{Event, InboxReceiver, ROUND_LEN};
use crate::log_thread::{LogJob, LogSender};
use crate::maintenance::{MaintenanceJob, MaintenanceSender};
use crate::round_trips::RoundTrips;
use crate::shared::{GroupShared, NodeFailure, NodeShared};
use crate::transport::Outgoing;
use crate::waiters::End;
use quorate_consensus::raft::Role;
use quorate_node::{Effect, Input, Lane, MachineInput, Node, PeerMessage, ReadRequest, WriteRequest};
use quorate_types::{GroupId, NodeId, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often the operator's picture of a group is renewed.
const STATUS_INTERVAL: Duration = Duration::from_millis(100);

/// See the module.
pub struct Executor {
    /// The node's groups that live here.
    pub node: Node,
    /// The clock.
    pub clock: Clock,
    /// Ways to the peers.
    pub peers: BTreeMap<NodeId, [Outgoing; 2]>,
    /// How long the peers take to answer.
    pub round_trips: RoundTrips,
    /// The log thread.
    pub log: LogSender,
    /// The apply thread of these groups.
    pub apply: ApplySender,
    /// The maintenance thread.
    pub maintenance: MaintenanceSender,
    /// What all threads share.
    pub shared: Arc<NodeShared>,
    /// The same for each group.
    pub groups: BTreeMap<GroupId, Arc<GroupShared>>,
}

impl Executor {
    /// Runs until [`Event::Stop`]. Must run inside a `LocalSet`.
    pub async fn run(mut self, mut inbox: InboxReceiver) {
        let mut events = Vec::with_capacity(ROUND_LEN);
        let mut round = Round::default();
        let mut status_at = self.clock.now();
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        loop {
            let deadline = self.node.next_deadline().map_or(status_at, |deadline| deadline.min(status_at));
            sleep.as_mut().reset(self.clock.instant(deadline).into());
            tokio::select! {
                biased;
                Some(event) = inbox.completions.recv() => events.push(event),
                Some(event) = inbox.peers.recv() => events.push(event),
                Some(event) = inbox.requests.recv() => events.push(event),
                () = &mut sleep => {}
            }
            inbox.take_waiting(&mut events);
            let now = self.clock.now();
            for event in events.drain(..) {
                match event {
                    Event::Stop => return,
                    event => self.take(now, event, &mut round),
                }
            }
            self.finish_round(now, &mut round);
            if now >= status_at {
                status_at = now + STATUS_INTERVAL;
                self.publish_statuses();
            }
            // Lets the sockets' tasks run although the inbox may never be empty.
            tokio::task::yield_now().await;
        }
    }

    fn take(&mut self, now: Time, event: Event, round: &mut Round) {
        match event {
            Event::Input(input) => {
                if let Input::Peer { from, group, message } = &input {
                    self.round_trips.on_receive(now, *from, *group, message, &self.shared.meters);
                }
                self.node.step(now, input, &mut round.effects);
            }
            Event::Write(group, write) => round.requests.entry(group).or_default().0.push(write),
            Event::Read(group, read) => round.requests.entry(group).or_default().1.push(read),
            Event::Persisted { then, inputs } => {
                for (to, group, message) in then {
                    self.send(to, group, &message);
                }
                for input in inputs {
                    self.node.step(now, input, &mut round.effects);
                }
            }
            Event::Stop => {}
        }
    }

    fn finish_round(&mut self, now: Time, round: &mut Round) {
        while let Some((group, (writes, reads))) = round.requests.pop_first() {
            self.node.step(now, Input::Requests { group, writes, reads }, &mut round.effects);
        }
        if self.node.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.node.step(now, Input::Tick, &mut round.effects);
        }
        for effect in round.effects.drain(..) {
            self.execute(now, effect);
        }
        for lanes in self.peers.values() {
            lanes.iter().for_each(Outgoing::flush);
        }
    }

    fn send(&self, to: NodeId, group: GroupId, message: &PeerMessage) {
        if let Some([urgent, bulk]) = self.peers.get(&to) {
            match message.lane() {
                Lane::Urgent => urgent.send(group, message),
                Lane::Bulk => bulk.send(group, message),
            }
        }
    }

    fn execute(&mut self, now: Time, effect: Effect) {
        match effect {
            Effect::Append { group, write, log, then } => {
                self.log.send(LogJob::Append { group, write, log, then });
            }
            Effect::Send { to, group, message } => {
                self.round_trips.on_send(now, to, group, &message);
                self.send(to, group, &message);
            }
            Effect::Apply { group, entries } => {
                self.apply.send(ApplyJob { group, input: MachineInput::Apply { entries } });
            }
            Effect::ReadReady { sequences } => {
                for sequence in sequences {
                    self.shared.waiters.end(sequence, End::Readable);
                }
            }
            Effect::Fail { sequence, failure } => self.shared.waiters.end(sequence, End::Failed(failure)),
            Effect::ReadSnapshot { group, to, index, sequence } => {
                self.maintenance.send(MaintenanceJob::ReadSnapshot { group, to, index, sequence });
            }
            Effect::StoreSnapshot { group, piece } => {
                self.apply.send(ApplyJob { group, input: MachineInput::StoreSnapshot { piece } });
            }
            Effect::CompactLog { group, upto } => self.log.send(LogJob::Compact { group, upto }),
            Effect::Became { group, role, term, leader } => {
                let leads = role == Role::Leader;
                if let Some(shared) = self.groups.get(&group) {
                    tracing::info!(keyspace = shared.name, ?role, %term, leader = ?leader, "role");
                    shared.status.send_modify(|status| {
                        status.role = role;
                        status.term = term;
                        status.leader = leader;
                    });
                }
                self.apply.send(ApplyJob { group, input: MachineInput::Role { term, leads } });
            }
            Effect::Diverged { group, index } => {
                if let Some(shared) = self.groups.get(&group) {
                    shared.set_diverged(index);
                    let failure = NodeFailure::Diverged { keyspace: shared.name.as_str().into(), index };
                    tracing::error!("{failure}");
                    self.shared.failure.send_replace(Some(failure));
                }
            }
        }
    }

    fn publish_statuses(&self) {
        for status in self.node.statuses() {
            if let Some(shared) = self.groups.get(&status.group) {
                shared.status.send_if_modified(|old| {
                    let changed = *old != status;
                    *old = status;
                    changed
                });
            }
        }
    }
}

/// What one round of the loop gathers.
#[derive(Default)]
struct Round {
    effects: Vec<Effect>,
    requests: BTreeMap<GroupId, (Vec<WriteRequest>, Vec<ReadRequest>)>,
}
