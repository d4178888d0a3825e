//! Each read of a counter lies between what was surely added and what may have been.
//!
//! | operation | input | output |
//! |---|---|---|
//! | `add` (`inc`, `increment`, `incr`) | by how much, perhaps negative; nil for 1 | |
//! | `sub` (`dec`, `decrement`, `decr`) | by how much less; nil for 1 | |
//! | `read` (`r`, `get`) | | the number; nil for 0 |
//!
//! What had returned before the read was called counts surely; what was called before the read returned, and did not fail, may count.
//! A read is too low if it is less than all sure additions and all possible subtractions make, and too high likewise.
//!
//! Source: Jepsen's `counter`, which has no subtractions in doubt.

use super::findings::{Findings, conclude, unknown_function, wrong_value};
use super::{Stop, Workload};
use crate::history::{History, Op, OpId, Order, Outcome, Point, Value};
use crate::limits::Budget;
use crate::model::BadOperation;
use crate::verdict::{Cause, Report};

const KIND: Workload = Workload::CounterBounds;

struct Add {
    id: OpId,
    delta: i64,
    called: Point,
    returned: Point,
}

struct Read {
    id: OpId,
    value: i64,
    called: Point,
    returned: Point,
}

/// Points, ascending, each with the sums of positive and negative deltas up to and with it.
struct Sums(Vec<(Point, i128, i128)>);

impl Sums {
    /// Of points and deltas.
    fn of(mut deltas: Vec<(Point, i64)>) -> Self {
        deltas.sort_unstable();
        let sums = deltas.into_iter().scan((0, 0), |(more, less), (at, delta)| {
            *more += i128::from(delta.max(0));
            *less += i128::from(delta.min(0));
            Some((at, *more, *less))
        });
        Sums(sums.collect())
    }

    /// What was positive and what was negative before a point.
    fn before(&self, at: Point) -> (i128, i128) {
        let count = self.0.partition_point(|(point, ..)| *point < at);
        count.checked_sub(1).map_or((0, 0), |last| (self.0[last].1, self.0[last].2))
    }
}

pub(super) fn check(history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
    conclude(KIND, judge(history, budget))
}

fn judge(history: &History, budget: &Budget<'_>) -> Result<Report, Stop> {
    let mut findings = Findings::new(KIND);
    let _held = budget.hold(history.ops.len() as u64 * 100)?;
    let (adds, reads) = parse(history, budget)?;
    findings.fact("additions", &adds.len());
    findings.fact("reads", &reads.len());
    if reads.is_empty() {
        findings.doubt(Cause::NoMethod, "no read succeeded");
    }
    if history.order == Order::Sessions {
        findings.doubt(Cause::NoRealTime, "");
        return Ok(findings.report(""));
    }
    let called = Sums::of(adds.iter().map(|add| (add.called, add.delta)).collect());
    let done = adds.iter().filter(|add| add.returned != Point::NEVER);
    let done = Sums::of(done.map(|add| (add.returned, add.delta)).collect());
    let mut by_size: Vec<&Add> = adds.iter().collect();
    by_size.sort_by_key(|add| std::cmp::Reverse(add.delta.unsigned_abs()));

    let (mut wrong, mut widest) = (0u64, 0);
    for read in &reads {
        budget.step(1)?;
        let (surely_more, surely_less) = done.before(read.called);
        let (maybe_more, maybe_less) = called.before(read.returned);
        let (low, high) = (surely_more + maybe_less, maybe_more + surely_less);
        widest = widest.max(high - low);
        let value = i128::from(read.value);
        if (low..=high).contains(&value) {
            continue;
        }
        wrong += 1;
        if findings.is_full() {
            continue;
        }
        budget.step(adds.len() as u64)?;
        let is_low = value < low;
        let missing = if is_low { low - surely_more - value } else { value - maybe_more };
        let ops = evidence(&by_size, read, is_low, missing);
        let anomaly = if is_low { "read too low" } else { "read too high" };
        findings.violation(anomaly, &ops, || {
            let bound = if is_low { "at least" } else { "at most" };
            let (least_or_most, read) = (if is_low { low } else { high }, history.describe(read.id));
            format!("the counter must have been {bound} {least_or_most}, in [{low}, {high}], but {read}")
        });
    }
    findings.fact("reads out of bounds", &wrong);
    findings.fact("widest bounds", &widest);
    Ok(findings.report("each read lies within its bounds"))
}

/// The read, and the largest sure additions (if it is too low) or subtractions that put it out of bounds: more than `-missing` of
/// the former, or less than `missing` with the latter.
fn evidence(by_size: &[&Add], read: &Read, is_low: bool, missing: i128) -> Vec<OpId> {
    let mut ops = vec![read.id];
    let mut sum = 0;
    // Too low: sum + what is negative > value. Too high: value > sum + what is positive.
    let enough = |sum: i128| if is_low { sum + missing > 0 } else { sum < missing };
    for add in by_size {
        if enough(sum) {
            break;
        }
        if add.returned < read.called && (add.delta > 0) == is_low {
            sum += i128::from(add.delta);
            ops.push(add.id);
        }
    }
    ops
}

fn parse(history: &History, budget: &Budget<'_>) -> Result<(Vec<Add>, Vec<Read>), Stop> {
    let (mut adds, mut reads) = (Vec::new(), Vec::new());
    for (id, op) in history.iter() {
        budget.step(1)?;
        let (called, returned) = (op.call, op.ret);
        match &*op.f {
            "read" | "r" | "get" if op.outcome == Outcome::Ok => {
                let value = match op.output {
                    Value::Nil => 0,
                    _ => number(id, op, &op.output)?,
                };
                reads.push(Read { id, value, called, returned });
            }
            "read" | "r" | "get" => {}
            "add" | "inc" | "increment" | "incr" | "sub" | "dec" | "decrement" | "decr" => {
                let size = if op.input.is_nil() { 1 } else { number(id, op, &op.input)? };
                let is_less = matches!(&*op.f, "sub" | "dec" | "decrement" | "decr");
                let delta = if is_less { size.wrapping_neg() } else { size };
                if op.outcome != Outcome::Fail {
                    adds.push(Add { id, delta, called, returned });
                }
            }
            _ => return Err(unknown_function(KIND, id, op, "add, sub and read").into()),
        }
    }
    Ok((adds, reads))
}

fn number(id: OpId, op: &Op, value: &Value) -> Result<i64, BadOperation> {
    value.as_int().ok_or_else(|| wrong_value(KIND, id, op, "a number", value))
}
