//! The world does to nodes what its faults say, and nodes answer as they should.

use quorate_sim::scenario::{Call, FORMAT, Fault, FaultKind, Operation, Scenario, Settings, Target, Wiped};
use quorate_sim::trace::{Actor, What};
use quorate_sim::{Outcome, run};
use quorate_types::NodeId;

/// Three quick nodes, one client that writes and reads every 20 ms, and one fault after half a second.
fn with(kind: FaultKind, for_ms: u64) -> Scenario {
    let calls = (0..100).map(|n| {
        let call = if n % 2 == 0 { Call::Put { key: 1, value: n + 1 } } else { Call::Get { key: 1 } };
        Operation { at_us: 300_000 + 20_000 * n, client: 1, node: n % 3 + 1, call }
    });
    Scenario {
        format: FORMAT,
        note: String::new(),
        mistake: None,
        nodes: 3,
        noise: 1,
        faulty_ms: 2500,
        healing_ms: 3000,
        core: vec![1, 2, 3],
        settings: Settings::plain(3),
        faults: vec![Fault { at_us: 700_000, for_us: 1000 * for_ms, kind }],
        operations: calls.collect(),
    }
}

/// Runs it, and demands that every promise was kept.
fn kept(kind: FaultKind, for_ms: u64) -> Outcome {
    let outcome = run(&with(kind, for_ms), true);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counts.fault_count(), 1);
    outcome
}

fn happened(outcome: &Outcome, node: u64, what: impl Fn(&What) -> bool) -> usize {
    let of = Actor::Node(NodeId(node));
    outcome.trace.events().iter().filter(|event| event.actor == of && what(&event.what)).count()
}

fn starts(outcome: &Outcome, node: u64) -> usize {
    happened(outcome, node, |what| matches!(what, What::Started { .. }))
}

fn refusals(outcome: &Outcome, node: u64) -> usize {
    happened(outcome, node, |what| matches!(what, What::Refused { .. }))
}

const TWO: Target = Target::Node(2);

#[test]
fn a_node_that_crashed_starts_again_and_clients_are_served_meanwhile() {
    for power in [false, true] {
        let outcome = kept(FaultKind::Crash { target: TWO, after_effects: 3, power }, 400);
        assert_eq!((starts(&outcome, 1), starts(&outcome, 2)), (1, 2));
        assert!(outcome.counts.done > 60, "{:?}", outcome.counts);
    }
}

#[test]
fn a_leader_that_is_cut_off_is_replaced() {
    let isolate =
        FaultKind::Isolate { target: Target::Leader, direction: quorate_sim::scenario::Direction::Both };
    let outcome = kept(isolate, 1000);
    assert!(outcome.counts.elections >= 2 && outcome.counts.lost_messages > 10, "{:?}", outcome.counts);
}

#[test]
fn a_paused_node_hears_everything_late_and_loses_nothing() {
    let outcome = kept(FaultKind::Pause { target: Target::Leader }, 800);
    assert!(outcome.counts.elections >= 2, "somebody else took over");
    assert_eq!(outcome.counts.starts, 3, "nobody crashed");
}

#[test]
fn what_is_missing_or_damaged_on_a_disk_is_noticed() {
    let log = FaultKind::Wipe { target: TWO, what: Wiped::Log };
    assert_eq!(refusals(&kept(log, 100), 2), 1);
    let tables = FaultKind::Wipe { target: TWO, what: Wiped::Tables };
    assert_eq!(starts(&kept(tables, 100), 2), 2, "the log still holds everything");
    let gone = kept(FaultKind::Wipe { target: TWO, what: Wiped::All }, 100);
    assert_eq!((starts(&gone, 2), refusals(&gone, 2)), (1, 0), "it stays down");
    let noticed = (0..20).map(|place| kept(FaultKind::LatentSectorError { target: TWO, place }, 100));
    assert!(noticed.map(|outcome| refusals(&outcome, 2)).sum::<usize>() > 0);
}

#[test]
fn a_log_that_fails_stops_its_node_until_an_operator_comes() {
    for kind in [FaultKind::FailSync { target: TWO }, FaultKind::FailTables { target: TWO }] {
        let outcome = kept(kind, 500);
        assert_eq!(starts(&outcome, 2), 2);
        assert_eq!(happened(&outcome, 2, |what| matches!(what, What::Note { .. })), 1);
    }
}
