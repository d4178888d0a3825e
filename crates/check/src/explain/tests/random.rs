//! The replays against the search of all orders, on many small random histories.

use super::{fact, free, history, register};
use crate::explain::Keep;
use crate::explain::verify::{Check, Flaw, Txns};
use crate::history::{History, OpId};
use crate::level::{Level, TXN_LEVELS};
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
