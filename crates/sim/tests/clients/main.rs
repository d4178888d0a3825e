//! Clients against a fake cluster: what calls become, and what their history proves.

mod fake;

use fake::{Flaw, GOOD, Manners, NODES, World, by_one, scenario};
use quorate_kv::watch::WatchRequest;
use quorate_sim::client::{Asked, Clients, Histories, Promise};
use quorate_sim::judge::{Judged, judge};
use quorate_sim::scenario::{Call, Operation};
use quorate_sim::trace::CallOutcome::{self, Done, Failed};
use quorate_types::Rng;
use std::time::Duration;

fn run(operations: Vec<Operation>, manners: Manners, seed: u64) -> (World, Histories) {
    let mut clients = Clients::new(&scenario(operations));
    let mut world = World::new(manners, seed);
    world.run(&mut clients);
    (world, clients.finish())
}

/// What clients may do: values, elements and leases are unique.
fn random(seed: u64, count: u64, clients: u64) -> Vec<Operation> {
    let mut rng = Rng::new(seed);
    let mut at_us = 0;
    let mut operation = |n: u64| {
        at_us += rng.below(2000);
        let (client, node) = (1 + rng.below(clients), 1 + rng.below(NODES));
        let (key, unique) = (rng.below(4), n + 1);
        let call = match rng.below(20) {
            0..=2 => Call::Get { key },
            3..=5 => Call::Put { key, value: unique },
            6 | 7 => {
                let from = if rng.chance(1, 3) { 0 } else { rng.below(unique) };
                Call::CompareAndSet { key, from, to: unique }
            }
            8 | 9 => Call::GetLocal { key: rng.below(2) },
            10..=12 => {
                let reads = (0..rng.below(3)).map(|n| n + rng.below(2)).collect();
                let appends = (0..rng.below(3)).map(|n| (rng.below(3), 10 * unique + n)).collect();
                Call::Transact { reads, appends }
            }
            13 | 14 => Call::Increment { counter: rng.below(2) },
            15 if rng.chance(1, 2) => Call::Delete { key: 2, end: 3 + rng.below(2) },
            15 => Call::Compact { keep: rng.below(10) },
            16 => Call::Grant { lease: unique, ttl_s: 2 },
            17 => Call::Lock { lock: rng.below(2), lease: unique, ttl_s: 2 },
            18 => Call::Unlock { lock: rng.below(2) },
            _ if rng.chance(1, 2) => Call::Watch { back: rng.below(5) },
            _ => Call::WatchProgress,
        };
        Operation { at_us, client, node, call }
    };
    (0..count).map(&mut operation).collect()
}

fn transact(reads: &[u64], appends: &[(u64, u64)]) -> Call {
    Call::Transact { reads: reads.into(), appends: appends.into() }
}

#[test]
fn every_call_ends_with_what_its_client_wants_to_know() {
    let lock = |lease| Call::Lock { lock: 1, lease, ttl_s: 2 };
    let cas = |from, to| Call::CompareAndSet { key: 1, from, to };
    let table: Vec<(Call, CallOutcome, &str)> = vec![
        (Call::Get { key: 1 }, Done, "done"),
        (cas(0, 4), Done, "done"),
        (cas(0, 5), Failed, "it holds something else"),
        (cas(4, 6), Done, "done"),
        (Call::Get { key: 1 }, Done, "6"),
        (Call::Put { key: 1, value: 7 }, Done, "done"),
        (Call::GetLocal { key: 1 }, Done, "7"),
        (Call::Delete { key: 1, end: 2 }, Done, "done"),
        (Call::Get { key: 1 }, Done, "done"),
        (transact(&[1, 2], &[(1, 10), (1, 11)]), Done, "[[:r 1 []] [:r 2 []] [:append 1 10] [:append 1 11]]"),
        (transact(&[1], &[(2, 12)]), Done, "[[:r 1 [10 11]] [:append 2 12]]"),
        (transact(&[2], &[]), Done, "[[:r 2 [12]]]"),
        (Call::Increment { counter: 1 }, Done, "1"),
        (Call::Increment { counter: 1 }, Done, "2"),
        (Call::Grant { lease: 5, ttl_s: 2 }, Done, "done"),
        (Call::Renew { lease: 5 }, Done, "done"),
        (Call::Renew { lease: 6 }, Failed, "there is no such lease"),
        (Call::Revoke { lease: 5 }, Done, "done"),
        (Call::Revoke { lease: 5 }, Failed, "refused: LeaseNotFound"),
        (Call::Unlock { lock: 1 }, Failed, "it knows of no lock that it holds"),
        (lock(20), Done, "12"),
        (lock(21), Failed, "somebody has the lock"),
        (Call::Unlock { lock: 1 }, Done, "done"),
        (lock(22), Done, "14"),
        (Call::Revoke { lease: 22 }, Done, "done"),
        (Call::Unlock { lock: 1 }, Failed, "the lock was lost"),
        (Call::WatchProgress, Failed, "it has no stream"),
        (Call::Watch { back: 3 }, Done, "done"),
        (Call::WatchProgress, Done, "15"),
        (Call::Compact { keep: 100 }, Failed, "there is nothing to compact"),
        (Call::Compact { keep: 1 }, Done, "done"),
    ];
    let (world, histories) = run(by_one(table.iter().map(|(call, ..)| call.clone())), GOOD, 1);
    let ends = world.ends();
    assert_eq!(ends.len(), table.len());
    for ((operation, outcome, words), (call, wanted, wanted_words)) in ends.iter().zip(&table) {
        assert_eq!((outcome, words.as_str()), (wanted, *wanted_words), "call {operation}, {call:?}");
    }
    let promises: Vec<Promise> = histories.iter().map(|(promise, _)| *promise).collect();
    let all = [Promise::Registers, Promise::Lists, Promise::Counters, Promise::Locks];
    assert_eq!(promises, all, "the one register that was looked at was deleted too");
    assert_eq!(judge(&histories), Judged::default());
}

