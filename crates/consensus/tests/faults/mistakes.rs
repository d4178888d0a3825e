//! The proof that the harness sees: each mistake that the core can be made to make is found within a stated number of seeds.
//!
//! `RAFT_MISTAKE=name` plants one and counts by how many of `RAFT_SEEDS` seeds it is found, and how.

use super::{DEFAULT_SEEDS, run};
use quorate_types::Mistake;
use quorate_types::mistake::plant;
use std::collections::BTreeMap;
use std::panic::catch_unwind;

/// The core's mistakes, and how many seeds may pass before the first that finds it.
const WITHIN: [(Mistake, u64); 18] = [
    (Mistake::VoteWithoutPersisting, 5),
    (Mistake::VoteTwice, 20),
    (Mistake::VoteForShorterLog, 20),
    (Mistake::QuorumOfHalf, 10),
    (Mistake::CommitOldTermByCounting, 10),
    (Mistake::AcknowledgeBeforeSync, 5),
    (Mistake::TruncateWithoutConflict, 5),
    (Mistake::KeepConflictingTail, 20),
    (Mistake::SkipPreviousTermCheck, 400),
    (Mistake::CommitBeyondMatched, 50),
    (Mistake::AcceptStaleTerm, 100),
    (Mistake::IgnoreRejectionHint, 5),
    (Mistake::TakeForwardTwice, 30),
    (Mistake::ReadWithoutTermCheck, 10),
    (Mistake::ReadWithoutRound, 200),
    (Mistake::LeaseTooLong, 400),
    (Mistake::ReadBeforeApplied, 5),
    (Mistake::SnapshotOverNewer, 50),
];

/// What the run of `seed` breaks while `mistake` is planted.
fn broken_by(mistake: Mistake, seed: u64) -> Option<String> {
    assert!(plant(Some(mistake)), "this is a build with mistakes");
    let outcome = catch_unwind(|| run(seed));
    assert!(plant(None));
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

#[test]
fn each_planted_mistake_is_found() {
    if let Ok(name) = std::env::var("RAFT_MISTAKE") {
        return survey(Mistake::named(&name).expect("RAFT_MISTAKE is the name of a mistake"));
    }
    for (mistake, within) in WITHIN {
        let found = (0..within).find(|seed| broken_by(mistake, *seed).is_some());
        assert!(found.is_some(), "{} is not found within {within} seeds", mistake.name());
    }
}

/// Counts the seeds that find `mistake`, by what they say.
fn survey(mistake: Mistake) {
    let seeds =
        std::env::var("RAFT_SEEDS").map_or(DEFAULT_SEEDS, |n| n.parse().expect("RAFT_SEEDS is a number"));
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in 0..seeds {
        if let Some(text) = broken_by(mistake, seed) {
            let kind = text.lines().next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "");
            kinds.entry(kind).or_insert((0, seed)).0 += 1;
        }
    }
    let found: u64 = kinds.values().map(|(count, _)| count).sum();
    let first = kinds.values().map(|(_, seed)| seed).min();
    eprintln!("{}: {found} of {seeds} seeds, the first is {first:?}", mistake.name());
    for (kind, (count, first)) in kinds {
        eprintln!("  {count:5} from seed {first}: {kind}");
    }
    assert!(found > 0, "{} is not found", mistake.name());
}
