//! Fewer faults, clients and calls, by delta debugging.

use super::search::Search;
use crate::scenario::Scenario;
use std::collections::{BTreeMap, BTreeSet};

/// Leaves faults out until every single one is needed.
pub(super) fn fewer_faults(search: &mut Search<'_>) {
    let groups = (0..search.best().faults.len()).map(|position| vec![position]).collect();
    reduce(search, groups, |scenario, kept| scenario.faults = only(&scenario.faults, kept));
}

/// Leaves whole clients out, then calls.
pub(super) fn fewer_operations(search: &mut Search<'_>) {
    let mut clients: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (position, operation) in search.best().operations.iter().enumerate() {
        clients.entry(operation.client).or_default().push(position);
    }
    let keep = |scenario: &mut Scenario, kept: &BTreeSet<usize>| {
        scenario.operations = only(&scenario.operations, kept);
    };
    reduce(search, clients.into_values().collect(), keep);
    let single = (0..search.best().operations.len()).map(|position| vec![position]).collect();
    reduce(search, single, keep);
}

fn only<T: Clone>(elements: &[T], kept: &BTreeSet<usize>) -> Vec<T> {
    let is_kept = |(position, _): &(usize, &T)| kept.contains(position);
    elements.iter().enumerate().filter(is_kept).map(|(_, element)| element.clone()).collect()
}

/// Delta debugging over groups of positions: `keep` leaves all others out. Afterwards no single group can be left out, unless the runs ran
/// out.
fn reduce(search: &mut Search<'_>, groups: Vec<Vec<usize>>, keep: impl Fn(&mut Scenario, &BTreeSet<usize>)) {
    let base = search.best().clone();
    let mut attempt = |groups: &[Vec<usize>]| {
        let kept: BTreeSet<usize> = groups.iter().flatten().copied().collect();
        let mut candidate = base.clone();
        keep(&mut candidate, &kept);
        search.attempt(candidate)
    };
    if groups.is_empty() || attempt(&[]) {
        return;
    }
    let mut groups = groups;
    let mut parts = 2;
    while groups.len() >= 2 {
        let len = groups.len().div_ceil(parts);
        if let Some(subset) = groups.chunks(len).find(|chunk| attempt(chunk)) {
            (groups, parts) = (subset.to_vec(), 2);
            continue;
        }
        let chunks = groups.len().div_ceil(len);
        let complement = (0..chunks)
            .map(|chunk| without(&groups, chunk * len, len))
            .find(|complement| attempt(complement));
        match complement {
            Some(complement) => (groups, parts) = (complement, (parts - 1).max(2)),
            None if len == 1 => return,
            None => parts = (parts * 2).min(groups.len()),
        }
    }
}

fn without(groups: &[Vec<usize>], from: usize, len: usize) -> Vec<Vec<usize>> {
    let until = (from + len).min(groups.len());
    [&groups[..from], &groups[until..]].concat()
}
