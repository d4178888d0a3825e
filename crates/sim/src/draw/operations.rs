//! What clients ask: bursts and lulls, few keys, values that are written once.
//!
//! **Idea:** each workload is a table of steps; a step is a call, or the beginning of a session (a lease with its renewals, a lock with its
//! return) whose later calls are put where they belong. **Invariant:** values, elements and leases are never used twice.

use super::choice::{Range, banded, some, weighted, within};
use super::classes::Workload;
use crate::scenario::{Call, Operation};
use quorate_types::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What a client does next.
#[derive(Clone, Copy)]
enum Step {
    Get,
    GetLocal,
    Put,
    CompareAndSet,
    Transact,
    Increment,
    Delete,
    LeaseSession,
    StrayRenew,
    StrayRevoke,
    LockSession,
    Watch,
    WatchProgress,
    Compact,
}

const OPERATIONS: Range = (60, 300);
const CLIENTS: Range = (2, 8);
/// How often a workload's turn comes against the others'.
const SHARE: Range = (1, 4);

/// How busy a spell is against the others, and how long it is.
const BUSY: [(u64, u64); 4] = [(2, 0), (3, 1), (2, 4), (2, 20)];
const SPELL_US: Range = (20_000, 500_000);

/// How likely a client moves to another node before a call: so many of a thousand.
const MOVES_PER_MILLE: [(u64, u64); 4] = [(2, 0), (2, 10), (2, 80), (1, 500)];

const REGISTERS: Range = (2, 5);
const LISTS: Range = (2, 4);
const COUNTERS: u64 = 2;
const LOCKS: u64 = 2;
/// The first key is asked for most, the others in proportion to one over their number (Zipf).
const ZIPF: [(u64, u64); 5] = [(60, 1), (30, 2), (20, 3), (15, 4), (12, 5)];

/// A condition names one of so many newest values, or, one time in so many, nothing.
const REMEMBERED: usize = 3;
const FROM_NOTHING_ONE_OF: u64 = 8;

const READS: Range = (0, 3);
const APPENDS: [(u64, u64); 3] = [(2, 0), (4, 1), (2, 2)];
const TTL_S: Range = (1, 3);
const RENEWALS: [(u64, Range); 3] = [(1, (0, 0)), (3, (1, 3)), (1, (4, 9))];
/// Renewals come after so many per mille of a lease's time; more than all of it is too late.
const RENEW_AFTER_PER_MILLE: [(u64, Range); 2] = [(8, (200, 800)), (1, (900, 1_100))];
/// How sessions end: by their client's call, or because nobody renews.
const REVOKED_OF_TEN: u64 = 4;
const UNLOCKED_OF_TEN: u64 = 8;
const HELD_US: [(u64, Range); 2] = [(3, (1_000, 300_000)), (1, (300_000, 2_500_000))];
const WATCH_BACK: [(u64, Range); 3] = [(3, (0, 0)), (3, (1, 10)), (2, (10, 200))];
const COMPACT_KEEP: [(u64, Range); 3] = [(1, (0, 0)), (2, (1, 10)), (2, (10, 50))];

fn steps(workload: Workload) -> &'static [(u64, Step)] {
    match workload {
        Workload::Register => &[(4, Step::Get), (1, Step::GetLocal), (4, Step::Put)],
        Workload::CompareAndSet => &[(5, Step::CompareAndSet), (3, Step::Get), (1, Step::Put)],
        Workload::Transactions => &[(1, Step::Transact)],
        Workload::Counters => &[(1, Step::Increment)],
        Workload::Leases => &[(6, Step::LeaseSession), (2, Step::StrayRenew), (1, Step::StrayRevoke)],
        Workload::Locks => &[(1, Step::LockSession)],
        Workload::Watches => &[(2, Step::Watch), (2, Step::WatchProgress), (5, Step::Put)],
        Workload::Compaction => &[(1, Step::Compact), (5, Step::Put), (1, Step::GetLocal)],
        Workload::Deletes => &[(2, Step::Delete), (4, Step::Put), (3, Step::Get)],
    }
}

/// How many calls a step of a workload is, about.
fn calls_per_step(workload: Workload) -> u64 {
    match workload {
        Workload::Leases => 3,
        Workload::Locks => 2,
        _ => 1,
    }
}

