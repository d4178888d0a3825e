//! What goes into a queue comes out of it.
//!
//! | operation | input | output |
//! |---|---|---|
//! | `enqueue` (`enq`, `add`, `push`) | a value | |
//! | `dequeue` (`deq`, `poll`, `pop`) | | the value; nil if the queue was empty |
//! | `drain` | | a list of values: it dequeued until the queue was empty |
//!
//! The order in which values come out does not matter, and that one comes out twice is counted, not held against the queue. A value
//! that nobody put in is **unexpected**. One that was surely put in and never came out is **lost** if the queue was found empty later.
//!
//! Source: Jepsen's `total-queue`. It takes every value that did not come out for lost; here, if nobody found the queue empty afterwards,
//! or a dequeue in doubt may have taken it, nothing can be said. It also expects values whose enqueue failed.

use super::findings::{Findings, conclude, unknown_function, wrong_value};
use super::{Stop, Workload};
use crate::history::{History, Op, OpId, Outcome, Value};
use crate::limits::Budget;
use crate::model::BadOperation;
use crate::verdict::{Cause, Report};
use rustc_hash::FxHashMap;

const KIND: Workload = Workload::TotalQueue;

/// Everything that is known of one value.
#[derive(Default)]
struct Traced<'a> {
    value: Option<&'a Value>,
    /// Enqueues that succeeded.
    put: Vec<OpId>,
    /// Enqueues that may have happened, beside those.
    perhaps_put: u64,
    failed: Option<OpId>,
    /// What took it out; as often as it did.
    taken: Vec<OpId>,
}

struct Parsed<'a> {
    /// In the order of first mention.
    values: Vec<Traced<'a>>,
    /// The last operation to find the queue empty.
    last_empty: Option<OpId>,
    /// Dequeues that may have taken something; `None` if there is no bound.
    in_doubt: Option<u64>,
    attempts: u64,
}

pub(super) fn check(history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
    conclude(KIND, judge(history, budget))
}

fn judge(history: &History, budget: &Budget<'_>) -> Result<Report, Stop> {
    let mut findings = Findings::new(KIND);
    let _held = budget.hold(history.ops.len() as u64 * 120)?;
    let parsed = parse(history, budget)?;
    let (mut duplicated, mut recovered, mut unexpected, mut left) = (0, 0, 0, 0u64);
    let (mut acknowledged, mut taken) = (0, 0);
    let (mut missing, mut lost) = (0, Vec::new());
    for value in &parsed.values {
        budget.step(1)?;
        let (put, out) = (value.put.len() as u64, value.taken.len() as u64);
        (acknowledged, taken) = (acknowledged + put, taken + out);
        if put + value.perhaps_put == 0 {
            unexpected += out;
            tell_unexpected(history, value, &mut findings);
            continue;
        }
        duplicated += out.saturating_sub(put + value.perhaps_put);
        recovered += out.min(put + value.perhaps_put).saturating_sub(put);
        // Those that came out may all have been put in before the queue was empty.
        let before = |empty| value.put.iter().copied().filter(move |id| history.precedes(*id, empty));
        let before: Vec<OpId> = parsed.last_empty.into_iter().flat_map(before).collect();
        let surely = (before.len() as u64).saturating_sub(out);
        left += put.saturating_sub(out) - surely;
        if surely > 0 {
            missing += surely;
            lost.push((surely, before));
        }
    }
    match (parsed.last_empty, parsed.in_doubt) {
        (Some(empty), Some(in_doubt)) if missing > in_doubt => {
            let (mut count, mut ops) = (0, Vec::new());
            for (surely, before) in lost {
                count += surely;
                ops.extend(before);
                if count > in_doubt {
                    tell_lost(history, &ops, empty, in_doubt, &mut findings);
                    (count, ops) = (0, Vec::new());
                }
            }
        }
        _ if missing > 0 => findings.doubt(
            Cause::NoMethod,
            format!("{missing} values did not come out, but dequeues in doubt may have taken them"),
        ),
        _ => {}
    }
    if left > 0 {
        let what =
            format!("{left} values did not come out, and nobody found the queue empty after they went in");
        findings.doubt(Cause::NoMethod, what);
    }
    if taken == 0 && missing == 0 {
        findings.doubt(Cause::NoMethod, "nothing came out of the queue");
    }
    findings.fact("enqueues attempted", &parsed.attempts);
    findings.fact("enqueues acknowledged", &acknowledged);
    findings.fact("dequeued", &taken);
    findings.fact("lost", &missing);
    findings.fact("not dequeued", &left);
    findings.fact("unexpected", &unexpected);
    findings.fact("duplicated", &duplicated);
    findings.fact("recovered", &recovered);
    Ok(findings.report("what went in came out, and nothing else"))
}

