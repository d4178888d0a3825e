//! The shrinker against runs that are made up, whose smallest failing scenario is known.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use quorate_sim::scenario::{
    Call, Direction, FORMAT, Fault, FaultKind, Operation, Scenario, Settings, Shape, Target, Wiped,
};
use quorate_sim::shrink::{Options, Shrunk, Size, shrink};
use quorate_sim::{Invariant, Violation};
use quorate_types::{Rng, Time};

const INVARIANT: Invariant = Invariant::Durability;
/// Enough for every scenario here.
const ENOUGH: Options = Options { max_runs: 20_000 };

/// A large scenario with a bit of everything.
fn large(seed: u64) -> Scenario {
    let rng = &mut Rng::new(seed);
    let nodes = 5;
    let mut settings = Settings::plain(nodes);
    settings.heartbeat_ms = 20;
    settings.election_min_ms = 100;
    settings.network.jitter_us = 3_000;
    settings.network.loss_per_mille = 20;
    settings.network.regions = vec![1, 1, 2, 2, 3];
    settings.bounds.append_bytes = 200;
    settings.disk.sync_max_us = 7_000;
    settings.first_index = 990;
    for clock in &mut settings.clocks {
        (clock.offset_ms, clock.drift_ppm) = (30_000 + rng.below(9), 20);
    }
    let faulty_ms = 4_000;
    let mut fault_times: Vec<u64> = (0..40).map(|_| rng.below(faulty_ms * 1_000)).collect();
    let mut call_times: Vec<u64> = (0..300).map(|_| rng.below(faulty_ms * 1_000)).collect();
    fault_times.sort_unstable();
    call_times.sort_unstable();
    let faults = fault_times.into_iter().map(|at_us| fault(at_us, nodes, rng)).collect();
    let operation = |(position, at_us)| operation(position as u64, at_us, nodes, rng);
    Scenario {
        format: FORMAT,
        note: String::new(),
        mistake: None,
        nodes,
        noise: 123_456,
        faulty_ms,
        healing_ms: 5_000,
        core: vec![1, 3, 4],
        settings,
        faults,
        operations: call_times.into_iter().enumerate().map(operation).collect(),
    }
}

fn fault(at_us: u64, nodes: u64, rng: &mut Rng) -> Fault {
    let target = if rng.chance(1, 3) { Target::Leader } else { Target::Node(1 + rng.below(nodes)) };
    let links = vec![(1, 2), (2, 1), (3, 5), (4, 1)];
    let kind = match rng.below(8) {
        0 => FaultKind::Crash { target, after_effects: rng.below(9), power: true },
        1 => FaultKind::Isolate { target, direction: Direction::Both },
        2 => FaultKind::Cut { shape: Shape::Halves, links },
        3 => FaultKind::Clog { links },
        4 => FaultKind::Degrade { loss_per_mille: 100, duplicate_per_mille: 50, slow_us: 90 },
        5 => FaultKind::ClockJump { target, by_ms: -100 },
        6 => FaultKind::Wipe { target: Target::Node(if rng.chance(1, 2) { 2 } else { 5 }), what: Wiped::Log },
        _ => FaultKind::Transfer { to: 1 + rng.below(nodes) },
    };
    Fault { at_us, for_us: 300_000 + rng.below(500_000), kind }
}

fn operation(position: u64, at_us: u64, nodes: u64, rng: &mut Rng) -> Operation {
    let key = 3 + rng.below(4);
    let call = match rng.below(4) {
        0 => Call::Get { key },
        1 => Call::Put { key, value: position + 1 },
        2 => Call::Transact { reads: vec![1, 2], appends: vec![(3, position + 1), (4, position + 1_001)] },
        _ => Call::Increment { counter: key },
    };
    Operation { at_us, client: 1 + rng.below(6), node: 1 + rng.below(nodes), call }
}

fn violation(invariant: Invariant, at_us: u64) -> Option<Violation> {
    Some(Violation { invariant, words: String::new(), at: Time(at_us * 1_000) })
}

fn is_crash(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Crash { .. })
}

fn is_isolation(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Isolate { .. })
}

/// Fails if a node is isolated while one is down, and a client puts something later.
fn overlap_then_put(scenario: &Scenario) -> Option<Violation> {
    let overlaps = |a: &Fault, b: &Fault| a.at_us <= b.at_us && b.at_us < a.at_us + a.for_us;
    let (crashes, cuts) = (scenario.faults.iter().filter(|fault| is_crash(fault)), &scenario.faults);
    let both_us = crashes
        .flat_map(|crash| cuts.iter().filter(|cut| is_isolation(cut)).map(move |cut| (crash, cut)))
        .filter(|(crash, cut)| overlaps(crash, cut) || overlaps(cut, crash))
        .map(|(crash, cut)| crash.at_us.max(cut.at_us))
        .min()?;
    let puts =
        |operation: &&Operation| matches!(operation.call, Call::Put { .. }) && operation.at_us >= both_us;
    violation(INVARIANT, scenario.operations.iter().find(puts)?.at_us)
}