/// What is asked of so many nodes within `faulty_us`, in order of time; nothing if there are no workloads.
pub fn draw(rng: &mut Rng, nodes: u64, faulty_us: u64, workloads: &[Workload]) -> Vec<Operation> {
    if workloads.is_empty() {
        return Vec::new();
    }
    let shares: Vec<(u64, Workload)> =
        workloads.iter().map(|workload| (within(rng, SHARE), *workload)).collect();
    // A step of one workload is several calls, so there are fewer steps.
    let share: u64 = shares.iter().map(|(share, _)| share).sum();
    let calls: u64 = shares.iter().map(|(share, workload)| share * calls_per_step(*workload)).sum();
    let count = (within(rng, OPERATIONS) * share).div_ceil(calls);
    let moments = moments(&mut rng.fork(), count, faulty_us);
    let mut script = Script::new(rng, faulty_us);
    for at_us in moments {
        let workload = weighted(rng, &shares);
        let step = weighted(rng, steps(workload));
        script.take(rng, at_us, step);
    }
    script.calls.sort_by_key(|(at_us, ..)| *at_us);
    on_nodes(rng, script.calls, nodes)
}

/// Moments in bursts and lulls, in order.
fn moments(rng: &mut Rng, count: u64, faulty_us: u64) -> Vec<u64> {
    let mut spells = Vec::new();
    let mut start_us = 0;
    while start_us < faulty_us {
        let len_us = within(rng, SPELL_US).min(faulty_us - start_us);
        // Even in a lull somebody may come.
        let weight = 1 + len_us * weighted(rng, &BUSY);
        spells.push((weight, (start_us, start_us + len_us - 1)));
        start_us += len_us;
    }
    let mut moments: Vec<u64> = (0..count).map(|_| banded(rng, &spells)).collect();
    moments.sort_unstable();
    moments
}

/// Clients stay at their node, mostly.
fn on_nodes(rng: &mut Rng, calls: Vec<(u64, u64, Call)>, nodes: u64) -> Vec<Operation> {
    let moves_per_mille = weighted(rng, &MOVES_PER_MILLE);
    let mut homes: BTreeMap<u64, u64> = BTreeMap::new();
    let operation = |(at_us, client, call)| {
        let home = homes.entry(client).or_insert_with(|| rng.between(1, nodes));
        if rng.chance(moves_per_mille, 1_000) {
            *home = rng.between(1, nodes);
        }
        Operation { at_us, client, node: *home, call }
    };
    calls.into_iter().map(operation).collect()
}

/// The calls so far, (when, who, what), and what later ones must know of them.
struct Script {
    calls: Vec<(u64, u64, Call)>,
    clients: u64,
    faulty_us: u64,
    registers: u64,
    lists: Vec<u64>,
    values: u64,
    elements: u64,
    leases: u64,
    /// What was lately written to a register.
    written: BTreeMap<u64, Vec<u64>>,
    /// Leases that were granted, and not for a lock.
    granted: Vec<u64>,
    watching: BTreeSet<u64>,
}

impl Script {
    fn new(rng: &mut Rng, faulty_us: u64) -> Script {
        Script {
            calls: Vec::new(),
            clients: within(rng, CLIENTS),
            faulty_us,
            registers: within(rng, REGISTERS),
            lists: (1..=within(rng, LISTS)).collect(),
            values: 0,
            elements: 0,
            leases: 0,
            written: BTreeMap::new(),
            granted: Vec::new(),
            watching: BTreeSet::new(),
        }
    }

    fn take(&mut self, rng: &mut Rng, at_us: u64, step: Step) {
        let client = rng.between(1, self.clients);
        let key = weighted(rng, &ZIPF[..self.registers as usize]);
        let call = match step {
            Step::LeaseSession => return self.lease_session(rng, at_us, client),
            Step::LockSession => return self.lock_session(rng, at_us, client),
            Step::Get => Call::Get { key },
            Step::GetLocal => Call::GetLocal { key },
            Step::Put => Call::Put { key, value: self.value_for(key) },
            Step::CompareAndSet => {
                let from = self.expected(rng, key);
                Call::CompareAndSet { key, from, to: self.value_for(key) }
            }
            Step::Transact => self.transact(rng),
            Step::Increment => Call::Increment { counter: rng.between(1, COUNTERS) },
            Step::Delete => self.delete(rng, key),
            Step::StrayRenew | Step::StrayRevoke if self.granted.is_empty() => {
                return self.lease_session(rng, at_us, client);
            }
            Step::StrayRenew => Call::Renew { lease: self.some_lease(rng) },
            Step::StrayRevoke => Call::Revoke { lease: self.some_lease(rng) },
            Step::WatchProgress if self.watching.contains(&client) => Call::WatchProgress,
            Step::Watch | Step::WatchProgress => {
                self.watching.insert(client);
                Call::Watch { back: banded(rng, &WATCH_BACK) }
            }
            Step::Compact => Call::Compact { keep: banded(rng, &COMPACT_KEEP) },
        };
        self.calls.push((at_us, client, call));
    }

