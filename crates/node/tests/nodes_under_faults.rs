//! Whole nodes under faults, one seed each.
//!
//! Problem: each part keeps its promises, and yet a write may be lost or done twice where parts meet: a request that is sent again, a
//! snapshot that overtakes an answer, tables and a log that a crash leaves at different moments. Idea: a world of virtual time runs nodes
//! and machines as the driver does, draws clients and faults from one seed, and an oracle that sees every entry when it is
//! first applied judges all that clients are told. Then everything heals, and the cluster must make progress within a bound.
//!
//! A failing seed prints the command that runs it alone. `NODE_SEEDS` sets how many seeds run.

#[path = "faults/clients.rs"]
mod clients;
#[path = "faults/log.rs"]
mod log;
#[path = "faults/member.rs"]
mod member;
#[path = "faults/nemesis.rs"]
mod nemesis;
#[path = "faults/options.rs"]
mod options;
#[path = "faults/oracle.rs"]
mod oracle;
#[path = "faults/world.rs"]
mod world;

use clients::Expectation;
use oracle::End;
use quorate_kv::{Command, PutRequest};
use std::time::Duration;
use world::{Counts, World};

const FAULTY_MS: u64 = 2500;
/// All deadlines pass meanwhile, and leases that nobody renews run out.
const HEALING_MS: u64 = 5000;
const SETTLING_MS: u64 = 200;
/// Beyond its life, a lease may live while nobody leads, and for the grace of a new leader.
const LEASE_GRACE: Duration = Duration::from_millis(FAULTY_MS + 1500);
const DEFAULT_SEEDS: u64 = 500;

/// Says which seed was running if a check fails.
struct Reproduction(u64);

impl Drop for Reproduction {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {0} failed; run it alone: NODE_SEED={0} cargo test -p quorate-node --test nodes_under_faults",
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
    world.oracle.check_ends(world.now);
    world.oracle.check_leases_ended(world.now, LEASE_GRACE);
    check_progress(&mut world);
    world.counts.expired_leases = world.oracle.expired_leases;
    (world.counts, world.digest)
}

/// A healed cluster has one leader, serves a write and a read at each member, and brings every replica to the same state.
fn check_progress(world: &mut World) {
    assert_eq!(world.leaders().len(), 1, "a healed cluster has one leader");
    assert_eq!(world.open_reads(), 0, "all reads have ended");
    let mut writes = Vec::new();
    // One after the other, because a bound may leave room for one only.
    let mut until_ms = FAULTY_MS + HEALING_MS;
    for id in world.ids() {
        let put = PutRequest { key: format!("last/{id}").into(), ..PutRequest::default() };
        writes.push(world.write(id, Command::Put(put), Expectation::Other));
        world.read(id, None);
        until_ms += SETTLING_MS;
        world.run_until(until_ms);
    }
    for sequence in writes {
        assert_eq!(world.oracle.end_of(sequence), Some(End::Answered), "a healed cluster answers writes");
    }
    assert_eq!(world.open_reads(), 0, "a healed cluster answers reads");
    for id in world.ids() {
        let status = world.status(id).expect("all are up");
        assert_eq!(status.applied, world.oracle.applied(), "{id} has applied all that is committed");
        assert_eq!(status.pending_requests, 0, "{id} forgets what has ended");
        let view = world.member(id).up().view.clone();
        assert_eq!(view.applied().0, status.applied);
        world.check_counters(&view);
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.steps += other.steps;
        self.answers += other.answers;
        self.failures += other.failures;
        self.reads += other.reads;
        self.elections += other.elections;
        self.crashes += other.crashes;
        self.snapshots += other.snapshots;
        self.resets += other.resets;
        self.checkpoints += other.checkpoints;
        self.expired_leases += other.expired_leases;
    }
}

#[test]
fn nodes_keep_their_promises_under_faults_and_make_progress_once_healed() {
    if let Ok(seed) = std::env::var("NODE_SEED") {
        let (counts, _) = run(seed.parse().expect("NODE_SEED is a number"));
        eprintln!("{counts:?}");
        return;
    }
    let seeds =
        std::env::var("NODE_SEEDS").map_or(DEFAULT_SEEDS, |n| n.parse().expect("NODE_SEEDS is a number"));
    let mut total = Counts::default();
    for seed in 0..seeds {
        total += run(seed).0;
    }
    eprintln!("{seeds} seeds: {total:?}");
    // A world that is too kind, or one in which nothing works, would prove nothing.
    assert!(total.answers > 20 * seeds && total.reads > 10 * seeds, "clients are served under faults");
    assert!(total.elections > seeds && total.crashes > seeds, "leaders change and members crash");
    assert!(total.snapshots > seeds / 4 && total.resets > seeds / 100, "snapshots are installed");
    assert!(
        total.checkpoints > seeds / 2 && total.expired_leases > seeds / 4,
        "replicas compare, leases end"
    );
}

#[test]
fn one_seed_gives_one_run() {
    for seed in 0..5 {
        assert_eq!(run(seed).1, run(seed).1);
    }
}