/// Shrinks, and makes sure that what comes back was run, and failed.
fn shrunk(
    scenario: Scenario,
    options: &Options,
    run: impl Fn(&Scenario) -> Option<Violation>,
) -> (Shrunk, u64) {
    let mut runs = 0;
    let mut counted = |scenario: &Scenario| {
        runs += 1;
        scenario.validate().expect("only what can be run is run");
        run(scenario)
    };
    let shrunk = shrink(scenario, INVARIANT, &mut counted, options, &mut |_| {}).unwrap();
    assert_eq!(run(&shrunk.scenario).as_ref(), Some(&shrunk.violation));
    assert_eq!(shrunk.violation.invariant, INVARIANT);
    assert_eq!(runs, shrunk.runs + 1);
    assert_eq!(shrunk.after, Size::of(&shrunk.scenario));
    (shrunk, runs)
}

#[test]
fn the_known_smallest_is_reached() {
    for seed in [1, 2, 3] {
        let (shrunk, _) = shrunk(large(seed), &ENOUGH, overlap_then_put);
        let small = &shrunk.scenario;
        assert!(!shrunk.is_unfinished);
        let expect = Size { nodes: 1, faults: 2, clients: 1, operations: 1, faulty_ms: 0 };
        assert_eq!(shrunk.after, expect, "{}", small.to_toml());
        assert_eq!(small.settings, Settings::plain(1), "{}", small.to_toml());
        assert_eq!((small.noise, small.operations[0].client), (0, 1));
        for fault in &small.faults {
            assert_eq!(fault.kind.target(), Some(Target::Node(1)));
            let is_mild = match fault.kind {
                FaultKind::Crash { after_effects, power, .. } => after_effects == 0 && !power,
                FaultKind::Isolate { direction, .. } => direction != Direction::Both,
                _ => false,
            };
            assert!(is_mild && fault.for_us <= 1_000, "{fault:?}");
        }
    }
}

#[test]
fn what_the_violation_needs_stays() {
    // Three nodes, clients 2 and 5, a leader that is struck, a jittery network and a gap of at least 300 ms.
    let run = |scenario: &Scenario| {
        let early = scenario.operations.iter().find(|operation| operation.client == 2)?;
        let is_late = |late: &&Operation| late.client == 5 && late.at_us >= early.at_us + 300_000;
        let late = scenario.operations.iter().find(is_late)?;
        let strikes = |fault: &Fault| fault.kind.target() == Some(Target::Leader);
        let is_needed = scenario.nodes >= 3
            && scenario.settings.network.jitter_us >= 3_000
            && scenario.faults.iter().any(strikes);
        if is_needed { violation(INVARIANT, late.at_us) } else { None }
    };
    let (shrunk, _) = shrunk(large(4), &ENOUGH, run);
    let small = &shrunk.scenario;
    let expect = Size { nodes: 3, faults: 1, clients: 2, operations: 2, ..shrunk.after };
    assert_eq!(shrunk.after, expect, "{}", small.to_toml());
    assert!((300..=400).contains(&small.faulty_ms), "{}", small.to_toml());
    let mut settings = Settings::plain(3);
    settings.network.jitter_us = 3_000;
    assert_eq!(small.settings, settings);
}

#[test]
fn links_are_cut_down_to_the_one_that_matters() {
    let run = |scenario: &Scenario| {
        let cuts = |fault: &&Fault| matches!(&fault.kind, FaultKind::Cut { links, .. } if !links.is_empty());
        scenario.faults.iter().find(cuts).and_then(|fault| violation(INVARIANT, fault.at_us))
    };
    let (shrunk, _) = shrunk(large(5), &ENOUGH, run);
    let kinds: Vec<&FaultKind> = shrunk.scenario.faults.iter().map(|fault| &fault.kind).collect();
    assert_eq!(shrunk.scenario.nodes, 2);
    assert!(matches!(kinds[..], [FaultKind::Cut { shape: Shape::Random, links }] if links.len() == 1));
}

#[test]
fn where_any_call_does_it_is_a_read() {
    let run = |scenario: &Scenario| violation(INVARIANT, scenario.operations.get(1)?.at_us);
    let (shrunk, _) = shrunk(large(12), &ENOUGH, run);
    let calls: Vec<&Call> = shrunk.scenario.operations.iter().map(|operation| &operation.call).collect();
    assert!(matches!(calls[..], [Call::Get { .. }, Call::Get { .. }]), "{calls:?}");
}

