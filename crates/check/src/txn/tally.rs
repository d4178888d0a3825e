//! The anomalies found so far.
//!
//! **Idea.** A broken database shows the same anomaly a thousand times. A few of each name are told, the rest is counted.

use crate::history::OpId;
use crate::level::Level;
use crate::verdict::{Finding, Refutation, Violation};
use std::collections::BTreeMap;

/// Findings told of each name.
pub const MAX_FINDINGS_PER_NAME: u64 = 8;

/// Collects findings.
#[derive(Debug, Default)]
pub struct Tally {
    findings: Vec<Finding>,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts one more of a name; true if it is to be told.
    pub fn count(&mut self, anomaly: &'static str) -> bool {
        let count = self.counts.entry(anomaly).or_default();
        *count += 1;
        *count <= MAX_FINDINGS_PER_NAME
    }

    /// Tells what the operations show by themselves.
    pub fn fact(&mut self, anomaly: &'static str, level: Level, ops: Vec<OpId>, reason: String) {
        self.tell(anomaly, level, ops, reason, Refutation::Fact);
    }

    /// Tells a finding that was counted.
    pub fn tell(
        &mut self,
        anomaly: &'static str,
        level: Level,
        mut ops: Vec<OpId>,
        reason: String,
        refutation: Refutation,
    ) {
        ops.sort_unstable();
        ops.dedup();
        let violation = Violation { anomaly, ops, reason, refutation };
        self.findings.push(Finding { violation, rules_out: vec![level] });
    }

    /// The findings in the order in which they were told, and how many there were of each name.
    pub fn finish(self) -> (Vec<Finding>, BTreeMap<&'static str, u64>) {
        (self.findings, self.counts)
    }
}
