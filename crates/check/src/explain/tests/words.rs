//! The sentences that a person wants.

use super::{edges, history, stuck, violated, violation};
use crate::explain::text;
use crate::history::History;
use crate::level::Level;
use crate::verdict::{Refutation, Relation, Verdict};

#[track_caller]
fn says(text_of: &str, ops: &[u32], refutation: Refutation, expect: &[&str]) {
    let history = history(text_of);
    let said = text(&history, &violation(ops, refutation));
    for line in said.lines() {
        assert!(line.chars().count() <= 100 || !line.trim().contains(' '), "too long: {line}");
        assert_eq!(line, line.trim_end());
    }
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for expect in expect {
        assert!(flat.contains(expect), "{expect:?} is not in:\n{said}");
    }
}

const STALE: &str = "1 30-31 w1; 1 32-33 w2; 3 40-41 r1";

#[test]
fn a_stale_read_is_told() {
    says(
        STALE,
        &[0, 1, 2],
        stuck(&[0, 1], "2", &[2]),
        &[
            "stale read",
            "process 3 read 1 (lines 40, 41) although process 1's write of 2 (lines 32, 33) had finished before that \
             read began, and process 1's write of 1 (lines 30, 31) had finished before that one began.",
            "A process 1: write 1 → 1 (lines 30, 31)",
            "The longest order that can be is A, B: then the state is 2.",
            "C, process 3's read of 1 (lines 40, 41), must come next and cannot: its result is another.",
        ],
    );
    let nil = "1 1-2 x:w1; 2 3-4 x:r; 2 5-6 x:r1";
    let expect = "process 2 read nil from \"x\" (lines 3, 4) although process 1's write of 1 on \"x\" (lines 1, 2) had finished \
                  before that read began.";
    says(nil, &[0, 1], Refutation::Fact, &[expect]);
    let seen = "1 1-2 w1; 2 1-9 w2; 3 4-5 r2; 4 6-7 r1";
    says(
        seen,
        &[0, 1, 2, 3],
        Refutation::Fact,
        &["although process 3's read of 2 (lines 4, 5) had finished before"],
    );
}

#[test]
fn a_value_from_nowhere_is_told() {
    says(
        "0 1-2 w1; 1 3-4 r7",
        &[1],
        Refutation::Fact,
        &["process 1 read 7 (lines 3, 4), a value that nobody wrote."],
    );
    let failed = "0 1-2! w7; 1 3-4 r7";
    says(failed, &[0, 1], Refutation::Fact, &["although process 0's write of 7 (lines 1, 2) had failed."]);
    let future = "1 1-2 r7; 0 3-4 w7";
    let expect = "process 1 read 7 (lines 1, 2) and had returned before process 0's write of 7 (lines 3, 4), the first of that \
                  value, began.";
    says(future, &[0, 1], Refutation::Fact, &[expect]);
}

#[test]
fn a_lost_update_is_told() {
    let lost = "0 1-2 wx1; 0 3-6 rx=1 wx2; 1 3-6 rx=1 wx3";
    let expect = "both replaced the version 1 of :x, each as if the other had not been.";
    says(lost, &[1, 2], Refutation::Fact, &[expect, "process 0's txn [[:r :x 1] [:w :x 2]] (lines 3, 6)"]);
}

#[test]
fn a_circle_is_told() {
    let skew = "0 1-2 ax1 ay1; 0 3-6 rx=1. ay2; 1 3-6 ry=1. ax2";
    let circle = edges(&[(2, 1, Relation::ReadWrite), (1, 2, Relation::ReadWrite)]);
    let expect = [
        "T2 process 0: txn [[:r :x nil] [:append :y 2]] → [[:r :x [1]] [:append :y 2]] (lines 3, 6)",
        "T1 < T2 because rw because of ReadWrite (rw)",
        "T2 < T1 because",
        "That is a circle",
    ];
    says(skew, &[1, 2], circle, &expect);
}

#[test]
fn what_is_long_is_cut_and_broken() {
    let ops: Vec<String> = (0..90).map(|at| format!("{at} {at}-100 w{at}")).collect();
    let all: Vec<u32> = (0..90).collect();
    says(&ops.join(";"), &all, stuck(&all, "89", &[]), &["and 50 more", "is …, "]);
    let elements: String = (0..900).map(|at| format!("{at}.")).collect();
    says(&format!("0 1-2 rx={elements}"), &[0], Refutation::Fact, &["…"]);
    let implied = Refutation::Implied(Level::Sequential);
    says(STALE, &[], implied, &["sequential, which is weaker, is violated already."]);
}

#[test]
fn any_violation_can_be_told() {
    let history: History = history(STALE);
    for ops in [&[][..], &[0], &[2], &[0, 1, 2]] {
        for refutation in [Refutation::Fact, Refutation::Cycle(Vec::new()), stuck(&[], "", &[2])] {
            let Verdict::Violated(violation) = violated(ops, refutation) else { unreachable!() };
            assert!(text(&history, &violation).starts_with("stale read\n"));
        }
    }
}
