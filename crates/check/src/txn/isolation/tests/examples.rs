//! The field's examples, each as small as can be, with the answer for every level.

use super::small::{Do, Do::R, Do::W, Small};
use super::{confirm, reference, verdict};
use crate::level::{Level, TXN_LEVELS};
use crate::txn::Kind::{self, ListAppend, RwRegister};
use crate::verdict::{Answer, Verdict};

const X: u32 = 0;
const Y: u32 = 1;
const Z: u32 = 2;

fn read(key: u32, seen: &[u32]) -> Do {
    R(key, seen.to_vec())
}

/// `expect` has a letter for each level, strongest first; `anomaly` is that of the weakest violated level of the list.
fn check(kind: Kind, steps: &[(u32, &[Do])], events: &[usize], expect: &str, anomaly: &str) {
    let small = Small::in_turn(kind, steps);
    let small = if events.is_empty() { small } else { small.at(events) };
    let small = small.sorted();
    let input = small.input();
    let mut found = String::new();
    let mut name = "";
    for level in TXN_LEVELS {
        let verdict = verdict(level, &input);
        confirm(level, &small, &input.history, &verdict, 0);
        let by_definition = reference::holds(level, &small, &input.history);
        assert_eq!(verdict.answer() == Answer::Holds, by_definition, "{level}: {verdict:?}");
        found.push(if by_definition { 'h' } else { 'v' });
        if let Verdict::Violated(violation) = verdict {
            name = violation.anomaly;
        }
    }
    assert_eq!((found.as_str(), name), (expect, anomaly));
}

#[test]
fn what_every_level_forbids() {
    let circular = [(0, &[W(X, 1), read(Y, &[2])][..]), (1, &[W(Y, 2), read(X, &[1])])];
    check(RwRegister, &circular, &[0, 1, 0, 1], "vvvvvvvvv", "G1c");
    let crossed: [(u32, &[Do]); 3] =
        [(0, &[W(X, 1), W(Y, 1)]), (1, &[W(X, 2), W(Y, 2)]), (2, &[read(X, &[1, 2]), read(Y, &[2, 1])])];
    check(ListAppend, &crossed, &[0, 1, 0, 1, 2, 2], "vvvvvvvvv", "G0");
    let backward: [(u32, &[Do]); 2] = [(0, &[W(X, 1), W(Y, 1)]), (1, &[read(Y, &[1]), read(X, &[])])];
    check(RwRegister, &backward, &[0, 1, 0, 1], "vvvvvvvvv", "non-monotonic read");
}

#[test]
fn fractured_read() {
    let steps: [(u32, &[Do]); 2] = [(0, &[W(X, 1), W(Y, 1)]), (1, &[read(X, &[]), read(Y, &[1])])];
    check(RwRegister, &steps, &[0, 1, 0, 1], "vvvvvvvvh", "fractured read");
}

#[test]
fn non_repeatable_read() {
    let steps: [(u32, &[Do]); 2] = [(0, &[W(X, 1)]), (1, &[read(X, &[]), read(X, &[1])])];
    check(RwRegister, &steps, &[0, 1, 0, 1], "vvvvvvvvh", "fractured read");
}

#[test]
fn causality_violation() {
    let steps: [(u32, &[Do]); 3] =
        [(0, &[W(X, 1)]), (1, &[read(X, &[1]), W(Y, 1)]), (2, &[read(Y, &[1]), read(X, &[])])];
    check(RwRegister, &steps, &[0, 1, 2, 0, 1, 2], "vvvvvvvhh", "causality violation");
}

#[test]
fn session_order() {
    let own_write: [(u32, &[Do]); 2] = [(0, &[W(X, 1)]), (0, &[read(X, &[])])];
    check(RwRegister, &own_write, &[], "vvhvvhvhh", "causality violation");
    // Only serializability minds: the second session misses a write of a transaction that missed its own.
    let skewed: [(u32, &[Do]); 3] = [(0, &[read(X, &[]), W(Y, 1)]), (1, &[W(X, 1)]), (1, &[read(Y, &[])])];
    check(RwRegister, &skewed, &[0, 1, 1, 2, 2, 0], "vvhhhhhhh", "G2-item-process");
}

