//! Each known mistake is found: the proof that a clean campaign means something.
//!
//! Only in a build that has the mistakes: `cargo xtask sim --planted`, or
//! `cargo test --profile sim -p quorate-sim --features mistakes --test planted`. `PLANTED_TABLE=1` prints the table for `docs/testing.md`.

#![cfg(feature = "mistakes")]

use quorate_sim::draw::{FaultClass, Wishes, Workload, draw};
use quorate_sim::scenario::Scenario;
use quorate_sim::shrink::{self, Options};
use quorate_sim::{Invariant, run};
use quorate_types::Mistake;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a mistake is looked for: in campaigns of these faults and calls, and within so many seeds. No faults and calls stand for all.
struct Hunt {
    mistake: Mistake,
    seeds: u64,
    faults: &'static [FaultClass],
    workloads: &'static [Workload],
}

const fn anywhere(mistake: Mistake, seeds: u64) -> Hunt {
    Hunt { mistake, seeds, faults: &[], workloads: &[] }
}

use FaultClass as F;
use Workload as W;

const PARTITIONS: &[FaultClass] = &[F::Partition, F::OneWay, F::Pause];
const READS: &[Workload] = &[W::Register, W::CompareAndSet];

/// Bounds are about four times what is needed today, so that a harmless change of what is drawn does not fail.
const HUNTS: &[Hunt] = &[
    anywhere(Mistake::VoteWithoutPersisting, 20),
    anywhere(Mistake::VoteTwice, 200),
    anywhere(Mistake::VoteForShorterLog, 200),
    anywhere(Mistake::QuorumOfHalf, 20),
    anywhere(Mistake::CommitOldTermByCounting, 50),
    anywhere(Mistake::AcknowledgeBeforeSync, 20),
    anywhere(Mistake::TruncateWithoutConflict, 100),
    anywhere(Mistake::KeepConflictingTail, 200),
    Hunt { mistake: Mistake::SkipPreviousTermCheck, seeds: 1600, faults: PARTITIONS, workloads: READS },
    Hunt { mistake: Mistake::CommitBeyondMatched, seeds: 800, faults: PARTITIONS, workloads: READS },
    Hunt { mistake: Mistake::AcceptStaleTerm, seeds: 1600, faults: PARTITIONS, workloads: READS },
    anywhere(Mistake::IgnoreRejectionHint, 20),
    anywhere(Mistake::TakeForwardTwice, 200),
    anywhere(Mistake::ReadWithoutTermCheck, 50),
    Hunt { mistake: Mistake::ReadWithoutRound, seeds: 400, faults: PARTITIONS, workloads: READS },
    Hunt { mistake: Mistake::LeaseTooLong, seeds: 1600, faults: PARTITIONS, workloads: READS },
    anywhere(Mistake::ReadBeforeApplied, 20),
    Hunt {
        mistake: Mistake::SnapshotOverNewer,
        seeds: 1600,
        faults: &[F::Degrade, F::Clog],
        workloads: READS,
    },
    anywhere(Mistake::RetryUnproved, 20),
    anywhere(Mistake::SnapshotProvesLoss, 100),
    anywhere(Mistake::ApplyTwiceAfterRestart, 20),
    anywhere(Mistake::CompactBeforeDurable, 200),
    anywhere(Mistake::SnapshotWithoutLeases, 200),
    anywhere(Mistake::CompactOneTooMany, 200),
    Hunt { mistake: Mistake::LeaseExpiryUnfenced, seeds: 800, faults: &[], workloads: &[W::Leases] },
    anywhere(Mistake::LeaseClockLocal, 100),
    Hunt { mistake: Mistake::WatchProgressEarly, seeds: 400, faults: &[], workloads: &[W::Watches] },
    anywhere(Mistake::WatchSkipsAtCatchUp, 50),
    Hunt {
        mistake: Mistake::IgnoreFailedSync,
        seeds: 400,
        faults: &[F::FailSync, F::Crash],
        workloads: READS,
    },
    Hunt { mistake: Mistake::TornBatchAccepted, seeds: 1600, faults: &[F::Crash], workloads: READS },
    anywhere(Mistake::RollWithoutDirectorySync, 50),
    anywhere(Mistake::RollForgetsHardState, 50),
];

