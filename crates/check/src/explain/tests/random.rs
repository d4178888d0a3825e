//! The replays against the search of all orders, on many small random histories.

use super::{fact, free, history, register};
use crate::explain::Keep;
use crate::explain::verify::{Check, Flaw, Txns};
use crate::history::{History, OpId};
use crate::level::{Level, OBJECT_LEVELS, TXN_LEVELS};
use crate::verdict::{Sequence, Verdict, Witness};
use quorate_types::Rng;

const SEEDS: u64 = 150;

/// A few operations on a register, with answers that are right about half of the time.
fn ops(rng: &mut Rng) -> String {
    let count = rng.between(3, 5);
    let op = |at: u64, rng: &mut Rng| {
        let (from, value) = (rng.below(8), rng.between(1, 2));
        let until = if rng.chance(1, 5) { "?".to_owned() } else { (from + rng.between(1, 5)).to_string() };
        let what = if rng.chance(1, 2) { format!("w{value}") } else { format!("r{value}") };
        format!("{at} {from}-{until} {what}")
    };
    (0..count).map(|at| op(at, rng)).collect::<Vec<_>>().join(";")
}

fn transactions(rng: &mut Rng) -> String {
    let mut next = 0;
    let mut times = [0_u64; 3];
    let mut txn = |rng: &mut Rng| {
        let session = rng.below(3) as usize;
        let from = times[session] + rng.between(1, 3);
        times[session] = from + rng.between(1, 4);
        let mops: Vec<String> = (0..rng.between(1, 2))
            .map(|_| {
                let key = if rng.chance(1, 2) { "x" } else { "y" };
                if rng.chance(1, 2) {
                    next += 1;
                    format!("w{key}{next}")
                } else if rng.chance(1, 3) || next == 0 {
                    format!("r{key}=")
                } else {
                    format!("r{key}={}", rng.between(1, next))
                }
            })
            .collect();
        format!("{session} {from}-{} {}", times[session], mops.join(" "))
    };
    let count = rng.between(2, 4);
    (0..count).map(|_| txn(rng)).collect::<Vec<_>>().join(";")
}

/// Calls with each order of each part of `0..count`.
fn each_order(count: u32, visit: &mut dyn FnMut(&[OpId])) {
    fn grow(count: u32, order: &mut Vec<OpId>, visit: &mut dyn FnMut(&[OpId])) {
        visit(order);
        for id in (0..count).map(OpId) {
            if !order.contains(&id) {
                order.push(id);
                grow(count, order, visit);
                order.pop();
            }
        }
    }
    grow(count, &mut Vec::new(), visit);
}

/// The search finds no order exactly if no order is confirmed.
fn agree(history: &History, text: &str, level: Level, confirm: &dyn Fn(&Verdict) -> Check) -> bool {
    let count = history.ops.len() as u32;
    let mut is_confirmed = false;
    each_order(count, &mut |order| {
        let sequence = Sequence { scope: String::new(), ops: order.to_vec() };
        is_confirmed |= confirm(&Verdict::Holds(Witness::Orders(vec![sequence]))) == Check::Confirmed;
    });
    let all: Vec<u32> = (0..count).collect();
    let refuted = confirm(&fact(&all));
    let expect = if is_confirmed { Check::Flawed(Flaw::OrderExists) } else { Check::Confirmed };
    assert_eq!(refuted, expect, "{level} of {text}");
    is_confirmed
}

#[test]
fn orders_and_the_search_agree_on_objects() {
    let mut held = 0;
    for seed in 0..SEEDS {
        let text = ops(&mut Rng::new(seed));
        let history = history(&text);
        let objects = register(&history);
        for level in [Level::Linearizable, Level::Sequential] {
            let confirm = |verdict: &Verdict| objects.verdict(level, verdict, &free());
            held += u64::from(agree(&history, &format!("{text} (seed {seed})"), level, &confirm));
        }
    }
    assert!((SEEDS / 4..SEEDS * 7 / 4).contains(&held), "{held} of {}", 2 * SEEDS);
}

