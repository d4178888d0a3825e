//! What fails when: each class of faults draws its own list.
//!
//! **Invariant:** what may end a node for good strikes only the nodes that are given up for it; never whoever leads, who may be anybody.

use super::choice::{Range, banded, either_way, one, shuffled, weighted, within};
use super::classes::FaultClass;
use super::partitions;
use super::timing::{AT_ONCE, DOWN, Habit, OPERATOR, SPELL, Strike, strikes};
use crate::scenario::{Direction, Fault, FaultKind, Shape, Target, Wiped};
use quorate_types::Rng;

/// Of ten faults that strike one node, so many strike whoever leads.
const LEADER_OF_TEN: u64 = 4;
/// Of ten partitions, and of ten cuts one way, so many are about one node, often the leader, instead of a shape.
const ISOLATED_OF_TEN: u64 = 4;

/// How links are clogged.
#[derive(Clone, Copy)]
enum Clogged {
    AnyLinks,
    OneNode,
    Swizzle,
}
const CLOGGED: [(u64, Clogged); 3] = [(1, Clogged::AnyLinks), (1, Clogged::OneNode), (1, Clogged::Swizzle)];
const SWIZZLE_STEP_US: Range = (5_000, 150_000);

/// A degraded network has each of these, or not.
const DEGRADED_LOSS_PER_MILLE: Range = (20, 600);
const DEGRADED_DUPLICATE_PER_MILLE: Range = (20, 500);
const DEGRADED_SLOW_US: Range = (1_000, 200_000);

/// Who crashes.
#[derive(Clone, Copy)]
enum Crashed {
    Somebody,
    All,
    OneAfterAnother,
}
const CRASHED: [(u64, Crashed); 3] =
    [(8, Crashed::Somebody), (1, Crashed::All), (1, Crashed::OneAfterAnother)];
/// After how many more effects a node ends: so it may end between any two.
const AFTER_EFFECTS: [(u64, Range); 2] = [(1, (0, 0)), (2, (1, 40))];
/// Of ten crashes, so many are failures of power.
const POWER_OF_TEN: u64 = 7;

const SLOW_SYNC_US: [(u64, Range); 3] =
    [(1, (1_000, 20_000)), (2, (20_000, 150_000)), (1, (150_000, 900_000))];

/// What harms a log.
#[derive(Clone, Copy)]
enum Harm {
    Flip,
    Latent,
    Misdirected,
}
const HARMS: [(u64, Harm); 3] = [(1, Harm::Flip), (1, Harm::Latent), (1, Harm::Misdirected)];
/// Places are numbers that a scenario's file can hold.
const PLACES: u64 = 1 << 32;
const WIPED: [(u64, Wiped); 3] = [(1, Wiped::All), (1, Wiped::Log), (2, Wiped::Tables)];

/// What a clock does where no read trusts it.
#[derive(Clone, Copy)]
enum Clock {
    Forth,
    Back,
    Drift,
    Strobe,
}
const CLOCKS: [(u64, Clock); 4] =
    [(2, Clock::Forth), (2, Clock::Back), (2, Clock::Drift), (1, Clock::Strobe)];
const FORTH_MS: [(u64, Range); 2] = [(3, (5, 500)), (1, (500, 5_000))];
/// All jumps of one clock together stay below what it shows at the start, see [`super::settings::JUMPING_OFFSET_MS`].
pub const BACK_MS: Range = (5, 1_500);
const STROBE_MS: Range = (5, 400);
const STROBE_EVERY_MS: Range = (5, 150);
const DRIFT_PPM: [(u64, Range); 2] = [(4, (1, 2_000)), (1, (2_000, 50_000))];

/// What the faults strike.
pub struct Ground<'a> {
    /// The nodes.
    pub ids: &'a [u64],
    /// Those that disks may be harmed of.
    pub given_up: &'a [u64],
    /// How much reads trust clocks, if they do.
    pub lease_reads_ppm: Option<u32>,
    /// How long faults may begin.
    pub faulty_us: u64,
}

/// The faults of one class, in no order.
pub fn draw(rng: &mut Rng, class: FaultClass, ground: &Ground<'_>) -> Vec<Fault> {
    if let (FaultClass::Clock, Some(ppm)) = (class, ground.lease_reads_ppm) {
        return trusted_drifts(rng, ppm, ground);
    }
    strikes(rng, habit(class), ground.faulty_us)
        .into_iter()
        .flat_map(|strike| struck(rng, class, strike, ground))
        .filter(|fault| fault.at_us < ground.faulty_us)
        .collect()
}