#[test]
fn of_two_transactions_that_meet_one_fails() {
    let by = |client, call| Operation { at_us: 0, client, node: 1, call };
    let mut both = 0;
    for seed in 0..20 {
        let operations = vec![by(1, transact(&[1], &[(1, 1)])), by(2, transact(&[1], &[(1, 2)]))];
        let (world, histories) = run(operations, GOOD, seed);
        let failed = world.ends().iter().filter(|(_, outcome, _)| *outcome == Failed).count();
        assert!(failed <= 1, "one of them is first");
        both += 1 - failed;
        assert_eq!(judge(&histories), Judged::default());
    }
    assert!((1..20).contains(&both), "some meet, some do not: {both}");
}

#[test]
fn a_watch_goes_on_at_another_node_where_it_was() {
    let mut calls = vec![Call::Watch { back: 0 }];
    calls.extend((1..100).map(|value| Call::Put { key: 1, value }));
    let mut operations = by_one(calls);
    for operation in &mut operations[1..] {
        operation.client = 2;
    }
    let (world, _) = run(operations, Manners { breaks_ms: 40, ..GOOD }, 3);
    let created = world.asked.iter().filter_map(|(_, node, asked)| match asked {
        Asked::Watch { request: WatchRequest::Create(spec), .. } => Some((node.0, spec.start_revision)),
        _ => None,
    });
    let created: Vec<(u64, i64)> = created.collect();
    let nodes: Vec<u64> = created.iter().map(|(node, _)| *node).take(4).collect();
    assert_eq!(nodes, [1, 2, 3, 1]);
    assert!(created[1..].is_sorted_by_key(|(_, start)| *start) && created[1].1 > 1, "{created:?}");
    // Each value came once, whatever stream it came on.
    for value in 1..100 {
        let text = format!("value: b\"{value}\"");
        let times = world.heard.iter().map(|(_, heard)| heard.matches(&text).count()).sum::<usize>();
        assert_eq!(times, 1, "{value}");
    }
}

#[test]
fn what_a_client_waits_for_does_not_depend_on_the_operations_of_others() {
    let operations = random(5, 60, 4);
    let waits = |operations: &[Operation]| -> Vec<Duration> {
        let (world, _) = run(operations.to_vec(), GOOD, 5);
        let puts = world.asked.iter().filter_map(|(_, _, asked)| match asked {
            Asked::Write { timeout, command: quorate_kv::Command::Put(put), .. }
                if put.key.starts_with(b"register") =>
            {
                Some((put.value.clone(), *timeout))
            }
            _ => None,
        });
        let mut puts: Vec<_> = puts.collect();
        puts.sort();
        puts.into_iter().map(|(_, timeout)| timeout).collect()
    };
    let puts: Vec<Operation> =
        operations.iter().filter(|operation| matches!(operation.call, Call::Put { .. })).cloned().collect();
    assert!(puts.len() > 3);
    assert_eq!(waits(&operations), waits(&puts));
}

#[test]
fn a_right_cluster_is_found_right_whatever_is_in_doubt() {
    let mut unknown = 0;
    for seed in 0..500 {
        let doubt = [0, 5, 30][seed as usize % 3];
        let manners = Manners { doubt, breaks_ms: 15 + seed % 50, ..GOOD };
        let (world, histories) = run(random(seed, 60, 5), manners, seed);
        unknown += world.ends().iter().filter(|(_, outcome, _)| *outcome == CallOutcome::Unknown).count();
        assert_eq!(world.ends().len(), 60, "every call ends");
        assert_eq!(judge(&histories), Judged::default(), "seed {seed}");
    }
    assert!(unknown > 500, "{unknown}");
}

/// Runs until the flaw was found broken so often, and tells what was said.
fn found(flaw: Flaw, promise: &str) {
    let manners = Manners { flaw, doubt: 3, ..GOOD };
    let judged = |seed| judge(&run(random(seed, 100, 5), manners, seed).1).violation;
    let said: Vec<String> = (0..10).filter_map(judged).collect();
    let count = said.iter().filter(|said| said.starts_with(promise)).count();
    assert!(count >= 3, "{flaw:?} is found in 3 of 10 runs, and not {count}: {said:#?}");
    assert!(said.iter().all(|said| said.lines().count() < 40), "few operations show it: {said:#?}");
}

#[test]
fn wrong_clusters_are_found_wrong() {
    found(Flaw::StaleReads, "the registers are not linearizable");
    found(Flaw::LostWrites, "the registers are not linearizable");
    found(Flaw::NoConditions, "");
    found(Flaw::Diverged, "what nodes show of the registers are not sequential");
    found(Flaw::RefusedIsDone, "");
}
