//! Collects what a workload's check finds.

use super::{Stop, Workload};
use crate::history::{Op, OpId, Value};
use crate::level::Level;
use crate::limits::Exhausted;
use crate::model::{BadOperation, Misfit};
use crate::verdict::{Cause, Finding, Refutation, Report, Unknown, Verdict, Violation, Witness};
use std::fmt;

/// So many violations are told one by one; facts count them all.
const MAX_FINDINGS: usize = 20;

/// Violations and figures of one check.
pub(super) struct Findings {
    kind: Workload,
    findings: Vec<Finding>,
    facts: Vec<(String, String)>,
    /// Why nothing can be said, if nothing is violated.
    doubt: Option<(Cause, String)>,
}

impl Findings {
    pub fn new(kind: Workload) -> Self {
        Findings { kind, findings: Vec::new(), facts: Vec::new(), doubt: None }
    }

    /// Whether more violations would not be told.
    pub fn is_full(&self) -> bool {
        self.findings.len() >= MAX_FINDINGS
    }

    /// A violation by these operations. Told if there is room.
    pub fn violation(&mut self, anomaly: &'static str, ops: &[OpId], reason: impl FnOnce() -> String) {
        self.violation_of(anomaly, ops, &[Level::Invariant], reason);
    }

    /// As [`Findings::violation`], of something that these levels forbid too.
    pub fn violation_of(
        &mut self,
        anomaly: &'static str,
        ops: &[OpId],
        rules_out: &[Level],
        reason: impl FnOnce() -> String,
    ) {
        if self.is_full() {
            return;
        }
        let mut ops = ops.to_vec();
        ops.sort_unstable();
        ops.dedup();
        let violation = Violation { anomaly, ops, reason: reason(), refutation: Refutation::Fact };
        self.findings.push(Finding { violation, rules_out: rules_out.to_vec() });
    }

    pub fn fact(&mut self, name: &str, figure: &dyn fmt::Display) {
        self.facts.push((name.to_owned(), figure.to_string()));
    }

    /// Nothing can be said, unless something is violated. The first reason stays.
    pub fn doubt(&mut self, cause: Cause, progress: impl Into<String>) {
        self.doubt.get_or_insert_with(|| (cause, progress.into()));
    }

    /// The report. Its verdict rests on the violation of the fewest operations.
    pub fn report(self, argument: &'static str) -> Report {
        let smallest = self.findings.iter().min_by_key(|finding| finding.violation.ops.len());
        let verdict = match (smallest, self.doubt) {
            (Some(finding), _) => Verdict::Violated(Box::new(finding.violation.clone())),
            (None, Some((cause, progress))) => Verdict::Unknown(Unknown { cause, progress }),
            (None, None) => Verdict::Holds(Witness::Argument(argument)),
        };
        let levels = vec![(Level::Invariant, verdict)];
        Report { model: self.kind.name(), levels, findings: self.findings, facts: self.facts }
    }
}

/// The report of a check that ended this way.
pub(super) fn conclude(kind: Workload, result: Result<Report, Stop>) -> Result<Report, BadOperation> {
    match result {
        Ok(report) => Ok(report),
        Err(Stop::Bad(bad)) => Err(bad),
        Err(Stop::Exhausted(exhausted)) => Ok(given_up(kind, exhausted)),
    }
}

fn given_up(kind: Workload, exhausted: Exhausted) -> Report {
    let mut findings = Findings::new(kind);
    findings.doubt(Cause::Exhausted(exhausted), "");
    findings.report("")
}

/// The operation is none that the workload has.
pub(super) fn unknown_function(kind: Workload, id: OpId, op: &Op, known: &'static str) -> BadOperation {
    let misfit = Misfit::UnknownFunction { model: kind.name(), f: op.f.to_string(), known };
    BadOperation { op: id, misfit }
}

/// The operation has a value that is not as wanted.
pub(super) fn wrong_value(
    kind: Workload,
    id: OpId,
    op: &Op,
    wanted: &'static str,
    given: &Value,
) -> BadOperation {
    let (f, given) = (op.f.to_string(), given.to_string());
    BadOperation { op: id, misfit: Misfit::WrongValue { model: kind.name(), f, wanted, given } }
}
