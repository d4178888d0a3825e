//! A counter to which is added and that is read.
//!
//! **Decides.** [`Level::Invariant`]: each read lies between what must and what can have been added by then. Additions acknowledged before
//! the read's call count; those that were open at some moment between its call and its return, and those of unknown outcome that were called
//! before its return, may count or not; those that failed do not. [`Level::Linearizable`]: violated if a read lies outside; else not
//! decided, because a read within the bounds may still be no sum, or contradict another read.
//!
//! **Bound.** [`OPEN_BYTES`] for each open operation; as much for each read whose answer depends on additions that were open when it
//! returned, and each of these.
//!
//! Source: Jepsen's counter checker. It drops failed additions beforehand; here a read waits for them.

use super::steps::{Called, Ended, Step};
use super::{Check, Stop, fact, progress, violated};
use crate::history::{OpId, Order, Outcome, Value};
use crate::level::Level;
use crate::limits::{Budget, Held};
use crate::verdict::{Cause, Report, Unknown, Verdict, Violation, Witness};
use std::collections::BTreeMap;

const KNOWN: &str = "add (of a number), increment, decrement and read";
/// Bytes that an open operation takes, about.
pub const OPEN_BYTES: u64 = 64;

/// The negative and the positive part of a sum of additions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Range {
    low: i128,
    high: i128,
}

impl Range {
    fn with(self, delta: i128) -> Range {
        Range { low: self.low + delta.min(0), high: self.high + delta.max(0) }
    }

    fn without(self, delta: i128) -> Range {
        self.with_range(Range { low: -delta.min(0), high: -delta.max(0) })
    }

    fn with_range(self, other: Range) -> Range {
        Range { low: self.low + other.low, high: self.high + other.high }
    }

    fn minus(self, other: Range) -> Range {
        Range { low: self.low - other.low, high: self.high - other.high }
    }

    fn contains(self, value: i128) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The check of one counter. See the module.
pub struct CounterCheck<'b, 'a> {
    /// The sum of what was acknowledged.
    sum: i128,
    /// Of additions that are open or of unknown outcome.
    possible: Range,
    /// Of all additions that were called, and of all that failed.
    called: Range,
    failed: Range,
    /// Open additions.
    additions: BTreeMap<OpId, i128>,
    /// Open reads: what was possible when they were called, and the totals then.
    reads: BTreeMap<OpId, Window>,
    /// Reads that returned, and lie within their bounds only if some open additions count.
    waiting: Vec<Waiting>,
    held: Held<'b, 'a>,
    op_count: u64,
    read_count: u64,
    violation: Option<Violation>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    bounds: Range,
    called: Range,
    failed: Range,
}

#[derive(Debug)]
struct Waiting {
    read: OpId,
    line: u32,
    value: i128,
    /// Without the additions that are still open.
    sure: Range,
    open: Vec<OpId>,
}

impl<'b, 'a> CounterCheck<'b, 'a> {
    /// At zero.
    ///
    /// # Errors
    /// If nothing may be held.
    pub fn new(budget: &'b Budget<'a>) -> Result<Self, Stop> {
        Ok(CounterCheck {
            sum: 0,
            possible: Range::default(),
            called: Range::default(),
            failed: Range::default(),
            additions: BTreeMap::new(),
            reads: BTreeMap::new(),
            waiting: Vec::new(),
            held: budget.hold(0)?,
            op_count: 0,
            read_count: 0,
            violation: None,
        })
    }

    fn call(&mut self, called: &Called) -> Result<(), Stop> {
        self.op_count += 1;
        self.held.grow(OPEN_BYTES)?;
        if &*called.f == "read" {
            let bounds = Range { low: self.sum, high: self.sum }.with_range(self.possible);
            let window = Window { bounds, called: self.called, failed: self.failed };
            self.reads.insert(called.id, window);
            return Ok(());
        }
        let delta = delta(called)?;
        self.additions.insert(called.id, delta);
        self.possible = self.possible.with(delta);
        self.called = self.called.with(delta);
        Ok(())
    }

