use super::{How, Plan, Summary, run};
use crate::outcome::{Counts, Outcome};
use crate::trace::{Actor, Event, Trace, What};
use crate::violation::{Invariant, Violation};
use quorate_types::{Mark, Time};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

fn outcome(seed: u64) -> Outcome {
    let mut trace = Trace::new(false);
    trace.push(Event { at: Time(seed), actor: Actor::World, what: What::Note { words: String::new() } });
    Outcome {
        violation: None,
        inconclusive: None,
        counts: Counts { steps: seed, faults: BTreeMap::from([("crash", 1)]), ..Counts::default() },
        marks: BTreeMap::from([(if seed == 7 { "rare" } else { "common" }, 1)]),
        trace,
        histories: Vec::new(),
    }
}

fn broken(seed: u64) -> Outcome {
    let words = format!("by {seed}");
    let violation = Violation { invariant: Invariant::Durability, words, at: Time(1) };
    Outcome { violation: Some(violation), ..outcome(seed) }
}

/// Seeds that divide by 10 fail.
fn every_tenth(seed: u64) -> Outcome {
    if seed.is_multiple_of(10) { broken(seed) } else { outcome(seed) }
}

fn plan(until: u64, threads: usize, max_failures: usize) -> Plan {
    Plan { seeds: 1..until, threads, max_failures }
}

fn seeds(summary: &Summary) -> Vec<u64> {
    summary.failures.iter().map(|failure| failure.seed).collect()
}

#[test]
fn the_summary_does_not_depend_on_threads() {
    for max_failures in [1, 3, 1_000] {
        let with = |threads| run(&plan(201, threads, max_failures), &every_tenth, &|| false, &|_: &_| {});
        let alone = with(1);
        let expect: Vec<u64> = (1..=20).map(|number| number * 10).take(max_failures).collect();
        assert_eq!(seeds(&alone), expect);
        assert_eq!(alone.seeds_run, if max_failures == 1_000 { 200 } else { 10 * max_failures as u64 });
        for threads in [2, 5] {
            assert_eq!(with(threads), alone, "{threads} threads, {max_failures} failures");
        }
    }
}

#[test]
fn a_stopped_campaign_has_run_a_range_without_holes() {
    let handed_out = AtomicU64::new(0);
    let stop = || handed_out.fetch_add(1, Ordering::Relaxed) >= 50;
    let summary = run(&plan(u64::MAX, 4, 1), &outcome, &stop, &|_: &_| {});
    assert_eq!(summary.seeds_run, 50);
    assert_eq!(summary.counts.steps, (1..=50).sum::<u64>());
}

#[test]
fn a_failure_that_does_not_come_again_is_told_apart() {
    let runs = AtomicU64::new(0);
    let job = |seed: u64| {
        let is_second = runs.fetch_add(1, Ordering::Relaxed) == 1;
        if is_second { outcome(seed) } else { broken(seed) }
    };
    let summary = run(&plan(2, 1, 1), &job, &|| false, &|_: &_| {});
    assert!(matches!(summary.failures[0].how, How::NotDeterministic { found: [Some(_), None], .. }));
    let runs = AtomicU64::new(0);
    let job = |seed: u64| {
        let again = runs.fetch_add(1, Ordering::Relaxed);
        Outcome { trace: outcome(again).trace, ..broken(seed) }
    };
    let summary = run(&plan(2, 1, 1), &job, &|| false, &|_: &_| {});
    let how = &summary.failures[0].how;
    assert!(matches!(how, How::NotDeterministic { found: [Some(_), Some(_)], .. }), "{how}");
}

#[test]
fn a_panic_is_a_failure_of_its_seed_alone() {
    let job = |seed: u64| {
        assert!(seed != 3, "seed {seed} is bad");
        outcome(seed)
    };
    let summary = run(&plan(6, 2, 9), &job, &|| false, &|_: &_| {});
    assert_eq!((summary.seeds_run, seeds(&summary)), (5, vec![3]));
    assert_eq!(summary.failures[0].how, How::Panicked { words: "seed 3 is bad".to_owned() });
}

#[test]
fn marks_that_no_seed_reached_are_listed() {
    let summary = run(&plan(5, 1, 1), &outcome, &|| false, &|_: &_| {});
    let never = summary.never_reached(&[&[Mark("common"), Mark("rare")], &[Mark("unheard")]]);
    assert_eq!(never, ["rare", "unheard"]);
    let summary = run(&plan(9, 1, 1), &outcome, &|| false, &|_: &_| {});
    assert!(summary.never_reached(&[&[Mark("rare")]]).is_empty());
}

#[test]
fn progress_and_what_is_inconclusive_are_reported() {
    let job = |seed: u64| Outcome { inconclusive: (seed == 2).then(|| "budget".to_owned()), ..outcome(seed) };
    let last = AtomicU64::new(0);
    let summary = run(&plan(4, 1, 1), &job, &|| false, &|progress| {
        assert_eq!(progress.counts.fault_count(), progress.seeds_run);
        last.store(progress.seeds_run, Ordering::Relaxed);
    });
    assert_eq!(last.into_inner(), 3);
    assert_eq!(summary.inconclusive, [(2, "budget".to_owned())]);
}