/// One seed in ten thousand or more: long campaigns found them before anybody knew them, as seeds 959 and 28,916. `tests/found.rs` replays what
/// was left of those.
const TOO_RARE: [Mistake; 2] = [Mistake::StaleTime, Mistake::AcknowledgeAfterFailure];
/// Clients here do not number their writes; the tests of `quorate-kv` plant these.
const ELSEWHERE: [Mistake; 2] = [Mistake::SessionForgotten, Mistake::SnapshotWithoutSessions];

/// Candidates that shrinking may run for each mistake.
const SHRINK_RUNS: u64 = 1_500;

struct Found {
    mistake: Mistake,
    seeds: u64,
    invariant: Invariant,
    before: Size,
    after: Size,
}

/// Nodes, faults, operations, simulated milliseconds of the faulty phase.
#[derive(Clone, Copy)]
struct Size([u64; 4]);

impl Size {
    fn of(scenario: &Scenario) -> Size {
        let counts = [scenario.faults.len() as u64, scenario.operations.len() as u64];
        Size([scenario.nodes, counts[0], counts[1], scenario.faulty_ms])
    }
}

fn hunt(hunt: &Hunt) -> Result<Found, String> {
    let mut wishes = Wishes::default();
    if !hunt.faults.is_empty() {
        wishes.faults = hunt.faults.iter().copied().collect();
    }
    if !hunt.workloads.is_empty() {
        wishes.workloads = hunt.workloads.iter().copied().collect();
    }
    for seed in 0..hunt.seeds {
        let mut scenario = draw(seed, &wishes);
        scenario.mistake = Some(hunt.mistake.name().to_owned());
        if let Some(violation) = run(&scenario, false).violation {
            let before = Size::of(&scenario);
            let invariant = violation.invariant;
            let small = smallest(scenario, invariant);
            check_replays(&small)?;
            return Ok(Found {
                mistake: hunt.mistake,
                seeds: seed + 1,
                invariant,
                before,
                after: Size::of(&small),
            });
        }
    }
    Err(format!("`{}` was not found in {} seeds", hunt.mistake.name(), hunt.seeds))
}

fn smallest(scenario: Scenario, invariant: Invariant) -> Scenario {
    let mut again = |scenario: &Scenario| run(scenario, false).violation;
    let options = Options { max_runs: SHRINK_RUNS };
    shrink::shrink(scenario, invariant, &mut again, &options, &mut |_| {})
        .map(|shrunk| shrunk.scenario)
        .unwrap_or_else(|_| panic!("what failed once fails again"))
}

/// The saved file gives the same run, byte for byte.
fn check_replays(scenario: &Scenario) -> Result<(), String> {
    let read = Scenario::from_toml(&scenario.to_toml()).map_err(|bad| bad.to_string())?;
    let texts = [scenario, &read].map(|scenario| run(scenario, true).trace.text());
    if texts[0] == texts[1] { Ok(()) } else { Err(format!("{:?} replays differently", scenario.mistake)) }
}

#[test]
fn every_known_mistake_is_found_shrunk_and_replayed() {
    let hunted = |mistake: &Mistake| {
        HUNTS.iter().any(|hunt| hunt.mistake == *mistake)
            || TOO_RARE.contains(mistake)
            || ELSEWHERE.contains(mistake)
    };
    assert!(Mistake::ALL.iter().all(hunted), "each mistake is hunted");
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(one) = HUNTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = hunt(one);
                    found.lock().unwrap().push(result);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let missed: Vec<&String> = found.iter().filter_map(|result| result.as_ref().err()).collect();
    print(found.iter().flatten());
    assert!(missed.is_empty(), "{missed:?}");
}

fn print<'a>(found: impl Iterator<Item = &'a Found>) {
    let mut found: Vec<&Found> = found.collect();
    found.sort_by_key(|one| one.mistake);
    for Found { mistake, seeds, invariant, before, after } in &found {
        let bound = HUNTS.iter().find(|hunt| hunt.mistake == *mistake).map_or(0, |hunt| hunt.seeds);
        println!(
            "| `{}` | {seeds} | {bound} | {invariant:?} | {} | {} |",
            mistake.name(),
            words(*before),
            words(*after)
        );
    }
    let mut sizes: Vec<u64> = found.iter().map(|one| one.after.0[1] + one.after.0[2]).collect();
    sizes.sort_unstable();
    println!("median of faults and calls left: {:?}", sizes.get(sizes.len() / 2));
}

fn words(Size([nodes, faults, operations, ms]): Size) -> String {
    format!("{nodes} nodes, {faults} faults, {operations} calls, {ms} ms")
}
