//! One run, as data: what the cluster is like, what fails when, and what clients ask when.
//!
//! A seed decides a scenario ([`draw`](crate::draw)), and a scenario decides a run to the last byte. Because faults and operations are lists, a run that
//! fails can be made smaller by leaving some of them out; because small decisions (how long this message takes) depend on `noise` and
//! on what they are about, and not on how many decisions came before, what is left goes on much as it did.

mod check;
mod cluster;
mod fault;
pub mod file;
mod operation;
mod plain;
mod settings;

pub use check::{Flaw, MAX_NODES, Place, Wrong};
pub use fault::{Direction, Fault, FaultKind, Link, Shape, Target, Wiped};
pub use file::BadScenario;
pub use operation::{Call, Operation};
pub use settings::{Bounds, ClockSettings, DiskSettings, NetworkSettings, Settings};

use serde::{Deserialize, Serialize};

/// The format that this build writes.
pub const FORMAT: u32 = 1;

/// See the module. All times are simulated, from the run's start.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// [`FORMAT`].
    pub format: u32,
    /// Where it comes from, for people.
    #[serde(default)]
    pub note: String,
    /// The mistake that is planted, by name; only a build with mistakes can run such a scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistake: Option<String>,
    /// How many voters: ids 1 to `nodes`.
    pub nodes: u64,
    /// Decides delays, losses and other small things. Below 2^63.
    pub noise: u64,
    /// How long faults may strike and clients ask: phase one, safety.
    pub faulty_ms: u64,
    /// How long the healed core then has to answer everything: phase two, liveness.
    pub healing_ms: u64,
    /// The nodes that are healed for phase two, at least a quorum; the others stay as broken as they are.
    pub core: Vec<u64>,
    /// What the cluster is like.
    #[serde(default)]
    pub settings: Settings,
    /// What fails, in order of time.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What clients ask, in order of time.
    #[serde(default)]
    pub operations: Vec<Operation>,
}