    fn end_addition(&mut self, id: OpId, outcome: Outcome) {
        let Some(delta) = self.additions.remove(&id) else { return };
        self.held.shrink(OPEN_BYTES);
        match outcome {
            Outcome::Ok => {
                self.sum += delta;
                self.possible = self.possible.without(delta);
            }
            Outcome::Fail => {
                self.failed = self.failed.with(delta);
                self.possible = self.possible.without(delta);
            }
            Outcome::Info => {}
        }
        let (mut decided, mut freed) = (Vec::new(), 0);
        self.waiting.retain_mut(|waiting| {
            let Some(at) = waiting.open.iter().position(|open| *open == id) else { return true };
            waiting.open.swap_remove(at);
            freed += OPEN_BYTES;
            if outcome != Outcome::Fail {
                waiting.sure = waiting.sure.with(delta);
            }
            let is_fine = waiting.sure.contains(waiting.value);
            if is_fine || waiting.open.is_empty() {
                freed += OPEN_BYTES * (1 + waiting.open.len() as u64);
                decided.extend((!is_fine).then_some((
                    waiting.read,
                    waiting.line,
                    waiting.value,
                    waiting.sure,
                )));
                return false;
            }
            true
        });
        self.held.shrink(freed);
        decided.into_iter().for_each(|(read, line, value, bounds)| self.outside(read, line, value, bounds));
    }

    fn end_read(&mut self, ended: &Ended<'_>) -> Result<(), Stop> {
        let called = ended.called;
        let Some(window) = self.reads.remove(&called.id) else { return Ok(()) };
        self.held.shrink(OPEN_BYTES);
        if ended.outcome != Outcome::Ok {
            return Ok(());
        }
        let value = match ended.output {
            // A counter that was never added to may not exist.
            Value::Nil => 0,
            output => i128::from(output.as_int().ok_or_else(|| Stop::unfit(called, output, KNOWN))?),
        };
        self.read_count += 1;
        let since = self.called.minus(window.called).minus(self.failed.minus(window.failed));
        let widest = window.bounds.with_range(since);
        let sure = self.additions.values().fold(widest, |range, delta| range.without(*delta));
        if sure.contains(value) {
            return Ok(());
        }
        if !widest.contains(value) {
            self.outside(called.id, called.line, value, widest);
            return Ok(());
        }
        let open: Vec<OpId> = self.additions.keys().copied().collect();
        self.held.grow(OPEN_BYTES * (1 + open.len() as u64))?;
        self.waiting.push(Waiting { read: called.id, line: called.line, value, sure, open });
        Ok(())
    }

    fn outside(&mut self, read: OpId, line: u32, value: i128, Range { low, high }: Range) {
        if self.violation.is_none() {
            let reason = format!(
                "the read on line {line} gives {value}, and the counter was between {low} and {high}"
            );
            self.violation = Some(fact("counter out of bounds", vec![read], reason));
        }
    }
}

fn delta(called: &Called) -> Result<i128, Stop> {
    let number = match &called.input {
        Value::Nil => None,
        input => Some(i128::from(input.as_int().ok_or_else(|| Stop::unfit(called, input, KNOWN))?)),
    };
    match (&*called.f, number) {
        ("add", Some(number)) => Ok(number),
        ("increment" | "inc", number) => Ok(number.unwrap_or(1)),
        ("decrement" | "dec", number) => Ok(-number.unwrap_or(1)),
        _ => Err(Stop::unfit(called, &called.input, KNOWN)),
    }
}

impl Check for CounterCheck<'_, '_> {
    fn step(&mut self, step: &Step<'_>) -> Result<(), Stop> {
        match step {
            Step::Call(_, Order::Sessions) => Err(Stop::NoRealTime),
            Step::Call(called, Order::RealTime) => self.call(called),
            Step::End(ended) if &*ended.called.f == "read" => self.end_read(ended),
            Step::End(ended) => {
                self.end_addition(ended.called.id, ended.outcome);
                Ok(())
            }
        }
    }

    fn finish(mut self, stopped: Option<&Stop>) -> Report {
        if stopped.is_none() {
            // What never returned may have happened.
            let open: Vec<OpId> = self.additions.keys().copied().collect();
            open.into_iter().for_each(|id| self.end_addition(id, Outcome::Info));
        }
        let mut findings = Vec::new();
        let mut judge = |level, otherwise: Verdict| match self.violation.clone() {
            Some(violation) => {
                let (verdict, finding) = violated(level, violation);
                findings.push(finding);
                (level, verdict)
            }
            None => (level, stopped.map_or(otherwise, |stop| stop.verdict(progress(self.op_count)))),
        };
        let undecided = "bounds alone do not decide it";
        let undecided = Verdict::Unknown(Unknown { cause: Cause::NoMethod, progress: undecided.to_owned() });
        let argument = "each read lies between what must and what can have been added";
        let levels = vec![
            judge(Level::Linearizable, undecided),
            judge(Level::Invariant, Verdict::Holds(Witness::Argument(argument))),
        ];
        let facts = vec![
            ("reads".to_owned(), self.read_count.to_string()),
            ("acknowledged sum".to_owned(), self.sum.to_string()),
        ];
        Report { model: "counter", levels, findings, facts }
    }
}
