//! Simpler calls: the first clients, the first keys, short transactions.

use super::search::Search;
use crate::scenario::{Call, Scenario};
use std::collections::BTreeMap;

/// Each call is tried as a read only where there are at most so many: it takes a run for each.
const MAX_READ_TRIES: usize = 40;

/// Makes calls reads and transactions short, and clients and keys the first ones.
pub(super) fn simplify(search: &mut Search<'_>) {
    read_instead(search);
    shorten_transactions(search);
    let candidate = first_clients(search.best());
    if candidate != *search.best() {
        search.attempt(candidate);
    }
    let candidate = first_keys(search.best());
    if candidate != *search.best() {
        search.attempt(candidate);
    }
    let nodes = 1..search.best().nodes;
    nodes.into_iter().any(|node| {
        search.best().operations.iter().any(|operation| operation.node != node)
            && search.attempt_with(|scenario| {
                scenario.operations.iter_mut().for_each(|operation| operation.node = node);
            })
    });
}

/// Nothing is simpler than a read.
fn read_instead(search: &mut Search<'_>) {
    let count = search.best().operations.len();
    for position in 0..if count > MAX_READ_TRIES { 0 } else { count } {
        let key = match &search.best().operations[position].call {
            Call::Get { .. } => continue,
            Call::Put { key, .. } | Call::CompareAndSet { key, .. } | Call::GetLocal { key } => *key,
            _ => 1,
        };
        search.attempt_with(|scenario| scenario.operations[position].call = Call::Get { key });
    }
}

/// Leaves single reads and appends out of transactions.
fn shorten_transactions(search: &mut Search<'_>) {
    for position in 0..search.best().operations.len() {
        let mut at = 0;
        loop {
            let mut call = search.best().operations[position].call.clone();
            let Call::Transact { reads, appends } = &mut call else { break };
            if at < reads.len() {
                reads.remove(at);
            } else if at < reads.len() + appends.len() {
                appends.remove(at - reads.len());
            } else {
                break;
            }
            if !search.attempt_with(|scenario| scenario.operations[position].call = call) {
                at += 1;
            }
        }
    }
}

/// Clients get the numbers 1, 2, 3, … in the order in which they first call.
fn first_clients(scenario: &Scenario) -> Scenario {
    let mut renumbered = scenario.clone();
    let mut numbers = Numbers::default();
    for operation in &mut renumbered.operations {
        operation.client = numbers.number(operation.client);
    }
    renumbered
}

/// Keys get the numbers 1, 2, 3, … in the order in which they are first named; lists, counters and locks too, each by themselves. Not where
/// ranges are deleted, because those depend on the order of keys.
fn first_keys(scenario: &Scenario) -> Scenario {
    let mut renumbered = scenario.clone();
    if renumbered.operations.iter().any(|operation| matches!(operation.call, Call::Delete { .. })) {
        return renumbered;
    }
    let [mut registers, mut lists, mut counters, mut locks] = [const { Numbers::none() }; 4];
    for operation in &mut renumbered.operations {
        match &mut operation.call {
            Call::Get { key }
            | Call::GetLocal { key }
            | Call::Put { key, .. }
            | Call::CompareAndSet { key, .. } => *key = registers.number(*key),
            Call::Transact { reads, appends } => {
                reads.iter_mut().for_each(|list| *list = lists.number(*list));
                appends.iter_mut().for_each(|(list, _)| *list = lists.number(*list));
            }
            Call::Increment { counter } => *counter = counters.number(*counter),
            Call::Lock { lock, .. } | Call::Unlock { lock } => *lock = locks.number(*lock),
            _ => {}
        }
    }
    renumbered
}

/// Gives numbers from 1 on to whatever it is asked for first.
#[derive(Default)]
struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    const fn none() -> Self {
        Numbers(BTreeMap::new())
    }

    fn number(&mut self, old: u64) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(old).or_insert(next)
    }
}
