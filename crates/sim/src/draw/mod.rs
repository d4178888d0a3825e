//! From a seed to a scenario.
//!
//! **Problem:** if every run suffered every fault, faults would hide one another: who is always cut off never has its disk fail at the wrong moment.
//! **Idea:** swarm testing (Groce et al., ISSTA 2012): each seed draws its own subset of fault classes and workloads, often one alone, and its own rates,
//! bounds and speeds. **Invariant:** the same seed and wishes give the same scenario; the draws of settings, of each class of faults and of operations
//! do not disturb one another, so fewer wishes leave what else is drawn as it was, as far as it can be.
//!
//! **Fault budget.** What harms a disk may end a node for good. It strikes at most a minority of fixed nodes, which the core that is healed for
//! the second phase leaves out; so the core is a quorum that has lost nothing.
//!
//! | module | what it holds |
//! |---|---|
//! | `classes` | the kinds of faults and of work |
//! | `settings` | the cluster |
//! | `faults`, `partitions`, `timing` | what fails, which links are cut, when and for how long |
//! | `operations` | what clients ask |
//! | `choice` | drawing from tables |

mod choice;
mod classes;
mod faults;
mod operations;
mod partitions;
mod settings;
mod timing;

pub use classes::{FaultClass, Workload};

use crate::scenario::{FORMAT, Fault, Link, Scenario, Shape};
use choice::{Range, banded, some, subset, weighted};
use faults::Ground;
use quorate_types::Rng;
use settings::Allowed;
use std::collections::BTreeSet;

/// How many members: three mostly, one and seven rarely.
const NODES: [(u64, u64); 4] = [(1, 1), (12, 3), (5, 5), (2, 7)];
const FAULTY_MS: [(u64, Range); 2] = [(11, (1_500, 5_000)), (1, (5_000, 15_000))];
/// Enough for the longest request (3 s), lease (3 s) and a few elections; more where elections take longer.
const HEALING_MS: u64 = 6_000;
const HEALING_ELECTIONS: u64 = 5;
const USUAL_ELECTION_MS: u64 = 300;
/// In how many runs nothing fails.
const CALM_ONE_OF: u64 = 16;
/// In how many runs there is one class of faults alone, or one workload alone.
const ALONE_ONE_OF: u64 = 4;
/// In how many runs the healed core is a bare quorum although more nodes are whole.
const BARE_CORE_ONE_OF: u64 = 5;

/// What may be drawn. By default, everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wishes {
    /// How many nodes; drawn if absent.
    pub nodes: Option<u64>,
    /// Only these faults. Those that need more nodes than there are do not occur.
    pub faults: BTreeSet<FaultClass>,
    /// Only this work. Without any, clients ask nothing.
    pub workloads: BTreeSet<Workload>,
    /// How long faults strike and clients ask; drawn if absent.
    pub faulty_ms: Option<u64>,
}

impl Default for Wishes {
    fn default() -> Self {
        Wishes {
            nodes: None,
            faults: FaultClass::ALL.into(),
            workloads: Workload::ALL.into(),
            faulty_ms: None,
        }
    }
}

