//! One whole node: its groups side by side.

use crate::group::{Group, GroupStatus};
use crate::input::{Effect, Input};
use quorate_types::{GroupId, Time};
use std::collections::BTreeMap;

/// The replication side of one node, or of those groups of it that share an executor. See the crate.
#[derive(Default)]
pub struct Node {
    groups: BTreeMap<GroupId, Group>,
}

impl Node {
    /// A node that hosts no group.
    #[must_use]
    pub fn new() -> Self {
        Node::default()
    }

    /// Takes a group in.
    ///
    /// # Panics
    /// If the node hosts it already.
    pub fn add(&mut self, group: Group) {
        let id = group.status().group;
        let before = self.groups.insert(id, group);
        assert!(before.is_none(), "group {id} is hosted twice");
    }

    /// Takes one input; appends what is to be done to `out`. An input about a group that is not hosted here is dropped, as the network
    /// might have dropped it.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Tick => {
                for group in self.groups.values_mut() {
                    if group.next_deadline().is_some_and(|deadline| deadline <= now) {
                        group.step(now, Input::Tick, out);
                    }
                }
            }
            Input::DiskFailed => {
                for group in self.groups.values_mut() {
                    group.step(now, Input::DiskFailed, out);
                }
            }
            Input::Peer { group, .. }
            | Input::Requests { group, .. }
            | Input::Persisted { group, .. }
            | Input::MachineFailed { group }
            | Input::Applied { group, .. }
            | Input::Checkpoint { group, .. }
            | Input::Propose { group, .. }
            | Input::Durable { group, .. }
            | Input::SnapshotRead { group, .. }
            | Input::SnapshotStored { group, .. }
            | Input::TransferLeadership { group, .. } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.step(now, input, out);
                }
            }
        }
    }

    /// When the node next wants an [`Input::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.groups.values().filter_map(Group::next_deadline).min()
    }

    /// The hosted groups as an operator sees them.
    pub fn statuses(&self) -> impl Iterator<Item = GroupStatus> + '_ {
        self.groups.values().map(Group::status)
    }

    /// The hosted groups, for an observer.
    pub fn groups(&self) -> impl Iterator<Item = &Group> + '_ {
        self.groups.values()
    }

    /// Checks what must always hold. Costs O(log), for tests and the simulator.
    pub fn check_invariants(&self) {
        self.groups.values().for_each(Group::check_invariants);
    }
}