#[test]
fn a_bug_does_not_turn_into_another_one() {
    // Without the crash something else is broken, always.
    let run = |scenario: &Scenario| match scenario.faults.iter().find(|fault| is_crash(fault)) {
        Some(crash) => violation(INVARIANT, crash.at_us),
        None => violation(Invariant::Liveness, 1),
    };
    let (shrunk, _) = shrunk(large(6), &ENOUGH, run);
    assert_eq!((shrunk.after.faults, shrunk.after.operations), (1, 0));
    assert!(is_crash(&shrunk.scenario.faults[0]));
}

#[test]
fn a_disk_is_never_harmed_that_the_core_needs() {
    // Whatever is asked of a node after its disk was lost is broken, as it would be.
    let run = |scenario: &Scenario| {
        let wipes = |fault: &&Fault| matches!(fault.kind, FaultKind::Wipe { .. });
        let wipe = scenario.faults.iter().find(wipes)?;
        let late = |operation: &&Operation| operation.at_us > wipe.at_us;
        violation(INVARIANT, scenario.operations.iter().find(late)?.at_us)
    };
    let (shrunk, _) = shrunk(large(10), &ENOUGH, run);
    let small = &shrunk.scenario;
    assert_eq!((small.nodes, small.core.len(), small.faults.len()), (3, 2, 1), "{}", small.to_toml());
}

#[test]
fn what_could_serve_does_not_become_what_cannot() {
    let mut scenario = large(11);
    scenario.settings = Settings { election_min_ms: 500, election_max_ms: 900, ..Settings::plain(5) };
    scenario.settings.network.base_us = 100_000;
    let run = |scenario: &Scenario| {
        if scenario.settings.network.base_us == 100_000 { violation(INVARIANT, 1) } else { None }
    };
    let (shrunk, _) = shrunk(scenario, &ENOUGH, run);
    assert_eq!(shrunk.scenario.settings.election_min_ms, 500);
}

#[test]
fn healing_gets_the_time_that_it_was_promised() {
    // Broken at the very end, as it is noticed that the healed cluster does not serve.
    let run = |scenario: &Scenario| {
        let end_us = (scenario.faulty_ms + scenario.healing_ms) * 1_000;
        if scenario.faults.iter().any(is_crash) { violation(INVARIANT, end_us) } else { None }
    };
    let (shrunk, _) = shrunk(large(7), &ENOUGH, run);
    assert_eq!(shrunk.scenario.healing_ms, large(7).healing_ms);
    assert_eq!((shrunk.after.faults, shrunk.after.faulty_ms), (1, 0));
}

#[test]
fn the_budget_is_kept_and_what_was_reached_is_returned() {
    for max_runs in [0, 1, 10, 50] {
        let (shrunk, runs) = shrunk(large(1), &Options { max_runs }, overlap_then_put);
        assert!(shrunk.is_unfinished);
        assert_eq!(runs, max_runs + 1);
        assert!(max_runs < 10 || shrunk.after.operations < 300);
    }
}

#[test]
fn the_default_budget_is_enough() {
    let (shrunk, _) = shrunk(large(8), &Options::default(), overlap_then_put);
    assert!(!shrunk.is_unfinished, "{} runs", shrunk.runs);
}

#[test]
fn the_same_scenario_shrinks_to_the_same() {
    let [first, second] = [(); 2].map(|()| shrunk(large(9), &ENOUGH, overlap_then_put).0);
    assert_eq!(first, second);
}

#[test]
fn progress_counts_every_run() {
    let mut seen = Vec::new();
    let mut run = overlap_then_put;
    let options = Options { max_runs: 30 };
    let mut on_run = |progress: &quorate_sim::shrink::Progress| seen.push(progress.runs);
    shrink(large(1), INVARIANT, &mut run, &options, &mut on_run).unwrap();
    assert_eq!(seen, (1..=30).collect::<Vec<u64>>());
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let mut run = |_: &Scenario| violation(Invariant::Liveness, 1);
    let bad = shrink(large(1), INVARIANT, &mut run, &ENOUGH, &mut |_| {}).unwrap_err();
    assert_eq!(bad.found.as_ref().map(|found| found.invariant), Some(Invariant::Liveness));
    assert!(bad.to_string().contains(Invariant::Liveness.promise()), "{bad}");
    let mut run = |_: &Scenario| None;
    assert!(shrink(large(1), INVARIANT, &mut run, &ENOUGH, &mut |_| {}).unwrap_err().found.is_none());
}
