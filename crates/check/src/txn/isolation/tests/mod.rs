//! `decide` against the definitions.

mod examples;
mod reference;
mod small;

use super::decide;
use crate::history::{History, Order};
use crate::level::{Level, TXN_LEVELS};
use crate::limits::Budget;
use crate::txn::Kind;
use crate::verdict::{Answer, Refutation, Relation, Verdict, Violation, Witness};
use quorate_types::Rng;
use small::{Do::R, Do::W, Input, Recipe, Small, random};

fn verdict(level: Level, input: &Input) -> Verdict {
    decide(level, &input.txns, &input.versions, &input.history, &Budget::unlimited())
}

/// Checks that a proof proves it.
fn confirm(level: Level, small: &Small, history: &History, verdict: &Verdict, seed: u64) {
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => {
            let order: Vec<usize> = orders[0].ops.iter().map(|op| op.at()).collect();
            assert!(
                reference::explains(level, small, history, &order),
                "{level}, seed {seed}: {order:?} for {small:#?}"
            );
        }
        Verdict::Violated(violation) => confirm_violation(small, history, violation, seed),
        other => panic!("{level}, seed {seed}: {other:?}"),
    }
}

fn confirm_violation(small: &Small, history: &History, violation: &Violation, seed: u64) {
    let Refutation::Cycle(edges) = &violation.refutation else { panic!("seed {seed}: {violation:?}") };
    assert!(edges.len() > 1, "seed {seed}: {violation:?}");
    assert!(violation.ops.is_sorted(), "seed {seed}");
    for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
        assert_eq!(edge.to, next.from, "seed {seed}: {violation:?}");
        assert!(violation.ops.contains(&edge.from), "seed {seed}: {violation:?}");
        let is_so = match edge.relation {
            Relation::Session => {
                history.op(edge.from).session == history.op(edge.to).session
                    && history.precedes(edge.from, edge.to)
            }
            Relation::RealTime => history.precedes(edge.from, edge.to),
            Relation::WriteRead => small.steps[edge.to.at()].does.iter().any(|does| match does {
                R(key, seen) => small.source(edge.to.at(), *key, seen) == Some(edge.from.at()),
                W(..) => false,
            }),
            Relation::WriteWrite | Relation::ReadWrite => {
                let written: Vec<u32> =
                    small::writes(&small.steps[edge.to.at()].does).map(|write| write.0).collect();
                small.steps[edge.from.at()].does.iter().any(|does| {
                    let (R(key, _) | W(key, _)) = does;
                    written.contains(key)
                })
            }
            Relation::Derived => !edge.why.is_empty(),
        };
        assert!(is_so, "seed {seed}: {edge:?}");
    }
}

/// All levels of random histories, against the definitions.
fn agree(seeds: std::ops::Range<u64>, recipe: impl Fn(&mut Rng) -> Recipe) {
    let mut counts = [[0_u32; 2]; TXN_LEVELS.len()];
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let recipe = recipe(&mut rng);
        let mut small = random(&mut rng, recipe);
        let input = small.input();
        let mut violated: Vec<Level> = Vec::new();
        for (at, level) in TXN_LEVELS.into_iter().enumerate() {
            let verdict = verdict(level, &input);
            let expect = reference::holds(level, &small, &input.history);
            let holds = verdict.answer() == Answer::Holds;
            assert_eq!(holds, expect, "{level}, seed {seed}: {verdict:#?} for {small:#?}");
            confirm(level, &small, &input.history, &verdict, seed);
            counts[at][usize::from(holds)] += 1;
            if holds {
                assert!(violated.iter().all(|weaker| !level.is_at_least(*weaker)), "{level}, seed {seed}");
            } else {
                violated.push(level);
            }
        }
        assert!(
            violated.iter().all(|weak| TXN_LEVELS
                .iter()
                .all(|level| !level.is_at_least(*weak) || violated.contains(level))),
            "seed {seed}: {violated:?}"
        );
        small.order = Order::Sessions;
        confirm_without_time(&small, &violated, seed);
    }
    for (level, [violated, holds]) in TXN_LEVELS.iter().zip(counts) {
        assert!(violated > 10 && holds > 10, "{level}: {violated} violated, {holds} hold");
    }
}