    fn value_for(&mut self, key: u64) -> u64 {
        self.values += 1;
        let written = self.written.entry(key).or_default();
        written.push(self.values);
        if written.len() > REMEMBERED {
            written.remove(0);
        }
        self.values
    }

    /// What a client may think that a register holds.
    fn expected(&self, rng: &mut Rng, key: u64) -> u64 {
        match self.written.get(&key) {
            Some(written) if !rng.chance(1, FROM_NOTHING_ONE_OF) => {
                // The newest half of the time.
                let newest = written.len() - 1;
                let back = rng.below(2 * written.len() as u64) as usize;
                written[newest.saturating_sub(back.saturating_sub(newest))]
            }
            _ => 0,
        }
    }

    fn transact(&mut self, rng: &mut Rng) -> Call {
        let reads = within(rng, READS) as usize;
        let appends = weighted(rng, &APPENDS) as usize;
        let mut reads = some(rng, &self.lists, reads);
        let appends = some(rng, &self.lists, appends);
        if reads.is_empty() && appends.is_empty() {
            reads = self.lists.clone();
        }
        let first = self.elements + 1;
        self.elements += appends.len() as u64;
        Call::Transact { reads, appends: appends.into_iter().zip(first..).collect() }
    }

    fn delete(&self, rng: &mut Rng, key: u64) -> Call {
        let end = if rng.chance(2, 3) { key + 1 } else { rng.between(key + 1, self.registers + 1) };
        Call::Delete { key, end }
    }

    fn new_lease(&mut self) -> u64 {
        self.leases += 1;
        self.leases
    }

    fn some_lease(&self, rng: &mut Rng) -> u64 {
        // The newest half: older ones have mostly ended, and that is met as well.
        let low = if rng.chance(3, 4) { self.granted.len() / 2 } else { 0 };
        self.granted[rng.between(low as u64, self.granted.len() as u64 - 1) as usize]
    }

    /// A lease that is renewed for a while, and then revoked or left to run out.
    fn lease_session(&mut self, rng: &mut Rng, at_us: u64, client: u64) {
        let (lease, ttl_s) = (self.new_lease(), within(rng, TTL_S));
        self.granted.push(lease);
        self.calls.push((at_us, client, Call::Grant { lease, ttl_s }));
        let mut at_us = at_us;
        for _ in 0..banded(rng, &RENEWALS) {
            at_us += 1_000 * ttl_s * banded(rng, &RENEW_AFTER_PER_MILLE);
            self.later(at_us, client, Call::Renew { lease });
        }
        if rng.chance(REVOKED_OF_TEN, 10) {
            at_us += rng.below(1_000_000 * ttl_s);
            self.later(at_us, client, Call::Revoke { lease });
        }
    }

    /// A lock that is given back, or whose lease runs out.
    fn lock_session(&mut self, rng: &mut Rng, at_us: u64, client: u64) {
        let lock = rng.between(1, LOCKS);
        let (lease, ttl_s) = (self.new_lease(), within(rng, TTL_S));
        self.calls.push((at_us, client, Call::Lock { lock, lease, ttl_s }));
        let held_us = banded(rng, &HELD_US);
        if rng.chance(UNLOCKED_OF_TEN, 10) {
            self.later(at_us + held_us, client, Call::Unlock { lock });
        }
    }

    /// A call of a session, if there is still time for it.
    fn later(&mut self, at_us: u64, client: u64, call: Call) {
        if at_us < self.faulty_us {
            self.calls.push((at_us, client, call));
        }
    }
}
