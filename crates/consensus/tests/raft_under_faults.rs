//! Whole groups under faults, one seed each.
//!
//! Problem: the mistakes that matter need a crash here, a late message there and a slow disk between. Idea: a world of virtual
//! time draws all of that from one seed, and after each step a recorder that sees every member checks what may never
//! break. Then everything heals, and the group must make progress within a bound.
//!
//! A failing seed prints the command that runs it alone. `RAFT_SEEDS` sets how many seeds run.

#[path = "faults/checks.rs"]
mod checks;
#[path = "faults/member.rs"]
mod member;
#[cfg(feature = "mistakes")]
#[path = "faults/mistakes.rs"]
mod mistakes;
#[path = "faults/nemesis.rs"]
mod nemesis;
#[path = "faults/options.rs"]
mod options;
#[path = "faults/world.rs"]
mod world;

use quorate_consensus::raft::{MARKS, Role};
use quorate_types::mark::take_reached;
use world::{Counts, World};

const FAULTY_MS: u64 = 3000;
/// A dozen of the longest election timeouts: leases, stalled disks and the last of the late messages run out meanwhile.
const HEALING_MS: u64 = 4000;
const SETTLING_MS: u64 = 1500;
const DEFAULT_SEEDS: u64 = 2000;

/// Says which seed was running if a check fails.
struct Reproduction(u64);

impl Drop for Reproduction {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {0} failed; run it alone: RAFT_SEED={0} cargo test -p quorate-consensus --test raft_under_faults",
                self.0
            );
        }
    }
}

fn run(seed: u64) -> (Counts, u64) {
    let _reproduction = Reproduction(seed);
    let mut world = World::new(seed);
    world.run_until(FAULTY_MS);
    world.heal();
    world.run_until(FAULTY_MS + HEALING_MS);
    check_progress(&mut world);
    (world.counts, world.digest)
}

/// A healed group has one leader, takes a command and a read from each member, and brings every machine to the same state.
fn check_progress(world: &mut World) {
    let leaders =
        world.members.values().filter(|m| m.raft.as_ref().is_some_and(|raft| raft.role() == Role::Leader));
    assert_eq!(leaders.count(), 1, "a healed group has one leader");
    let mut commands = Vec::new();
    for id in world.ids() {
        let command = world.new_command(id);
        world.propose(id, vec![command]);
        world.read(id);
        commands.push(command);
    }
    world.run_until(FAULTY_MS + HEALING_MS + SETTLING_MS);
    for command in commands {
        assert!(world.checks.has_committed(command), "command {command} of a healed group is not committed");
    }
    let first = world.members.values().next().expect("there are members").machine.clone();
    for (id, member) in &world.members {
        assert_eq!(member.machine, first, "machine of {id} is equal to the others");
        assert!(member.reads.is_empty(), "a read at {id} is unanswered in a healed group");
        let raft = member.raft.as_ref().expect("all members are up");
        assert_eq!(raft.applied(), world.checks.max_commit(), "{id} has applied all that is committed");
    }
}

#[test]
fn groups_stay_safe_under_faults_and_make_progress_once_healed() {
    if let Ok(seed) = std::env::var("RAFT_SEED") {
        let (counts, _) = run(seed.parse().expect("RAFT_SEED is a number"));
        eprintln!("{counts:?}");
        return;
    }
    let seeds =
        std::env::var("RAFT_SEEDS").map_or(DEFAULT_SEEDS, |n| n.parse().expect("RAFT_SEEDS is a number"));
    let mut total = Counts::default();
    for seed in 0..seeds {
        let (counts, _) = run(seed);
        total.steps += counts.steps;
        total.acknowledged += counts.acknowledged;
        total.reads += counts.reads;
        total.elections += counts.elections;
        total.crashes += counts.crashes;
        total.snapshots += counts.snapshots;
        total.overloads += counts.overloads;
        total.ambushes += counts.ambushes;
    }
    eprintln!("{seeds} seeds: {total:?}");
    // A world that is too kind, or one in which nothing works, would prove nothing.
    assert!(total.acknowledged > 20 * seeds && total.reads > 20 * seeds, "clients are served under faults");
    assert!(total.elections > 2 * seeds && total.crashes > seeds, "leaders change and members crash");
    assert!(total.snapshots > seeds / 10 && total.overloads > seeds / 10, "snapshots and bounds are met");
    let reached = take_reached();
    eprintln!("{reached:#?}");
    let missed: Vec<_> = MARKS.iter().filter(|mark| !reached.contains_key(mark.0)).collect();
    assert!(seeds < DEFAULT_SEEDS || missed.is_empty(), "never met: {missed:?}");
}

#[test]
fn one_seed_gives_one_run() {
    for seed in 0..5 {
        assert_eq!(run(seed).1, run(seed).1);
    }
}