fn habit(class: FaultClass) -> Habit {
    match class {
        FaultClass::Crash | FaultClass::Damage | FaultClass::Wipe => DOWN,
        FaultClass::FailSync | FaultClass::FullDisk | FaultClass::Tables => OPERATOR,
        FaultClass::Transfer => AT_ONCE,
        _ => SPELL,
    }
}

/// What one strike of a class is.
fn struck(rng: &mut Rng, class: FaultClass, strike: Strike, ground: &Ground<'_>) -> Vec<Fault> {
    let kind = match class {
        FaultClass::Clog => return clogs(rng, strike, ground.ids),
        FaultClass::Crash => return crashes(rng, strike, ground.ids),
        FaultClass::Clock => return vec![clock(rng, strike, ground.ids)],
        FaultClass::Partition => partition(rng, ground.ids),
        FaultClass::OneWay => one_way(rng, ground.ids),
        FaultClass::Degrade => degrade(rng),
        FaultClass::Pause => FaultKind::Pause { target: target(rng, ground.ids) },
        FaultClass::SlowDisk => {
            FaultKind::SlowDisk { target: target(rng, ground.ids), extra_us: banded(rng, &SLOW_SYNC_US) }
        }
        FaultClass::FailSync => FaultKind::FailSync { target: target(rng, ground.ids) },
        FaultClass::FullDisk => FaultKind::FullDisk { target: target(rng, ground.ids) },
        FaultClass::Tables => FaultKind::FailTables { target: target(rng, ground.ids) },
        FaultClass::Damage => damage(rng, ground.given_up),
        FaultClass::Wipe => {
            FaultKind::Wipe { target: Target::Node(one(rng, ground.given_up)), what: weighted(rng, &WIPED) }
        }
        FaultClass::Transfer => FaultKind::Transfer { to: one(rng, ground.ids) },
    };
    vec![Fault { at_us: strike.at_us, for_us: strike.for_us, kind }]
}

fn target(rng: &mut Rng, ids: &[u64]) -> Target {
    let node = Target::Node(one(rng, ids));
    if rng.chance(LEADER_OF_TEN, 10) { Target::Leader } else { node }
}

fn partition(rng: &mut Rng, ids: &[u64]) -> FaultKind {
    if rng.chance(ISOLATED_OF_TEN, 10) {
        return FaultKind::Isolate { target: target(rng, ids), direction: Direction::Both };
    }
    let shape = partitions::shape(rng, ids.len());
    FaultKind::Cut { shape, links: partitions::links(rng, shape, ids) }
}

fn one_way(rng: &mut Rng, ids: &[u64]) -> FaultKind {
    if rng.chance(ISOLATED_OF_TEN, 10) {
        let direction = one(rng, &[Direction::In, Direction::Out]);
        return FaultKind::Isolate { target: target(rng, ids), direction };
    }
    FaultKind::Cut { shape: Shape::OneWay, links: partitions::links(rng, Shape::OneWay, ids) }
}

fn clogs(rng: &mut Rng, strike: Strike, ids: &[u64]) -> Vec<Fault> {
    let links = match weighted(rng, &CLOGGED) {
        Clogged::AnyLinks => partitions::any(rng, ids),
        Clogged::OneNode => partitions::around(one(rng, ids), ids),
        Clogged::Swizzle => return swizzle(rng, strike, ids),
    };
    vec![Fault { at_us: strike.at_us, for_us: strike.for_us, kind: FaultKind::Clog { links } }]
}

/// Nodes are clogged one after the other, and freed one after the other in another order.
fn swizzle(rng: &mut Rng, strike: Strike, ids: &[u64]) -> Vec<Fault> {
    let (clogged, freed) = partitions::swizzle(rng, ids);
    let step_us = within(rng, SWIZZLE_STEP_US);
    let all_clogged_us = strike.at_us + step_us * (clogged.len() as u64 - 1);
    let fault = |(place, node): (usize, &u64)| {
        let at_us = strike.at_us + step_us * place as u64;
        let turn = freed.iter().position(|other| other == node).expect("who is clogged is freed") as u64;
        let end_us = all_clogged_us + strike.for_us + step_us * turn;
        let kind = FaultKind::Clog { links: partitions::around(*node, ids) };
        Fault { at_us, for_us: end_us - at_us, kind }
    };
    clogged.iter().enumerate().map(fault).collect()
}

