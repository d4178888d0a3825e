//! No id is given twice.
//!
//! | operation | input | output |
//! |---|---|---|
//! | `generate` (`generate-id`, `next-id`) | | an id |
//!
//! Source: Jepsen's `unique-ids`.

use super::findings::{Findings, conclude, unknown_function, wrong_value};
use super::{Stop, Workload};
use crate::history::{History, OpId, Outcome, Value};
use crate::limits::Budget;
use crate::model::BadOperation;
use crate::verdict::{Cause, Report};
use rustc_hash::FxHashMap;

const KIND: Workload = Workload::UniqueIds;

pub(super) fn check(history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
    conclude(KIND, judge(history, budget))
}

fn judge(history: &History, budget: &Budget<'_>) -> Result<Report, Stop> {
    let mut findings = Findings::new(KIND);
    let _held = budget.hold(history.ops.len() as u64 * 24)?;
    let mut first: FxHashMap<&Value, OpId> = FxHashMap::default();
    let (mut given, mut duplicates) = (0u64, 0u64);
    let mut range: Option<(&Value, &Value)> = None;
    for (id, op) in history.iter() {
        budget.step(1)?;
        if !matches!(&*op.f, "generate" | "generate-id" | "next-id") {
            return Err(unknown_function(KIND, id, op, "generate").into());
        }
        if op.outcome != Outcome::Ok {
            continue;
        }
        if op.output.is_nil() {
            return Err(wrong_value(KIND, id, op, "an id as its result", &op.output).into());
        }
        given += 1;
        let (low, high) = range.unwrap_or((&op.output, &op.output));
        range = Some((low.min(&op.output), high.max(&op.output)));
        let before = *first.entry(&op.output).or_insert(id);
        if before == id {
            continue;
        }
        duplicates += 1;
        findings.violation("duplicate id", &[before, id], || {
            format!("{} was given twice: {}; {}", op.output, history.describe(before), history.describe(id))
        });
    }
    if given == 0 {
        findings.doubt(Cause::NoMethod, "no id was given");
    }
    findings.fact("attempted", &history.ops.len());
    findings.fact("given", &given);
    findings.fact("duplicates", &duplicates);
    if let Some((low, high)) = range {
        findings.fact("smallest", &low);
        findings.fact("largest", &high);
    }
    Ok(findings.report("no two results are equal"))
}
