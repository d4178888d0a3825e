//! Reads of the same keys see writes in one order.
//!
//! | operation | input | output |
//! |---|---|---|
//! | `write` (`w`, `txn`) | `[[:w k v]]`: each key is written once | |
//! | `read` (`r`, `txn`) | `[[:r k nil] …]` | the same with what was read |
//!
//! Of two reads of the same keys one must see at least what the other sees. If not, they saw two writes in different orders: a long
//! fork, which snapshot isolation forbids. Sorted by how many keys were written, reads that all compare form a chain, so that only
//! neighbours need comparing.
//!
//! Source: Jepsen's `long-fork`, after Cerone, Bernardi & Gotsman, CONCUR 2015. It compares all pairs. It leaves reads of values that
//! nobody wrote to others.

use super::findings::{Findings, conclude, unknown_function, wrong_value};
use super::{Stop, Workload};
use crate::history::{History, Op, OpId, Outcome, Value};
use crate::level::Level;
use crate::limits::Budget;
use crate::model::BadOperation;
use crate::verdict::{Cause, Report};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

const KIND: Workload = Workload::LongFork;
const TRANSACTION: &str = "one write [[:w k v]], or reads [[:r k v] …]";

struct Write<'a> {
    id: OpId,
    value: &'a Value,
    failed: bool,
}

/// A read: keys ascending, with what was seen.
struct Read<'a> {
    id: OpId,
    seen: Vec<(&'a Value, &'a Value)>,
}

impl Read<'_> {
    fn count(&self) -> usize {
        self.seen.iter().filter(|(_, value)| !value.is_nil()).count()
    }

    /// A key that it saw written, and `other` did not.
    fn ahead_of(&self, other: &Self) -> Option<&Value> {
        let mut both = self.seen.iter().zip(&other.seen);
        both.find(|((_, mine), (_, theirs))| !mine.is_nil() && theirs.is_nil()).map(|((key, _), _)| *key)
    }
}

#[derive(Default)]
struct Parsed<'a> {
    writes: FxHashMap<&'a Value, Write<'a>>,
    /// A key that was written twice.
    twice: Option<&'a Value>,
    /// By the keys that they read.
    groups: BTreeMap<Vec<&'a Value>, Vec<Read<'a>>>,
}

pub(super) fn check(history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
    conclude(KIND, judge(history, budget))
}

fn judge(history: &History, budget: &Budget<'_>) -> Result<Report, Stop> {
    let mut findings = Findings::new(KIND);
    let _held = budget.hold(history.ops.len() as u64 * 160)?;
    let mut parsed = parse(history, budget)?;
    let (mut reads, mut early, mut late, mut forks) = (0u64, 0u64, 0u64, 0u64);
    if let Some(key) = parsed.twice {
        findings.doubt(Cause::NoMethod, format!("key {key} is written more than once"));
        return Ok(findings.report(""));
    }
    for group in parsed.groups.values_mut() {
        for read in &*group {
            budget.step(read.seen.len() as u64)?;
            reads += 1;
            early += u64::from(read.count() == 0);
            late += u64::from(read.count() == read.seen.len());
            tell_unwritten(history, read, &parsed.writes, &mut findings);
        }
        group.sort_by_key(Read::count);
        for pair in group.windows(2) {
            let [less, more] = pair else { continue };
            budget.step(less.seen.len() as u64)?;
            let (Some(x), Some(y)) = (less.ahead_of(more), more.ahead_of(less)) else { continue };
            forks += 1;
            tell_fork(history, (less, x), (more, y), &parsed.writes, &mut findings);
        }
    }
    if reads == 0 {
        findings.doubt(Cause::NoMethod, "no read succeeded");
    }
    findings.fact("reads", &reads);
    findings.fact("reads that saw nothing", &early);
    findings.fact("reads that saw everything", &late);
    findings.fact("forks", &forks);
    Ok(findings.report("reads of the same keys form a chain"))
}

fn tell_fork(
    history: &History,
    first: (&Read<'_>, &Value),
    second: (&Read<'_>, &Value),
    writes: &FxHashMap<&Value, Write<'_>>,
    findings: &mut Findings,
) {
    let ((a, x), (b, y)) = (first, second);
    let writers = [x, y].into_iter().filter_map(|key| writes.get(key)).map(|write| write.id);
    let ops: Vec<OpId> = writers.chain([a.id, b.id]).collect();
    findings.violation_of("long fork", &ops, &[Level::Invariant, Level::SnapshotIsolation], || {
        let (a, b) = (history.describe(a.id), history.describe(b.id));
        format!("one read saw the write of {x} and not that of {y}, another the reverse: {a}; {b}")
    });
}

fn tell_unwritten(
    history: &History,
    read: &Read<'_>,
    writes: &FxHashMap<&Value, Write<'_>>,
    findings: &mut Findings,
) {
    for (key, value) in read.seen.iter().filter(|(_, value)| !value.is_nil()) {
        let write = writes.get(key).filter(|write| write.value == *value);
        if write.is_some_and(|write| !write.failed) {
            continue;
        }
        let ops: Vec<OpId> = write.map(|write| write.id).into_iter().chain([read.id]).collect();
        let (anomaly, why) = match write {
            Some(_) => ("aborted read", "its write had failed"),
            None => ("garbage read", "nobody wrote it"),
        };
        let reason = || format!("{key} was {value}, but {why}: {}", history.describe(read.id));
        findings.violation_of(anomaly, &ops, &[Level::Invariant, Level::ReadCommitted], reason);
    }
}

fn parse<'a>(history: &'a History, budget: &Budget<'_>) -> Result<Parsed<'a>, Stop> {
    let mut parsed = Parsed::default();
    for (id, op) in history.iter() {
        if !matches!(&*op.f, "read" | "write" | "r" | "w" | "txn") {
            return Err(unknown_function(KIND, id, op, "read and write, or txn").into());
        }
        let is_told = op.outcome == Outcome::Ok && !op.output.is_nil();
        let told = if is_told { &op.output } else { &op.input };
        let wrong = || wrong_value(KIND, id, op, TRANSACTION, told);
        let mops = told.as_list().ok_or_else(wrong)?;
        budget.step(mops.len() as u64)?;
        let mut seen = Vec::with_capacity(mops.len());
        for mop in mops {
            let (f, key, value) = match mop.as_list() {
                Some([f, key, value]) => (f, key, value),
                Some([f, key]) => (f, key, &Value::Nil),
                _ => return Err(wrong().into()),
            };
            match f.as_word() {
                Some("r" | "read") => seen.push((key, value)),
                Some("w" | "write") if mops.len() == 1 => note(&mut parsed, id, op, key, value),
                _ => return Err(wrong().into()),
            }
        }
        if op.outcome == Outcome::Ok && !seen.is_empty() {
            seen.sort_unstable();
            let keys = seen.iter().map(|(key, _)| *key).collect();
            parsed.groups.entry(keys).or_default().push(Read { id, seen });
        }
    }
    Ok(parsed)
}

fn note<'a>(parsed: &mut Parsed<'a>, id: OpId, op: &Op, key: &'a Value, value: &'a Value) {
    let failed = op.outcome == Outcome::Fail;
    match parsed.writes.get(key) {
        Some(write) if !write.failed && !failed => parsed.twice = Some(key),
        Some(write) if !write.failed => {}
        _ => drop(parsed.writes.insert(key, Write { id, value, failed })),
    }
}