fn degrade(rng: &mut Rng) -> FaultKind {
    let which = rng.between(1, 7);
    let mut part = |bit: u64, range| if which & bit == bit { within(rng, range) } else { 0 };
    FaultKind::Degrade {
        loss_per_mille: part(1, DEGRADED_LOSS_PER_MILLE),
        duplicate_per_mille: part(2, DEGRADED_DUPLICATE_PER_MILLE),
        slow_us: part(4, DEGRADED_SLOW_US),
    }
}

fn crashes(rng: &mut Rng, strike: Strike, ids: &[u64]) -> Vec<Fault> {
    let crash = |rng: &mut Rng, target, at_us, power| {
        let after_effects = banded(rng, &AFTER_EFFECTS);
        let kind = FaultKind::Crash { target, after_effects, power };
        Fault { at_us, for_us: strike.for_us, kind }
    };
    match weighted(rng, &CRASHED) {
        Crashed::Somebody => {
            let (target, power) = (target(rng, ids), rng.chance(POWER_OF_TEN, 10));
            vec![crash(rng, target, strike.at_us, power)]
        }
        Crashed::All => ids
            .iter()
            .map(|id| Fault {
                for_us: strike.for_us + rng.below(200_000),
                ..crash(rng, Target::Node(*id), strike.at_us, true)
            })
            .collect(),
        Crashed::OneAfterAnother => {
            // Each begins about when the one before it is up again.
            let gap_us = strike.for_us + rng.below(100_000);
            let power = rng.chance(POWER_OF_TEN, 10);
            (0..)
                .zip(shuffled(rng, ids))
                .map(|(turn, id)| crash(rng, Target::Node(id), strike.at_us + turn * gap_us, power))
                .collect()
        }
    }
}

fn damage(rng: &mut Rng, given_up: &[u64]) -> FaultKind {
    let target = Target::Node(one(rng, given_up));
    let place = rng.below(PLACES);
    match weighted(rng, &HARMS) {
        Harm::Flip => FaultKind::FlipBit { target, place },
        Harm::Latent => FaultKind::LatentSectorError { target, place },
        Harm::Misdirected => FaultKind::MisdirectedWrite { target, place },
    }
}

fn clock(rng: &mut Rng, strike: Strike, ids: &[u64]) -> Fault {
    let target = target(rng, ids);
    let jump = |by_ms| Fault { at_us: strike.at_us, for_us: 0, kind: FaultKind::ClockJump { target, by_ms } };
    let spell = |kind| Fault { at_us: strike.at_us, for_us: strike.for_us, kind };
    match weighted(rng, &CLOCKS) {
        Clock::Forth => jump(banded(rng, &FORTH_MS) as i64),
        Clock::Back => jump(-(within(rng, BACK_MS) as i64)),
        Clock::Drift => {
            let size = banded(rng, &DRIFT_PPM);
            spell(FaultKind::ClockDrift { target, ppm: either_way(rng, size) })
        }
        Clock::Strobe => {
            let size = within(rng, STROBE_MS);
            let every_ms = within(rng, STROBE_EVERY_MS);
            spell(FaultKind::ClockStrobe { target, by_ms: either_way(rng, size), every_ms })
        }
    }
}

/// Where reads trust clocks, each clock changes its pace at most once, and by so little that with its pace at the start
/// ([`super::settings`]) it stays within half of what is trusted.
fn trusted_drifts(rng: &mut Rng, trusted_ppm: u32, ground: &Ground<'_>) -> Vec<Fault> {
    let ids = shuffled(rng, ground.ids);
    let strikes = strikes(rng, SPELL, ground.faulty_us);
    let drift = |(id, strike): (u64, Strike)| {
        let size = rng.between(1, u64::from(trusted_ppm) / 4);
        let kind = FaultKind::ClockDrift { target: Target::Node(id), ppm: either_way(rng, size) };
        Fault { at_us: strike.at_us, for_us: strike.for_us, kind }
    };
    ids.into_iter().zip(strikes).map(drift).collect()
}