fn tell_unexpected(history: &History, value: &Traced<'_>, findings: &mut Findings) {
    let Some(first) = value.taken.first() else { return };
    let ops: Vec<OpId> = value.failed.into_iter().chain([*first]).collect();
    let why = match value.failed {
        Some(failed) => format!("its enqueue had failed: {}", history.describe(failed)),
        None => "nobody put it in".to_owned(),
    };
    let words = value.value.map_or(String::new(), Value::to_string);
    findings.violation("unexpected value", &ops, || {
        format!("{words} came out, but {why}; {}", history.describe(*first))
    });
}

fn tell_lost(history: &History, lost: &[OpId], empty: OpId, in_doubt: u64, findings: &mut Findings) {
    let ops: Vec<OpId> = lost.iter().copied().chain([empty]).collect();
    findings.violation("lost value", &ops, || {
        let words: Vec<String> = lost.iter().map(|id| history.describe(*id)).collect();
        let doubt = if in_doubt == 0 {
            String::new()
        } else {
            format!(" (of which dequeues in doubt may have taken {in_doubt})")
        };
        let (words, empty) = (words.join("; "), history.describe(empty));
        format!("went in more often than out: {words}{doubt}; later the queue was empty: {empty}")
    });
}

fn parse<'a>(history: &'a History, budget: &Budget<'_>) -> Result<Parsed<'a>, Stop> {
    let mut numbers: FxHashMap<&Value, usize> = FxHashMap::default();
    let mut parsed = Parsed { values: Vec::new(), last_empty: None, in_doubt: Some(0), attempts: 0 };
    for (id, op) in history.iter() {
        budget.step(1)?;
        let f = &*op.f;
        if matches!(f, "enqueue" | "enq" | "add" | "push") {
            parsed.attempts += 1;
            let value = entry(&mut numbers, &mut parsed.values, &op.input);
            match op.outcome {
                Outcome::Ok => value.put.push(id),
                Outcome::Info => value.perhaps_put += 1,
                Outcome::Fail => value.failed = Some(id),
            }
            continue;
        }
        let is_drain = f == "drain";
        if !is_drain && !matches!(f, "dequeue" | "deq" | "poll" | "pop") {
            return Err(unknown_function(KIND, id, op, "enqueue, dequeue and drain").into());
        }
        match op.outcome {
            Outcome::Fail => {}
            // A drain may have taken everything.
            Outcome::Info => parsed.in_doubt = parsed.in_doubt.filter(|_| !is_drain).map(|count| count + 1),
            Outcome::Ok => {
                let taken = taken(id, op, is_drain)?;
                budget.step(taken.len() as u64)?;
                for value in taken {
                    entry(&mut numbers, &mut parsed.values, value).taken.push(id);
                }
                if is_drain || taken.is_empty() {
                    parsed.last_empty = Some(id);
                }
            }
        }
    }
    Ok(parsed)
}

fn entry<'v, 'a>(
    numbers: &mut FxHashMap<&'a Value, usize>,
    values: &'v mut Vec<Traced<'a>>,
    value: &'a Value,
) -> &'v mut Traced<'a> {
    let at = *numbers.entry(value).or_insert(values.len());
    if at == values.len() {
        values.push(Traced { value: Some(value), ..Traced::default() });
    }
    &mut values[at]
}

/// What an operation took out.
fn taken(id: OpId, op: &Op, is_drain: bool) -> Result<&[Value], BadOperation> {
    match &op.output {
        Value::Nil => Ok(&[]),
        Value::List(values) if is_drain => Ok(values),
        given if is_drain => Err(wrong_value(KIND, id, op, "a list of values as its result", given)),
        value => Ok(std::slice::from_ref(value)),
    }
}
