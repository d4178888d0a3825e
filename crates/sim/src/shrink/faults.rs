//! Shorter, narrower and milder faults.

use super::search::Search;
use crate::scenario::{Direction, FaultKind, Scenario, Shape, Target};

const MS_US: u64 = 1_000;
/// Durations that are tried, the shortest first; then parts of the present one.
const SHORT_US: [u64; 3] = [0, MS_US, 100 * MS_US];

/// Makes each fault simpler by itself.
pub(super) fn simplify(search: &mut Search<'_>) {
    // The last one first: it is the nearest to the violation, and what comes before it stays as it is.
    for position in (0..search.best().faults.len()).rev() {
        shorten(search, position);
        fix_target(search, position);
        fewer_links(search, position);
        while milder(&search.best().faults[position].kind)
            .into_iter()
            .any(|kind| search.attempt_with(|scenario| scenario.faults[position].kind = kind))
        {}
    }
}

fn shorten(search: &mut Search<'_>, position: usize) {
    let duration = |scenario: &Scenario| scenario.faults[position].for_us;
    loop {
        let now_us = duration(search.best());
        let parts = [now_us / 4, now_us / 2, now_us / 4 * 3].map(|us| us / MS_US * MS_US);
        let round = [100 * MS_US, 10 * MS_US, MS_US].map(|unit_us| now_us / unit_us * unit_us);
        let shorter = SHORT_US.into_iter().chain(parts).chain(round).filter(|us| *us < now_us);
        let mut attempt = |us| search.attempt_with(|scenario| scenario.faults[position].for_us = us);
        if !shorter.into_iter().any(&mut attempt) {
            return;
        }
    }
}

/// A fixed node is simpler than whoever leads then.
fn fix_target(search: &mut Search<'_>, position: usize) {
    if search.best().faults[position].kind.target() != Some(Target::Leader) {
        return;
    }
    let nodes = 1..=search.best().nodes;
    let fixed = |scenario: &mut Scenario, node| {
        let target = scenario.faults[position].kind.target_mut();
        target.into_iter().for_each(|target| *target = Target::Node(node));
    };
    nodes.into_iter().any(|node| search.attempt_with(|scenario| fixed(scenario, node)));
}

fn fewer_links(search: &mut Search<'_>, position: usize) {
    let mut at = 0;
    loop {
        let mut kind = search.best().faults[position].kind.clone();
        let (FaultKind::Cut { links, .. } | FaultKind::Clog { links }) = &mut kind else { return };
        if links.len() < 2 || at >= links.len() {
            return;
        }
        links.remove(at);
        if let FaultKind::Cut { shape, .. } = &mut kind {
            // What is left has the old shape no longer.
            *shape = Shape::Random;
        }
        if !search.attempt_with(|scenario| scenario.faults[position].kind = kind) {
            at += 1;
        }
    }
}

/// The next milder kinds, each smaller in some number than this one, so that taking them one after the other ends.
fn milder(kind: &FaultKind) -> Vec<FaultKind> {
    let with = |change: &dyn Fn(&mut FaultKind)| {
        let mut milder = kind.clone();
        change(&mut milder);
        (milder != *kind).then_some(milder)
    };
    let candidates: Vec<Option<FaultKind>> = match kind {
        FaultKind::Isolate { direction: Direction::Both, .. } => [Direction::In, Direction::Out]
            .map(|one| {
                with(&|kind| {
                    if let FaultKind::Isolate { direction, .. } = kind {
                        *direction = one;
                    }
                })
            })
            .into(),
        FaultKind::Degrade { .. } => [0, 1, 2].map(|which| with(&|kind| milder_degrade(kind, which))).into(),
        FaultKind::Crash { .. } => vec![
            with(&|kind| {
                if let FaultKind::Crash { after_effects, .. } = kind {
                    *after_effects = 0;
                }
            }),
            with(&|kind| {
                if let FaultKind::Crash { power, .. } = kind {
                    *power = false;
                }
            }),
        ],
        _ => [0, 2].map(|part| with(&|kind| divide(kind, part))).into(),
    };
    candidates.into_iter().flatten().collect()
}

fn milder_degrade(kind: &mut FaultKind, which: u8) {
    if let FaultKind::Degrade { loss_per_mille, duplicate_per_mille, slow_us } = kind {
        match which {
            0 => *loss_per_mille = 0,
            1 => *duplicate_per_mille = 0,
            _ => *slow_us = 0,
        }
    }
}

/// Divides the number that says how bad it is; by 0: makes it 0.
fn divide(kind: &mut FaultKind, by: u8) {
    let divided = |number: u64| number.checked_div(by.into()).unwrap_or_default();
    let divided_signed = |number: i64| number.checked_div(by.into()).unwrap_or_default();
    match kind {
        FaultKind::SlowDisk { extra_us, .. } => *extra_us = divided(*extra_us),
        FaultKind::MisdirectedWrite { place, .. }
        | FaultKind::FlipBit { place, .. }
        | FaultKind::LatentSectorError { place, .. } => *place = divided(*place),
        FaultKind::ClockJump { by_ms, .. } | FaultKind::ClockStrobe { by_ms, .. } => {
            *by_ms = divided_signed(*by_ms);
        }
        FaultKind::ClockDrift { ppm, .. } => *ppm = divided_signed(*ppm),
        _ => {}
    }
}