#[test]
fn real_time() {
    let stale: [(u32, &[Do]); 2] = [(0, &[W(X, 1)]), (1, &[read(X, &[])])];
    check(RwRegister, &stale, &[], "vhhvhhhhh", "G-single-realtime");
    let skewed: [(u32, &[Do]); 3] = [(0, &[read(X, &[]), W(Y, 1)]), (1, &[W(X, 1)]), (2, &[read(Y, &[])])];
    check(RwRegister, &skewed, &[0, 1, 1, 2, 2, 0], "vhhhhhhhh", "G2-item-realtime");
}

#[test]
fn lost_update() {
    let steps: [(u32, &[Do]); 2] = [(0, &[read(X, &[]), W(X, 1)]), (1, &[read(X, &[]), W(X, 2)])];
    check(RwRegister, &steps, &[0, 1, 0, 1], "vvvvvvhhh", "lost update");
    check(ListAppend, &steps, &[0, 1, 0, 1], "vvvvvvhhh", "lost update");
    let seen: [(u32, &[Do]); 3] =
        [(0, &[read(X, &[]), W(X, 1)]), (1, &[read(X, &[]), W(X, 2)]), (2, &[read(X, &[1, 2])])];
    check(ListAppend, &seen, &[0, 1, 0, 1, 2, 2], "vvvvvvhhh", "lost update");
}

#[test]
fn long_fork() {
    let steps: [(u32, &[Do]); 4] = [
        (0, &[W(X, 1)]),
        (1, &[W(Y, 1)]),
        (2, &[read(X, &[1]), read(Y, &[])]),
        (3, &[read(X, &[]), read(Y, &[1])]),
    ];
    check(RwRegister, &steps, &[0, 1, 2, 3, 0, 1, 2, 3], "vvvvvvhhh", "G-nonadjacent");
}

#[test]
fn write_skew() {
    let steps: [(u32, &[Do]); 2] =
        [(0, &[read(X, &[]), read(Y, &[]), W(X, 1)]), (1, &[read(X, &[]), read(Y, &[]), W(Y, 1)])];
    check(RwRegister, &steps, &[0, 1, 0, 1], "vvvhhhhhh", "G2-item");
    check(ListAppend, &steps, &[0, 1, 0, 1], "vvvhhhhhh", "G2-item");
}

#[test]
fn appends_that_nobody_read_may_not_overlap_in_snapshots() {
    let steps: [(u32, &[Do]); 2] =
        [(0, &[read(X, &[]), W(Y, 1), W(Z, 1)]), (1, &[read(Y, &[]), W(X, 1), W(Z, 2)])];
    check(ListAppend, &steps, &[0, 1, 0, 1], "vvvvvvhhh", "no version order");
}

#[test]
fn no_version_order() {
    // Either order of the writes at X leads back over what its writers missed.
    let steps: [(u32, &[Do]); 6] = [
        (0, &[read(Z, &[]), W(X, 1)]),
        (1, &[read(Y, &[]), W(X, 2)]),
        (2, &[W(Y, 1)]),
        (3, &[W(Z, 1)]),
        (4, &[read(X, &[1]), read(Y, &[1])]),
        (5, &[read(X, &[2]), read(Z, &[1])]),
    ];
    check(RwRegister, &steps, &[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5], "vvvhhhhhh", "no version order");
}

#[test]
fn serial() {
    let steps: [(u32, &[Do]); 3] =
        [(0, &[W(X, 1)]), (1, &[read(X, &[1]), W(X, 2)]), (0, &[read(X, &[2]), read(Y, &[])])];
    check(RwRegister, &steps, &[], "hhhhhhhhh", "");
}

#[test]
fn other_levels_are_not_for_transactions() {
    let small = Small::in_turn(RwRegister, &[(0, &[W(X, 1)])]);
    assert_eq!(verdict(Level::Linearizable, &small.input()).answer(), Answer::Unknown);
}
