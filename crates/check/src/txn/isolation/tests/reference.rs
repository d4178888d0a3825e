//! The levels straight from their definitions: try every commit order.

use super::small::{Do, Small, writes};
use crate::history::{History, OpId, Outcome};
use crate::level::Level;
use crate::txn::Kind;

/// Whether some order of those that happened explains the history. Those of unknown outcome may have happened or not.
pub fn holds(level: Level, small: &Small, history: &History) -> bool {
    let of = |outcome: Outcome| (0..small.steps.len()).filter(move |at| small.steps[*at].outcome == outcome);
    let unknown: Vec<usize> = of(Outcome::Info).collect();
    (0..1_u32 << unknown.len()).any(|chosen| {
        let maybe = unknown.iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0).map(|(_, at)| *at);
        let mut members: Vec<usize> = of(Outcome::Ok).chain(maybe).collect();
        any_order(&mut members, 0, &mut |order| explains(level, small, history, order))
    })
}

fn any_order(members: &mut [usize], fixed: usize, check: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if fixed == members.len() {
        return check(members);
    }
    for at in fixed..members.len() {
        members.swap(fixed, at);
        if any_order(members, fixed + 1, check) {
            return true;
        }
        members.swap(fixed, at);
    }
    false
}

/// Whether a commit order satisfies a level. Values that nobody in the order wrote never do.
pub fn explains(level: Level, small: &Small, history: &History, order: &[usize]) -> bool {
    if !small.steps.iter().enumerate().all(|(at, step)| step.outcome != Outcome::Ok || order.contains(&at)) {
        return false;
    }
    use Level::{
        ReadAtomic, ReadCommitted, Serializable, SnapshotIsolation, StrictSerializable,
        StrongSessionSerializable, StrongSessionSnapshotIsolation, StrongSnapshotIsolation,
        TransactionalCausal,
    };
    let nothing = |_: usize, _: usize| false;
    let so = |a: usize, b: usize| {
        let [a, b] = [a, b].map(|at| OpId(at as u32));
        history.op(a).session == history.op(b).session && history.op(a).ret < history.op(b).call
    };
    let rt = |a: usize, b: usize| history.precedes(OpId(a as u32), OpId(b as u32));
    match level {
        Serializable => in_snapshots(small, order, true, &nothing),
        StrongSessionSerializable => in_snapshots(small, order, true, &so),
        StrictSerializable => in_snapshots(small, order, true, &rt),
        SnapshotIsolation => in_snapshots(small, order, false, &nothing),
        StrongSessionSnapshotIsolation => in_snapshots(small, order, false, &so),
        StrongSnapshotIsolation => in_snapshots(small, order, false, &rt),
        ReadCommitted | ReadAtomic | TransactionalCausal => by_axiom(level, small, order, &so),
        _ => unreachable!("no level of transactions"),
    }
}

/// Each transaction reads what the first so many had committed: all before it if `serial`, else at least those that it must see,
/// with no write of its keys by others in between.
fn in_snapshots(
    small: &Small,
    order: &[usize],
    serial: bool,
    must_see: &dyn Fn(usize, usize) -> bool,
) -> bool {
    order.iter().enumerate().all(|(place, at)| {
        let seen_at_least =
            (0..order.len()).rev().find(|other| must_see(order[*other], *at)).map_or(0, |last| last + 1);
        (if serial { place } else { 0 }..=place).any(|snapshot| {
            let meanwhile = order[snapshot..place].iter().flat_map(|other| writes(&small.steps[*other].does));
            let is_alone =
                meanwhile.into_iter().all(|(key, _)| writes(&small.steps[*at].does).all(|own| own.0 != key));
            snapshot >= seen_at_least && is_alone && reads_fit(small, &order[..snapshot], *at)
        })
    })
}

fn reads_fit(small: &Small, before: &[usize], at: usize) -> bool {
    if small.steps[at].outcome != Outcome::Ok {
        return true;
    }
    let mut own: Vec<(u32, u32)> = Vec::new();
    small.steps[at].does.iter().all(|does| match does {
        Do::W(key, value) => {
            own.push((*key, *value));
            true
        }
        Do::R(key, seen) => {
            let written =
                before.iter().flat_map(|at| writes(&small.steps[*at].does)).chain(own.iter().copied());
            let values: Vec<u32> = written.filter(|write| write.0 == *key).map(|write| write.1).collect();
            match small.kind {
                Kind::ListAppend => values == *seen,
                Kind::RwRegister => values.last() == seen.last(),
            }
        }
    })
}

/// Biswas & Enea's axioms, with lists that must agree with the commit order.
fn by_axiom(level: Level, small: &Small, order: &[usize], so: &dyn Fn(usize, usize) -> bool) -> bool {
    let place = |at: usize| order.iter().position(|other| *other == at);
    let has_written = |at: usize, key: u32| writes(&small.steps[at].does).any(|write| write.0 == key);
    let mut reads: Vec<(usize, u32, Option<usize>)> = Vec::new();
    for at in order.iter().copied().filter(|at| small.steps[*at].outcome == Outcome::Ok) {
        for does in &small.steps[at].does {
            let Do::R(key, seen) = does else { continue };
            let source = small.source(at, *key, seen);
            let whole: Vec<u32> = order
                .iter()
                .flat_map(|at| writes(&small.steps[*at].does))
                .filter(|write| write.0 == *key)
                .map(|write| write.1)
                .collect();
            if small.kind == Kind::ListAppend && !whole.starts_with(seen) {
                return false;
            }
            if seen.is_empty() || source.is_some() {
                reads.push((at, *key, source));
            }
        }
    }
    let comes_before =
        |a: usize, b: Option<usize>| b.is_some_and(|b| place(a).is_some() && place(a) < place(b));
    let respects_reads = reads
        .iter()
        .all(|(reader, _, source)| source.is_none_or(|source| comes_before(source, Some(*reader))));
    let in_session = |a: usize, b: usize| !so(a, b) || comes_before(a, Some(b));
    let respects_sessions = order.iter().all(|a| order.iter().all(|b| in_session(*a, *b)));
    // Who is a cause of whom, for the causal level.
    let mut causes = vec![vec![false; small.steps.len()]; small.steps.len()];
    for (reader, _, source) in &reads {
        source.iter().for_each(|source| causes[*source][*reader] = true);
    }
    if level == Level::TransactionalCausal {
        for (a, b) in order.iter().flat_map(|a| order.iter().map(|b| (*a, *b))) {
            causes[a][b] |= so(a, b);
        }
        for (middle, a) in order.iter().flat_map(|middle| order.iter().map(|a| (*middle, *a))) {
            for b in order {
                causes[a][*b] |= causes[a][middle] && causes[middle][*b];
            }
        }
    }
    let is_obeyed = reads.iter().enumerate().all(|(at, (reader, key, later))| {
        order.iter().filter(|earlier| Some(**earlier) != *later && has_written(**earlier, *key)).all(
            |earlier| {
                let is_seen = match level {
                    Level::ReadCommitted => {
                        reads[..at].iter().any(|read| read.0 == *reader && read.2 == Some(*earlier))
                    }
                    _ => causes[*earlier][*reader],
                };
                !is_seen || comes_before(*earlier, *later)
            },
        )
    });
    respects_reads && is_obeyed && (level != Level::TransactionalCausal || respects_sessions)
}
