//! Shorter runs, and rounder moments.
//!
//! The healing phase keeps its length: a cluster that gets less time to recover than it was promised would be accused of what it has not done.
//! If a promise is broken before, that phase never begins, so it costs nothing.

use super::search::Search;
use crate::scenario::Scenario;
use quorate_types::Time;

const MS_US: u64 = 1_000;
/// Numerators over [`PARTS`], the shortest run first.
const FRACTIONS: [u64; 6] = [1, 2, 4, 8, 12, 14];
const PARTS: u64 = 16;
/// Gaps are closed one by one only in schedules with at most so many moments: it takes a run or more for each.
const MAX_MOMENTS: usize = 60;
/// A gap that is no longer than this is left alone.
const SHORT_GAP_US: u64 = 2 * MS_US;

/// Ends phase one sooner, first right after the violation; what would come later is left out.
pub(super) fn cut(search: &mut Search<'_>) {
    let end_ms = search.violation().at.since(Time(0)).as_millis() as u64 + 1;
    if end_ms < search.best().faulty_ms {
        search.attempt_with(|scenario| cut_at(scenario, end_ms));
    }
    let last_us = moments(search.best()).last().copied().unwrap_or_default();
    if last_us.div_ceil(MS_US) < search.best().faulty_ms {
        search.attempt_with(|scenario| scenario.faulty_ms = last_us.div_ceil(MS_US));
    }
    // Each success divides the length, so this ends.
    while FRACTIONS.iter().any(|numerator| {
        let shorter_ms = search.best().faulty_ms * numerator / PARTS;
        shorter_ms < search.best().faulty_ms && search.attempt_with(|scenario| cut_at(scenario, shorter_ms))
    }) {}
}

fn cut_at(scenario: &mut Scenario, ms: u64) {
    scenario.faulty_ms = ms;
    scenario.faults.retain(|fault| fault.at_us <= ms * MS_US);
    scenario.operations.retain(|operation| operation.at_us <= ms * MS_US);
}

/// Makes moments round, and what lies between them short.
pub(super) fn shorten(search: &mut Search<'_>) {
    for unit_us in [100 * MS_US, 10 * MS_US, MS_US] {
        if search.attempt_with(|scenario| map(scenario, |at_us| at_us / unit_us * unit_us)) {
            break;
        }
    }
    while search.best().faulty_ms > 1
        && search.attempt_with(|scenario| {
            map(scenario, |at_us| at_us / 2);
            scenario.faults.iter_mut().for_each(|fault| fault.for_us /= 2);
            scenario.faulty_ms = scenario.faulty_ms.div_ceil(2);
        })
    {}
    close_gaps(search);
    round_each(search);
}

/// Moves all that comes after a gap to an earlier time.
fn close_gaps(search: &mut Search<'_>) {
    if moments(search.best()).len() > MAX_MOMENTS {
        return;
    }
    let mut from_us = 0;
    while let Some(to_us) = moments(search.best()).into_iter().find(|at_us| *at_us > from_us) {
        let gap_us = to_us - from_us;
        let shorter = [0, gap_us / 4, gap_us / 2, gap_us / 4 * 3].map(|us| us / MS_US * MS_US);
        if gap_us > SHORT_GAP_US {
            shorter.into_iter().any(|us| search.attempt_with(|scenario| pull(scenario, to_us, gap_us - us)));
        }
        // What has been pulled to the gap's beginning counts as one moment with it.
        let next = moments(search.best()).into_iter().find(|at_us| *at_us > from_us);
        from_us = next.map_or(to_us, |next| next.min(to_us));
    }
}

/// Everything from `from_us` on comes sooner.
fn pull(scenario: &mut Scenario, from_us: u64, by_us: u64) {
    map(scenario, |at_us| if at_us >= from_us { at_us - by_us } else { at_us });
    scenario.faulty_ms -= (by_us / MS_US).min(scenario.faulty_ms);
}

/// Where all moments together cannot be made round, perhaps some can.
fn round_each(search: &mut Search<'_>) {
    for moment in moments(search.best()).into_iter().filter(|moment| moment % MS_US != 0) {
        let round = moment / MS_US * MS_US;
        // What comes just before moves along, so the order stays.
        search.attempt_with(|scenario| {
            map(scenario, |at_us| if (round..=moment).contains(&at_us) { round } else { at_us });
        });
    }
}

/// Changes every moment. `change` must keep their order.
fn map(scenario: &mut Scenario, change: impl Fn(u64) -> u64) {
    scenario.faults.iter_mut().for_each(|fault| fault.at_us = change(fault.at_us));
    scenario.operations.iter_mut().for_each(|operation| operation.at_us = change(operation.at_us));
}

/// When something begins, in order, each moment once.
fn moments(scenario: &Scenario) -> Vec<u64> {
    let faults = scenario.faults.iter().map(|fault| fault.at_us);
    let operations = scenario.operations.iter().map(|operation| operation.at_us);
    let mut moments: Vec<u64> = faults.chain(operations).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}