#[test]
fn orders_and_the_search_agree_on_transactions() {
    let mut held = [0; TXN_LEVELS.len()];
    for seed in 0..SEEDS {
        let text = transactions(&mut Rng::new(seed));
        let history = history(&text);
        let txns = Txns::new(&history);
        for (at, level) in TXN_LEVELS.into_iter().enumerate() {
            let confirm = |verdict: &Verdict| txns.verdict(level, verdict, &free());
            held[at] += u64::from(agree(&history, &format!("{text} (seed {seed})"), level, &confirm));
        }
    }
    // Weaker levels hold more often.
    for (at, level) in TXN_LEVELS.into_iter().enumerate() {
        for (other, weaker) in TXN_LEVELS.into_iter().enumerate() {
            assert!(!level.is_at_least(weaker) || held[at] <= held[other], "{level} {weaker} {held:?}");
        }
    }
    assert!(held[0] > 10 && held[0] < held[TXN_LEVELS.len() - 1], "{held:?}");
}

#[test]
fn a_closed_part_of_what_holds_holds() {
    let mut cut = 0;
    for seed in 0..4 * SEEDS {
        let mut rng = Rng::new(seed);
        let text = ops(&mut rng);
        let whole = history(&text);
        let objects = register(&whole);
        let all: Vec<u32> = (0..whole.ops.len() as u32).collect();
        let holds = |history: &History, count: usize| {
            let all: Vec<u32> = (0..count as u32).collect();
            register(history).verdict(Level::Linearizable, &fact(&all), &free()) != Check::Confirmed
        };
        let some: Vec<OpId> = all.into_iter().filter(|_| rng.chance(2, 3)).map(OpId).collect();
        let part = objects.keep().closed_part(&some);
        assert!(objects.keep().is_closed(&part));
        let restricted = whole.restrict(&part);
        if holds(&whole, whole.ops.len()) {
            assert!(holds(&restricted, part.len()), "{text} cut to {part:?} (seed {seed})");
            cut += usize::from(part.len() < whole.ops.len() && !part.is_empty());
        }
        let txns = transactions(&mut rng);
        let whole = history(&txns);
        let keep = Keep::txns(&whole);
        let some: Vec<OpId> = whole.iter().map(|(id, _)| id).filter(|_| rng.chance(2, 3)).collect();
        let part = keep.closed_part(&some);
        for level in TXN_LEVELS {
            let holds = |history: &History| {
                let all: Vec<u32> = (0..history.ops.len() as u32).collect();
                Txns::new(history).verdict(level, &fact(&all), &free()) != Check::Confirmed
            };
            let restricted = whole.restrict(&part);
            assert!(!holds(&whole) || holds(&restricted), "{txns} cut to {part:?} (seed {seed})");
        }
    }
    assert!(cut > 100, "{cut}");
}

/// A few operations of three sessions on two registers, each value written once.
fn once_written(rng: &mut Rng) -> String {
    let (mut times, mut next) = ([0_u64; 3], 0);
    let count = rng.between(3, 6);
    let op = |_| {
        let session = rng.below(3) as usize;
        let from = times[session] + rng.between(1, 3);
        times[session] = from + rng.between(1, 3);
        let what = if next < 3 && rng.chance(1, 2) {
            next += 1;
            format!("w{next}")
        } else if rng.chance(1, 5) {
            "r".to_owned()
        } else {
            format!("r{}", rng.between(1, 3))
        };
        // Odd values are those of x, even ones of y.
        let is_y = what.ends_with('2') || (what == "r" && rng.chance(1, 2));
        format!("{session} {from}-{} {}:{what}", times[session], if is_y { "y" } else { "x" })
    };
    (0..count).map(op).collect::<Vec<_>>().join(";")
}

