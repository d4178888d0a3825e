//! What is left is small, still violates, and was asked for.

use super::{fact, free, history, ids, register};
use crate::explain::verify::{Check, Txns};
use crate::explain::{Keep, Shrunk, shrink};
use crate::history::{History, OpId};
use crate::level::Level;
use crate::limits::Budget;

fn is_violated(history: &History) -> bool {
    let all: Vec<u32> = (0..history.ops.len() as u32).collect();
    register(history).verdict(Level::Linearizable, &fact(&all), &free()) == Check::Confirmed
}

fn shrunk(text: &str, core: &[u32], budget: &Budget<'_>) -> Shrunk {
    let history = history(text);
    let keep = register(&history).keep();
    shrink(&history, &ids(core), &keep, &mut is_violated, budget)
}

const LONG: &str = "0 1-2 w1; 1 1-4 r1; 0 3-6 w2; 2 5-8 r2; 3 6-7 w3; 0 8-9 r3; 1 10-11 r1; 2 12-13 w4; 3 14-15 r4; 0 16-17 r4";

#[test]
fn the_core_is_tried_first() {
    // By call: the writes of 1, 2 and 3 are 0, 2 and 4, the stale read is 6.
    let text = history(LONG);
    assert_eq!(text.op(OpId(6)).output, 1.into());
    let found = shrunk(LONG, &[0, 2, 6], &free());
    assert_eq!((found.ops, found.is_minimal), (ids(&[0, 2, 6]), true));
    assert!(found.tries <= 8, "{}", found.tries);
}

#[test]
fn a_core_that_does_not_violate_is_left_behind() {
    for core in [&[][..], &[7, 8], &[1]] {
        let found = shrunk(LONG, core, &free());
        assert!(found.is_minimal);
        assert_eq!(found.ops.len(), 3, "{:?}", found.ops);
        assert!(is_violated(&history(LONG).restrict(&found.ops)));
        assert!(found.ops.contains(&OpId(0)) && found.ops.contains(&OpId(6)));
    }
}

#[test]
fn a_read_never_outlives_its_write() {
    let history = history(LONG);
    let keep = register(&history).keep();
    let mut asked = 0;
    let mut checked = |part: &History| {
        asked += 1;
        for op in part.ops.iter().filter(|op| &*op.f == "read") {
            assert!(part.ops.iter().any(|write| write.input == op.output), "{part:?}");
        }
        is_violated(part)
    };
    assert_eq!(shrink(&history, &[], &keep, &mut checked, &free()).ops.len(), 3);
    assert!(asked > 3);
    // Without the rule, two operations are enough for a violation: of another kind.
    let nothing = Keep::anything(&history);
    assert_eq!(shrink(&history, &[], &nothing, &mut is_violated, &free()).ops.len(), 1);
}

#[test]
fn keys_processes_and_sessions_go_whole() {
    let mut ops: Vec<String> =
        (0..60).map(|at| format!("{at} {}-{} k{}:w{at}", at, at + 3, at % 6)).collect();
    ops.extend(["70 100-101 z:w1".to_owned(), "71 102-103 z:w2".to_owned(), "72 104-105 z:r1".to_owned()]);
    let text = ops.join(";");
    let h = history(&text);
    let keep = register(&h).keep();
    let is_stale = |part: &History| {
        let of_z: Vec<OpId> = part.iter().filter(|(_, op)| op.key == "z".into()).map(|(id, _)| id).collect();
        is_violated(&part.restrict(&of_z))
    };
    let found = shrink(&h, &[], &keep, &mut { is_stale }, &free());
    assert_eq!(found.ops, ids(&[60, 61, 62]));
    assert!(found.tries < 40, "{}", found.tries);
}

#[test]
fn the_budget_is_kept() {
    let found = shrunk(LONG, &[], &Budget::of_steps(0));
    assert_eq!((found.ops.len(), found.is_minimal, found.tries), (10, false, 0));
    let found = shrunk(LONG, &[], &Budget::of_steps(25));
    assert!(!found.is_minimal && found.ops.len() < 10, "{found:?}");
    assert!(is_violated(&history(LONG).restrict(&found.ops)));
}

#[test]
fn what_holds_is_not_shrunk() {
    let found = shrunk("0 1-2 w1; 1 3-4 r1", &[0], &free());
    assert_eq!((found.ops.len(), found.is_minimal), (2, false));
}

#[test]
fn transactions_lose_their_readers() {
    let text = "0 1-2 ax1 ay1; 2 1-2 az1; 0 3-6 rx=1. ay2; 1 3-6 ry=1. ax2; 2 3-4 rz=1.; 1 7-8 rx=1.2 ry=1.2; 2 7-8 rz=1. az2";
    let history = history(text);
    let keep = Keep::txns(&history);
    let mut violates = |part: &History| {
        let all: Vec<u32> = (0..part.ops.len() as u32).collect();
        Txns::new(part).verdict(Level::Serializable, &fact(&all), &free()) == Check::Confirmed
    };
    let found = shrink(&history, &[], &keep, &mut violates, &free());
    // The two that each missed the other, and whose appends both had read; that those were read later takes nothing away.
    assert_eq!(found.ops, ids(&[0, 2, 3]));
    assert!(found.is_minimal);
}
