//! For each anomaly the smallest history that has it, and one beside it that does not.

use super::{analysed, history, lines, names};
use crate::history::Order;
use crate::level::Level;
use crate::limits::{Budget, InTurn};
use crate::txn::{Assumptions, Kind, analyse_with, parse};

/// The findings of a history are exactly these names.
fn check(kind: Kind, text: &str, expect: &[&str]) {
    let history = history(&lines(text), Order::RealTime);
    let (_, analysis) = analysed(&history, kind);
    let mut expect = expect.to_vec();
    expect.sort_unstable();
    let found: Vec<&str> = names(&analysis).into_iter().collect();
    assert_eq!(found, expect, "{text}\n{:#?}", analysis.findings);
}

fn list(text: &str, expect: &[&str]) {
    check(Kind::ListAppend, text, expect);
}

fn register(text: &str, expect: &[&str]) {
    check(Kind::RwRegister, text, expect);
}

#[test]
fn internal() {
    list(": a x 1, r x [1]", &[]);
    list(": a x 1, r x []", &["internal"]);
    list(": a x 1\n : r x [1], r x [1]", &[]);
    list(": a x 1\n : r x [], r x [1]", &["internal", "G-single"]);
    list(": a x 1\n : r x [1], a x 2, r x [1 2]\n : r x [1 2]", &[]);
    list(": a x 1\n : r x [], a x 2, r x [1 2]\n : r x [1 2]", &["internal", "G-single"]);
    register(": w x 1, r x 1", &[]);
    register(": w x 1, r x nil", &["internal"]);
    register(": w x 1\n : w x 2, r x 1", &["internal"]);
    register(": w x 1\n : r x 1, r x nil", &["internal", "G-single"]);
}

#[test]
fn aborted_intermediate_future_and_garbage_reads() {
    list("fail : a x 1\n : r x []", &[]);
    list("fail : a x 1\n : r x [1]", &["G1a"]);
    list("info : a x 1\n : r x [1]", &[]);
    list("fail : a x 1\n : a x 2\n : r x [1 2]", &["G1a", "dirty update"]);
    list(": a x 1, a x 2\n : r x [1 2]", &[]);
    list(": a x 1, a x 2\n : r x [1]", &["G1b"]);
    list(": r x [1], a x 1", &["future read"]);
    list(": r x [7]", &["garbage read"]);
    register("fail : w x 1\n : r x nil", &[]);
    register("fail : w x 1\n : r x 1", &["G1a"]);
    register("fail : w x 1\n : r x 1, w x 2", &["G1a", "dirty update"]);
    register(": w x 1, w x 2\n : r x 2", &[]);
    register(": w x 1, w x 2\n : r x 1", &["G1b"]);
    register(": r x 1, w x 1", &["future read"]);
    register(": r x 7", &["garbage read"]);
}

#[test]
fn lists_that_contradict_themselves_or_one_another() {
    list(": a x 1\n : r x [1 1]", &["duplicate elements"]);
    list(": a x 1, a x 1\n : r x [1 1]", &[]);
    list(": a x 1\n : a x 2\n : r x [1 2]\n : r x [1]", &[]);
    list(": a x 1\n : a x 2\n : a x 3\n : r x [1 2 3]\n : r x [2]", &["incompatible order"]);
    // One transaction's own appends, in another order than it made them, or not all.
    list(": a x 1, a x 2\n : r x [1 2]", &[]);
    list(": a x 1, a x 2, a x 3\n : r x [2 1 3]", &["incompatible order"]);
    list(": a x 1, a x 2\n : r x [2]", &["incompatible order"]);
}

#[test]
fn lost_update() {
    list(": r x [], a x 1\n : r x [1], a x 2\n : r x [1 2]", &[]);
    list(": r x [], a x 1\n : r x [], a x 2\n : r x [1 2]", &["lost update", "G-single"]);
    register(": r x nil, w x 1\n : r x 1, w x 2", &[]);
    register(": r x nil, w x 1\n : r x nil, w x 2", &["lost update"]);
    register(": w x 1\n : r x 1, w x 2\n : r x 1, w x 3", &["lost update"]);
}

#[test]
fn circles_of_dependencies() {
    list(": a x 1, a y 1\n : a x 2, a y 2\n : r x [1 2], r y [1 2]", &[]);
    list(": a x 1, a y 1\n : a x 2, a y 2\n : r x [1 2]\n : r y [2 1]", &["G0"]);
    list(": a x 1, r y [2]\n : a y 2, r x []", &[]);
    list(": a x 1, r y [2]\n : a y 2, r x [1]", &["G1c"]);
    register(": w x 1, r y nil\n : w y 2, r x 1", &[]);
    register(": w x 1, r y 2\n : w y 2, r x 1", &["G1c"]);
}

#[test]
fn circles_of_antidependencies() {
    list(": a x 1, a y 1\n : r x [1], r y [1]", &[]);
    list(": a x 1, a y 1\n : r x [1], r y []", &["G-single"]);
    register(": w x 1, w y 1\n : r x 1, r y nil", &["G-single"]);
    list(": r x [], a y 1\n : r y [], a x 1", &["write skew"]);
    register(": r x nil, w y 1\n : r y nil, w x 1", &["write skew"]);
    list(": r x [], a y 1\n : r y [], a z 1\n : r z [], a x 1", &["G2-item"]);
    list(": a x 1\n : a y 1\n : r x [1], r y []\n : r x [], r y [1]", &["long fork"]);
    register(": w x 1\n : w y 1\n : r x 1, r y nil\n : r x nil, r y 1", &["long fork"]);
    list(
        ": a x 1\n : a y 1, a z 1\n : r x [1], r y []\n : r z [1], a q 1\n : r q [1], r x []",
        &["G-nonadjacent"],
    );
}

