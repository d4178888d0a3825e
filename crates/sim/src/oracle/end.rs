//! **Liveness**, when the run is over: a healed core has one leader, has applied everything, and nobody waits (Raft §5.2, §5.4: a quorum that can talk
//! makes progress). **Durability**, once more: what clients were told is in the core's logs.
//!
//! A group with leases never falls silent, because its leader writes the time now and then. So what somebody applied only a moment ago
//! may still be on its way to the others.

use super::broken::{Check, broken};
use super::machine::Machines;
use crate::violation::Invariant;
use quorate_consensus::raft::{Raft, Role};
use quorate_kv::View;
use quorate_node::{Group, Node};
use quorate_types::{LogIndex, NodeId, Term, Time};
use std::time::Duration;

/// What was applied first longer ago than this must have reached the whole core.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// A node of the core when the run is over.
pub(super) type Standing<'a> = (NodeId, &'a Node, &'a View);

/// The core of a node's one group.
pub(super) fn raft_of(node: &Node) -> Option<&Raft> {
    node.groups().next().map(Group::raft)
}

/// All of the core follow one leader in their newest term. Returns that term.
pub(super) fn check_leader(core: &[Standing<'_>]) -> Check<Term> {
    let rafts = || core.iter().filter_map(|(id, node, _)| Some((*id, raft_of(node)?)));
    let newest = rafts().map(|(_, raft)| raft.term()).max().unwrap_or_default();
    let leader = rafts().find_map(|(_, raft)| raft.leader());
    let agrees = |(id, raft): (NodeId, &Raft)| {
        let leads = raft.role() == Role::Leader;
        raft.term() == newest && raft.leader() == leader && leads == (leader == Some(id))
    };
    if leader.is_some() && rafts().all(agrees) {
        return Ok(newest);
    }
    let stand: Vec<String> = rafts()
        .map(|(id, raft)| {
            let leader = raft.leader().map_or("nobody".to_owned(), |leader| leader.to_string());
            format!("{id} is {:?} in term {} and follows {leader}", raft.role(), raft.term())
        })
        .collect();
    broken(Invariant::Liveness, format!("The healed core follows no one leader: {}.", stand.join(", ")))
}

/// What clients were told up to `known` is in some log of the core.
pub(super) fn check_known(core: &[Standing<'_>], known: LogIndex) -> Check {
    let last = core.iter().filter_map(|(_, node, _)| Some(raft_of(node)?.last_index())).max();
    match last {
        Some(last) if last < known => {
            let words = format!(
                "A client was told of position {known}, but no log of the healed core goes beyond {last}."
            );
            broken(Invariant::Durability, words)
        }
        _ => Ok(()),
    }
}

/// All nodes of the core stand at the same state, and nobody waits there.
pub(super) fn check_replicas(now: Time, core: &[Standing<'_>], machines: &Machines) -> Check {
    let newest = machines.newest();
    for (id, node, view) in core {
        machines.check_view(format_args!("In the end node {id} stands"), view)?;
        let index = view.applied().0;
        let missed = machines.placed(index.next()).filter(|placed| now.since(placed.at) > SETTLED_AFTER);
        if let Some(placed) = missed {
            let words = format!(
                "In the end node {id} stands at {index}, but position {} was applied at {}, and the newest is {newest}.",
                index.next(),
                placed.at
            );
            return broken(Invariant::Liveness, words);
        }
        let waiting: usize = node.statuses().map(|status| status.pending_requests).sum();
        if waiting > 0 {
            let words = format!("In the end {waiting} requests still wait at node {id}.");
            return broken(Invariant::Liveness, words);
        }
    }
    Ok(())
}
