//! What came of a run.

use crate::trace::Trace;
use crate::violation::Violation;
use quorate_check::history::History;
use quorate_types::Time;
use std::collections::BTreeMap;

/// What came of a run.
pub struct Outcome {
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// Why nothing can be said although nothing was found broken: the history could not be judged within its budget.
    pub inconclusive: Option<String>,
    /// What was met.
    pub counts: Counts,
    /// How often each mark was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// What happened.
    pub trace: Trace,
    /// What clients saw; empty if the run was cut short by a violation.
    pub histories: Vec<History>,
}

/// What a run, or a campaign, has met.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Steps of nodes and machines.
    pub steps: u64,
    /// Messages sent.
    pub messages: u64,
    /// Messages lost.
    pub lost_messages: u64,
    /// Simulated time.
    pub simulated_ns: u64,
    /// Faults that struck, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Clients' calls that were done.
    pub done: u64,
    /// That failed for sure.
    pub failed: u64,
    /// That may have been done.
    pub unknown: u64,
    /// Elections won.
    pub elections: u64,
    /// Snapshots installed.
    pub snapshots: u64,
    /// Starts of nodes, the first ones too.
    pub starts: u64,
    /// Starts that a node refused because its disk was harmed.
    pub refused_starts: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.messages += other.messages;
        self.lost_messages += other.lost_messages;
        self.simulated_ns += other.simulated_ns;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.done += other.done;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.elections += other.elections;
        self.snapshots += other.snapshots;
        self.starts += other.starts;
        self.refused_starts += other.refused_starts;
    }

    /// All faults together.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Simulated time as a moment, for printing.
    #[must_use]
    pub fn simulated(&self) -> Time {
        Time(self.simulated_ns)
    }
}