/// The scenario of this seed.
///
/// # Panics
/// If no nodes or no time are wished for.
#[must_use]
pub fn draw(seed: u64, wishes: &Wishes) -> Scenario {
    assert!(wishes.nodes != Some(0), "a cluster has a node");
    assert!(wishes.faulty_ms != Some(0), "a run takes time");
    let mut rng = Rng::new(seed);
    let drawn_nodes = weighted(&mut rng, &NODES);
    let drawn_ms = banded(&mut rng, &FAULTY_MS);
    let nodes = wishes.nodes.unwrap_or(drawn_nodes);
    let faulty_ms = wishes.faulty_ms.unwrap_or(drawn_ms);
    let noise = rng.next_u64() >> 1;
    let ids: Vec<u64> = (1..=nodes).collect();

    let classes = classes_of(&mut rng.fork(), nodes, wishes);
    let workloads = workloads_of(&mut rng.fork(), wishes);
    let allowed = Allowed {
        bad_network: classes.contains(&FaultClass::Degrade),
        bad_clocks: classes.contains(&FaultClass::Clock),
    };
    let settings = settings::draw(&mut rng.fork(), nodes, allowed);
    let (given_up, core) = budget(&mut rng.fork(), &ids, &classes);
    let lease_reads_ppm = settings.lease_reads_ppm;
    let ground = Ground { ids: &ids, given_up: &given_up, lease_reads_ppm, faulty_us: 1_000 * faulty_ms };
    let faults = faults_of(&mut rng.fork(), &classes, &ground);
    let operations = operations::draw(&mut rng.fork(), nodes, 1_000 * faulty_ms, &workloads);
    let longer_ms = settings.election_max_ms.saturating_sub(USUAL_ELECTION_MS);
    Scenario {
        format: FORMAT,
        note: note(seed, &classes, &workloads),
        mistake: None,
        nodes,
        noise,
        faulty_ms,
        healing_ms: HEALING_MS + HEALING_ELECTIONS * longer_ms,
        core,
        settings,
        faults,
        operations,
    }
}

/// The links that a partition of this shape cuts between `ids`: (a, b) if `b` hears nothing of `a`. In order, never empty.
///
/// # Panics
/// If there are too few ids for the shape: two, or three for a ring or a bridge.
#[must_use]
pub fn partition_links(rng: &mut Rng, shape: Shape, ids: &[u64]) -> Vec<Link> {
    partitions::links(rng, shape, ids)
}

fn classes_of(rng: &mut Rng, nodes: u64, wishes: &Wishes) -> Vec<FaultClass> {
    let possible: Vec<FaultClass> =
        wishes.faults.iter().copied().filter(|class| nodes >= class.least_nodes()).collect();
    if rng.chance(1, CALM_ONE_OF) {
        return Vec::new();
    }
    subset(rng, &possible, ALONE_ONE_OF)
}

fn workloads_of(rng: &mut Rng, wishes: &Wishes) -> Vec<Workload> {
    let possible: Vec<Workload> = wishes.workloads.iter().copied().collect();
    subset(rng, &possible, ALONE_ONE_OF)
}

/// The nodes whose disks may be harmed, and the nodes of the core, in order.
fn budget(rng: &mut Rng, ids: &[u64], classes: &[FaultClass]) -> (Vec<u64>, Vec<u64>) {
    let quorum = ids.len() / 2 + 1;
    let minority = ids.len() - quorum;
    let mut given_up = Vec::new();
    if classes.iter().any(|class| class.harms_disks()) {
        assert!(minority > 0, "disks are harmed only where a minority is somebody");
        let count = rng.between(1, minority as u64) as usize;
        given_up = some(rng, ids, count);
    }
    let whole: Vec<u64> = ids.iter().copied().filter(|id| !given_up.contains(id)).collect();
    let count = if rng.chance(1, BARE_CORE_ONE_OF) { quorum } else { whole.len() };
    let mut core = some(rng, &whole, count);
    core.sort_unstable();
    assert!(core.len() >= quorum, "the core is a quorum");
    (given_up, core)
}

/// All faults in order of time. Every class has its own numbers, whichever others are drawn.
fn faults_of(rng: &mut Rng, classes: &[FaultClass], ground: &Ground<'_>) -> Vec<Fault> {
    let mut all = Vec::new();
    for class in FaultClass::ALL {
        let mut own = rng.fork();
        if classes.contains(&class) {
            all.extend(faults::draw(&mut own, class, ground));
        }
    }
    all.sort_by_key(|fault| fault.at_us);
    all
}

fn note(seed: u64, classes: &[FaultClass], workloads: &[Workload]) -> String {
    let listed = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let faults = listed(classes.iter().map(|class| class.name()).collect());
    let work = listed(workloads.iter().map(|workload| workload.name()).collect());
    format!("seed {seed}; faults: {faults}; workloads: {work}")
}