/// The definition of a session guarantee, by trying all orders of writes and all sets of writes that each operation might see.
fn is_guaranteed(history: &History, level: Level) -> bool {
    let writes: Vec<OpId> = history.iter().filter(|(_, op)| &*op.f == "write").map(|(id, _)| id).collect();
    let in_session = |a: OpId, b: OpId| history.op(a).session == history.op(b).session && a < b;
    let source =
        |read: OpId| writes.iter().copied().find(|w| history.op(*w).input == history.op(read).output);
    let is_read = |id: OpId| &*history.op(id).f == "read";
    // Who must be seen with, and stand before, a write.
    let before = |write: OpId| -> Vec<OpId> {
        match level {
            Level::MonotonicWrites => writes.iter().copied().filter(|w| in_session(*w, write)).collect(),
            Level::WritesFollowReads => {
                let reads =
                    history.iter().map(|(id, _)| id).filter(|id| is_read(*id) && in_session(*id, write));
                reads.filter_map(source).collect()
            }
            _ => Vec::new(),
        }
    };
    let sessions = 0..history.sessions.len() as u32;
    sessions.into_iter().all(|session| {
        let own: Vec<OpId> =
            history.iter().filter(|(_, op)| op.session.0 == session).map(|(id, _)| id).collect();
        let mut is_found = false;
        each_order(writes.len() as u32, &mut |order| {
            let order: Vec<OpId> = order.iter().map(|id| writes[id.at()]).collect();
            let place = |id: OpId| order.iter().position(|w| *w == id);
            let is_whole = order.len() == writes.len();
            let own_order = || {
                let mine: Vec<OpId> = order.iter().copied().filter(|w| own.contains(w)).collect();
                level != Level::ReadYourWrites || mine.is_sorted()
            };
            let keeps = || order.iter().all(|w| before(*w).iter().all(|b| place(*b) < place(*w)));
            if is_found || !is_whole || !own_order() || !keeps() {
                return;
            }
            // All sets that the session may see so far.
            let mut seen: Vec<u32> = vec![0];
            for (at, id) in own.iter().enumerate() {
                let sets = (0..1_u32 << writes.len()).filter(|set| {
                    let has =
                        |w: OpId| writes.iter().position(|x| *x == w).is_some_and(|at| set >> at & 1 == 1);
                    let visible = || order.iter().copied().filter(|w| has(*w));
                    let mine = own[..at].iter().copied().filter(|id| !is_read(*id));
                    let same = |w: &OpId| history.op(*w).key == history.op(*id).key;
                    let fits = !is_read(*id)
                        || visible()
                            .rfind(same)
                            .map_or(&crate::history::Value::Nil, |w| &history.op(w).input)
                            == &history.op(*id).output;
                    let is_future = visible().any(|w| own[at..].contains(&w));
                    fits && !is_future
                        && match level {
                            Level::ReadYourWrites => mine.into_iter().all(has),
                            Level::MonotonicReads => seen.iter().any(|old| old & set == *old),
                            _ => visible().all(|w| before(w).into_iter().all(has)),
                        }
                });
                seen = sets.collect();
                if seen.is_empty() {
                    return;
                }
            }
            is_found = true;
        });
        is_found
    })
}

#[test]
fn session_guarantees_are_what_they_are_defined_as() {
    use Level::{MonotonicReads, MonotonicWrites, ReadYourWrites, WritesFollowReads};
    let mut kept = [0; 4];
    for seed in 0..3 * SEEDS {
        let text = once_written(&mut Rng::new(seed));
        let history = history(&text);
        let objects = register(&history);
        let all: Vec<u32> = (0..history.ops.len() as u32).collect();
        for (at, level) in
            [MonotonicReads, MonotonicWrites, ReadYourWrites, WritesFollowReads].into_iter().enumerate()
        {
            let holds = is_guaranteed(&history, level);
            let expect = if holds { Check::Flawed(Flaw::OrderExists) } else { Check::Confirmed };
            assert_eq!(
                objects.verdict(level, &fact(&all), &free()),
                expect,
                "{level} of {text} (seed {seed})"
            );
            kept[at] += u64::from(holds);
        }
    }
    assert!(kept.iter().all(|kept| (SEEDS / 3..3 * SEEDS).contains(kept)), "{kept:?}");
}

#[test]
fn what_breaks_a_level_breaks_those_above() {
    let mut broken = 0;
    for seed in 0..3 * SEEDS {
        let text = once_written(&mut Rng::new(seed));
        let history = history(&text);
        let objects = register(&history);
        let all: Vec<u32> = (0..history.ops.len() as u32).collect();
        let checks = OBJECT_LEVELS.map(|level| (level, objects.verdict(level, &fact(&all), &free())));
        for (level, check) in &checks {
            for (weaker, other) in &checks {
                let is_missed = matches!(check, Check::Flawed(_)) && *other == Check::Confirmed;
                assert!(
                    !(level.is_at_least(*weaker) && is_missed),
                    "{level} {weaker} of {text} (seed {seed})"
                );
            }
            broken += u64::from(*check == Check::Confirmed);
        }
    }
    assert!(broken > 10 * SEEDS, "{broken}");
}
