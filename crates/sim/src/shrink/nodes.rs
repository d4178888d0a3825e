//! Fewer nodes.
//!
//! Others take the numbers of those that go, so that ids stay 1 to n. Two nodes go at a time first: with an odd number of nodes what a
//! quorum survives stays what it was in proportion.

use super::search::Search;
use crate::scenario::{Fault, FaultKind, Scenario, Target};

/// What strikes a node that is gone, and what is asked of it.
#[derive(Clone, Copy)]
enum Heirs {
    /// Faults go with the node, its clients ask another.
    Clients,
    /// Another node inherits both.
    Both,
    /// The leader inherits faults, another node the clients.
    Leader,
    /// Both go with the node.
    Nobody,
}

/// Noise that is tried for a smaller cluster: its messages have other delays, so it may need other luck.
const NOISES: u64 = 4;

/// Leaves nodes out, two at a time and then one.
pub(super) fn fewer(search: &mut Search<'_>) {
    while search.best().nodes >= 3 && remove_two(search) {}
    while search.best().nodes >= 2 && remove_one(search) {}
}

fn remove_two(search: &mut Search<'_>) -> bool {
    let nodes = search.best().nodes;
    let pairs = (1..=nodes).rev().flat_map(|high| (1..high).rev().map(move |low| [high, low]));
    pairs.into_iter().any(|pair| remove(search, &pair))
}

fn remove_one(search: &mut Search<'_>) -> bool {
    (1..=search.best().nodes).rev().any(|node| remove(search, &[node]))
}

/// `gone` in falling order, so that the numbers of those that are still to go stay right.
fn remove(search: &mut Search<'_>, gone: &[u64]) -> bool {
    let heirs = [Heirs::Clients, Heirs::Both, Heirs::Leader, Heirs::Nobody];
    let smaller = |scenario: &Scenario, heirs| {
        gone.iter().fold(scenario.clone(), |scenario, node| without(&scenario, *node, heirs))
    };
    if heirs.into_iter().any(|heirs| search.attempt(smaller(search.best(), heirs))) {
        return true;
    }
    (0..NOISES).any(|noise| {
        let candidate = smaller(search.best(), Heirs::Both);
        search.attempt(Scenario { noise, ..candidate })
    })
}

fn without(scenario: &Scenario, gone: u64, heirs: Heirs) -> Scenario {
    let mut smaller = scenario.clone();
    smaller.nodes -= 1;
    let nodes = smaller.nodes;
    // The next one, which gets the number; after the last one, the first.
    let heir = if gone > nodes { 1 } else { gone };
    let renumbered = |node: u64| if node > gone { node - 1 } else { node };
    smaller.core.retain(|node| *node != gone);
    smaller.core.iter_mut().for_each(|node| *node = renumbered(*node));
    let missing: Vec<u64> = (1..=nodes).filter(|node| !smaller.core.contains(node)).collect();
    let lacking = smaller.quorum().saturating_sub(smaller.core.len() as u64);
    smaller.core.extend(missing.into_iter().take(lacking as usize));
    smaller.core.sort_unstable();
    let position = (gone - 1) as usize;
    smaller.settings.clocks.remove(position);
    if !smaller.settings.network.regions.is_empty() {
        smaller.settings.network.regions.remove(position);
    }
    let faults = smaller.faults.into_iter();
    smaller.faults = faults.filter_map(|fault| inherited(fault, (gone, heir), heirs)).collect();
    if matches!(heirs, Heirs::Nobody) {
        smaller.operations.retain(|operation| operation.node != gone);
    }
    for operation in &mut smaller.operations {
        operation.node = if operation.node == gone { heir } else { renumbered(operation.node) };
    }
    smaller
}

/// What becomes of a fault; `None` if it goes with the node.
fn inherited(mut fault: Fault, (gone, heir): (u64, u64), heirs: Heirs) -> Option<Fault> {
    let renumbered = |node: u64| if node > gone { node - 1 } else { node };
    if let Some(Target::Node(node)) = fault.kind.target() {
        let target = match heirs {
            _ if node != gone => Target::Node(renumbered(node)),
            Heirs::Clients | Heirs::Nobody => return None,
            Heirs::Both => Target::Node(heir),
            Heirs::Leader => Target::Leader,
        };
        fault.kind.target_mut().into_iter().for_each(|old| *old = target);
    }
    match &mut fault.kind {
        FaultKind::Cut { links, .. } | FaultKind::Clog { links } => {
            links.retain(|(from, to)| *from != gone && *to != gone);
            links.iter_mut().for_each(|(from, to)| (*from, *to) = (renumbered(*from), renumbered(*to)));
            if links.is_empty() {
                return None;
            }
        }
        FaultKind::Transfer { to } => match heirs {
            _ if *to != gone => *to = renumbered(*to),
            Heirs::Both => *to = heir,
            _ => return None,
        },
        _ => {}
    }
    Some(fault)
}