/// Without real time, levels that need it are violated only if sessions are.
fn confirm_without_time(small: &Small, violated: &[Level], seed: u64) {
    let input = small.input();
    for (level, instead) in [
        (Level::StrictSerializable, Level::StrongSessionSerializable),
        (Level::StrongSnapshotIsolation, Level::StrongSessionSnapshotIsolation),
    ] {
        let expect = if violated.contains(&instead) { Answer::Violated } else { Answer::Unknown };
        assert_eq!(verdict(level, &input).answer(), expect, "{level}, seed {seed}");
        assert_eq!(
            verdict(instead, &input).answer() == Answer::Violated,
            violated.contains(&instead),
            "seed {seed}"
        );
    }
}

fn small_recipe(kind: Kind, txns: u64) -> impl Fn(&mut Rng) -> Recipe {
    move |rng| Recipe {
        kind,
        txns: rng.between(2, txns),
        keys: rng.between(1, 3),
        processes: rng.between(1, 3),
        wild: rng.below(4),
        stale: rng.below(8),
        shuffled: rng.below(6),
    }
}

#[test]
fn registers_agree_with_the_definitions() {
    agree(0..3000, small_recipe(Kind::RwRegister, 4));
}

#[test]
fn lists_agree_with_the_definitions() {
    agree(0..3000, small_recipe(Kind::ListAppend, 4));
}

#[test]
fn six_transactions_on_registers_agree_with_the_definitions() {
    agree(10_000..10_500, small_recipe(Kind::RwRegister, 6));
}

#[test]
fn six_transactions_on_lists_agree_with_the_definitions() {
    agree(10_000..10_500, small_recipe(Kind::ListAppend, 6));
}

#[test]
fn writes_that_nobody_read_before_agree_with_the_definitions() {
    // Few reads of few keys leave much to the search.
    let blind =
        |rng: &mut Rng| Recipe { keys: rng.between(1, 2), wild: 6, ..small_recipe(Kind::RwRegister, 6)(rng) };
    agree(20_000..20_500, blind);
}

#[test]
fn a_small_budget_gives_no_wrong_answer() {
    let mut unknown = 0;
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let recipe = Recipe { keys: 2, ..small_recipe(Kind::RwRegister, 12)(&mut rng) };
        let input = random(&mut rng, recipe).input();
        for level in TXN_LEVELS {
            let expect = verdict(level, &input).answer();
            for steps in [1, 30, 100, 300] {
                let budget = Budget::of_steps(steps);
                let answer = decide(level, &input.txns, &input.versions, &input.history, &budget).answer();
                assert!(answer == expect || answer == Answer::Unknown, "{level}, seed {seed}, {steps} steps");
                unknown += u32::from(answer == Answer::Unknown);
            }
        }
    }
    assert!(unknown > 100, "{unknown}");
}

#[test]
fn names_do_not_matter() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let kind = if rng.chance(1, 2) { Kind::ListAppend } else { Kind::RwRegister };
        let recipe = small_recipe(kind, 8)(&mut rng);
        let small = random(&mut rng, recipe);
        let mut renamed = small.clone();
        for step in &mut renamed.steps {
            step.process = 7 - step.process;
            for does in &mut step.does {
                match does {
                    R(key, seen) => {
                        *key = 90 - *key;
                        seen.iter_mut().for_each(|value| *value = 5000 - *value);
                    }
                    W(key, value) => (*key, *value) = (90 - *key, 5000 - *value),
                }
            }
        }
        let [before, after] = [small.input(), renamed.input()];
        for level in TXN_LEVELS {
            let [before, after] = [&before, &after].map(|input| verdict(level, input).answer());
            assert_eq!(before, after, "{level}, seed {seed}");
        }
    }
}

#[test]
fn large_histories_that_keep_a_level_are_found_to() {
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        for kind in [Kind::ListAppend, Kind::RwRegister] {
            let recipe = Recipe { kind, txns: 150, keys: 6, processes: 5, wild: 0, stale: 0, shuffled: 0 };
            let small = random(&mut rng, recipe);
            let input = small.input();
            for level in TXN_LEVELS {
                let verdict = verdict(level, &input);
                assert_eq!(verdict.answer(), Answer::Holds, "{level}, seed {seed}");
                confirm(level, &small, &input.history, &verdict, seed);
            }
        }
    }
}