#[test]
fn circles_through_sessions() {
    list("A @1-2 : a x 1\n A @3-4 : a y 1\n : r x [1], r y [1]", &[]);
    list("A @1-8 : a x 1\n A @9-20 : r x []", &["G-single-process"]);
    list("A @1-8 : a x 1\n A @9-20 : a x 2\n @0-30 : r x [2 1]", &["G0-process"]);
    list("A @1-8 : r x [1]\n A @9-20 : a x 1", &["G1c-process"]);
    list("A @1-8 : a x 1\n A @9-20 : r y []\n B @1-20 : a y 1, r x []", &["G2-item-process"]);
    list(
        "A @1-8 : a x 1\n B @0-20 : a y 1\n C @1-8 : r x [1]\n C @9-20 : r y []\n D @1-8 : r y [1]\n D @9-20 : r x []",
        &["G-nonadjacent-process"],
    );
}

#[test]
fn circles_through_real_time() {
    list("@1-2 : a x 1\n @3-4 : r x [1]", &[]);
    list("@1-2 : a x 1\n @3-4 : r x []", &["G-single-realtime"]);
    list("@1-9 : a x 1\n @3-4 : r x []", &[]);
    list("@1-2 : a x 1\n @3-4 : a x 2\n : r x [2 1]", &["G0-realtime"]);
    list("@1-2 : r x [1]\n @3-4 : a x 1", &["G1c-realtime"]);
    register("@1-2 : w x 1\n @3-4 : r x nil", &["G-single-realtime"]);
    list("@1-2 : a x 1\n @3-9 : r y []\n @1-2 : a y 1\n @3-9 : r x []", &["G-single-realtime"]);
    list("@1-2 : a x 1\n @3-9 : r y []\n @5-6 : a y 1\n @7-9 : r x []", &["G-single-realtime"]);
}

#[test]
fn what_is_assumed_of_keys_orders_their_versions() {
    let check = |assumptions, text, expect: &[&str]| {
        let history = history(&lines(text), Order::RealTime);
        let txns = parse(&history, Kind::RwRegister).unwrap();
        let analysis = analyse_with(assumptions, &txns, &history, &Budget::unlimited(), &InTurn).unwrap();
        let found: Vec<&str> = names(&analysis).into_iter().collect();
        assert_eq!(found, expect, "{assumptions:?} {text}\n{:#?}", analysis.findings);
    };
    let nothing = Assumptions::default();
    let linearizable = Assumptions { linearizable_keys: true, ..nothing };
    let sequential = Assumptions { sequential_keys: true, ..nothing };
    let text = "A @1-2 : w x 1\n B @3-4 : w x 2\n @5-6 : r x 1";
    check(nothing, text, &[]);
    check(sequential, text, &[]);
    check(linearizable, text, &["cyclic versions"]);
    let text = "A @1-2 : w x 1, w y 1\n A @3-4 : w x 2, w y 2\n @1-9 : r x 2, r y 1";
    check(nothing, text, &[]);
    check(sequential, text, &["G-single"]);
    check(linearizable, text, &["G-single"]);
    check(nothing, ": r x 2, w x 1\n : r x 1, w x 2", &["G0", "cyclic versions"]);
}

#[test]
fn a_value_that_two_wrote_is_ambiguous() {
    let of = |kind, text| {
        let (_, analysis) = analysed(&history(&lines(text), Order::RealTime), kind);
        (names(&analysis).len(), analysis.ambiguous)
    };
    let (_, said) = of(Kind::RwRegister, ": w x 1\n : w x 1\n : r x 1");
    assert!(said.unwrap().starts_with("1 of \"x\" was written by process #0 (lines 1, 4)"));
    assert_eq!(of(Kind::RwRegister, ": w x 1\n : w x 1\n : r x nil"), (0, None));
    assert_eq!(of(Kind::RwRegister, ": w x 1\n fail : w x 1\n : r x 1"), (0, None));
    let (count, said) = of(Kind::ListAppend, ": a x 1\n : a x 1\n : r x [1]");
    assert_eq!((count, said.is_some()), (0, true));
}

#[test]
fn edges_are_told_in_words() {
    let text =
        "A @1-2 : a x 1\n B @3-9 : r x [1], r y []\n C @4-5 : a y 1, a x 2\n D @6-7 : r y [1], r x [1 2]";
    let (_, analysis) = analysed(&history(&lines(text), Order::RealTime), Kind::ListAppend);
    assert_eq!(analysis.findings, []);
    let text = ": a x 4\n : a x 5, a y 1\n : r x [4 5], r y []";
    let (_, analysis) = analysed(&history(&lines(text), Order::RealTime), Kind::ListAppend);
    let finding = &analysis.findings[0];
    assert_eq!(finding.rules_out, [Level::SnapshotIsolation]);
    assert_eq!(
        finding.violation.reason,
        "each must come before the next, in a circle: \
         process #2 (lines 3, 6) read \"y\"=[], which misses 1 by process #1 (lines 2, 5); \
         process #2 (lines 3, 6) read \"x\"=[4 5], with 5 by process #1 (lines 2, 5)"
    );
}
