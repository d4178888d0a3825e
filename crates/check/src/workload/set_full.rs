//! An element that was added stays.
//!
//! | operation | input | output |
//! |---|---|---|
//! | `add` | an element | |
//! | `read` | | all elements, as a set or a list; nil if there are none |
//!
//! An element is **known** from when its addition returned, or a read that has it, whichever came first. It is **lost** if a read that
//! was called after it was known, and after all reads that have it had returned, does not have it; **stable** if some read has it and
//! it is not lost; **stale** if it is stable, and a read that was called after it was known did not have it; and else **never read**. A
//! list that has an element twice, or one that nobody added, breaks the invariant too.
//!
//! Latencies are how long after it was known an element was last missing, or last there if it is lost: in nanoseconds if the history
//! has clock readings, else in ranks.
//!
//! Source: Jepsen's `set-full`. It compares reads by their calls alone, so that of two concurrent reads the later call decides; and it
//! says nothing about elements that nobody added.

use super::findings::{Findings, conclude, unknown_function, wrong_value};
use super::{Stop, Workload};
use crate::history::{History, Op, OpId, Order, Outcome, Point, Value};
use crate::limits::Budget;
use crate::model::{BadOperation, Interner};
use crate::verdict::{Cause, Report};

const KIND: Workload = Workload::SetFull;

/// What is asked of the set.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetFull {
    /// Whether stale elements break the invariant.
    pub linearizable: bool,
}

/// One element.
#[derive(Clone, Default)]
struct Element {
    /// The first addition that may have happened, by its call.
    added: Option<OpId>,
    failed: Option<OpId>,
    /// Since when it is known, and by which operation.
    known: Option<(Point, OpId)>,
    /// The last return of a read that has it, and the read.
    last_there: Option<(Point, OpId)>,
    /// The last call of a read, called when it was known, that does not have it.
    last_missing: Option<(Point, OpId)>,
}

impl Element {
    fn is_lost(&self) -> bool {
        self.last_missing.is_some_and(|(called, _)| self.last_there.is_none_or(|(there, _)| there < called))
    }

    fn is_stable(&self) -> bool {
        self.last_there.is_some() && !self.is_lost()
    }

    fn is_known_by(&mut self, at: Point, by: OpId) {
        if self.known.is_none_or(|(known, _)| at < known) {
            self.known = Some((at, by));
        }
    }
}

struct Read {
    id: OpId,
    called: Point,
    /// As numbers of elements.
    elements: Box<[u32]>,
}

struct Parsed {
    names: Interner,
    elements: Vec<Element>,
    reads: Vec<Read>,
    attempts: u64,
}

impl SetFull {
    /// Judges a history.
    ///
    /// # Errors
    /// At an operation that the workload does not have.
    pub fn check(&self, history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
        conclude(KIND, self.judge(history, budget))
    }

    fn judge(&self, history: &History, budget: &Budget<'_>) -> Result<Report, Stop> {
        let mut findings = Findings::new(KIND);
        let mut held = budget.hold(history.ops.len() as u64 * 120)?;
        let mut parsed = parse(history, budget)?;
        held.grow(parsed.reads.iter().map(|read| 4 * read.elements.len() as u64).sum())?;
        findings.fact("attempted", &parsed.attempts);
        tell_impossible(history, &parsed, budget, &mut findings)?;
        if history.order == Order::Sessions {
            findings.doubt(Cause::NoRealTime, "");
            return Ok(findings.report(""));
        }
        find_missing(&mut parsed, budget)?;
        self.tell(history, &parsed, &mut findings);
        Ok(findings.report("each element that was known is in all later reads"))
    }

    fn tell(&self, history: &History, parsed: &Parsed, findings: &mut Findings) {
        let added = || parsed.elements.iter().enumerate().filter(|(_, element)| element.added.is_some());
        let (mut stable, mut lost, mut stale, mut never) = (0u64, 0u64, 0u64, 0u64);
        let (mut stable_after, mut lost_after) = (Vec::new(), Vec::new());
        for (at, element) in added() {
            let words = |id| history.describe(id);
            let value = parsed.names.value(at as u32);
            let latency = |until: Option<(Point, OpId)>| latency(history, element, until);
            match (element.is_lost(), element.is_stable(), element.known, element.last_missing) {
                (true, _, Some((_, known)), Some((_, missing))) => {
                    lost += 1;
                    lost_after.push(latency(element.last_there));
                    let mut ops = vec![known, missing];
                    ops.extend(element.added);
                    findings.violation("lost element", &ops, || {
                        format!("{value} was there ({}) and is missing: {}", words(known), words(missing))
                    });
                }
                (_, true, Some((_, known)), missing) => {
                    stable += 1;
                    stale += u64::from(missing.is_some());
                    stable_after.push(latency(missing));
                    if let Some((_, missing)) = missing.filter(|_| self.linearizable) {
                        let ops: Vec<OpId> = [known, missing].into_iter().chain(element.added).collect();
                        findings.violation("stale read", &ops, || {
                            format!(
                                "{value} was there ({}) and was not seen: {}",
                                words(known),
                                words(missing)
                            )
                        });
                    }
                }
                _ => never += 1,
            }
        }
        if stable == 0 {
            findings.doubt(Cause::NoMethod, "no element that was added was read");
        }
        findings.fact("reads", &parsed.reads.len());
        findings.fact("stable", &stable);
        findings.fact("lost", &lost);
        findings.fact("never read", &never);
        findings.fact("stale", &stale);
        let unit = if history.ops.iter().any(|op| op.time.is_some()) { "ns" } else { "ranks" };
        for (name, mut latencies) in [("stable after", stable_after), ("lost after", lost_after)] {
            if !latencies.is_empty() {
                latencies.sort_unstable();
                findings.fact(&format!("{name} ({unit})"), &quantiles(&latencies));
            }
        }
    }
}

/// Per thousand.
const QUANTILES: [(usize, &str); 5] = [(0, "0"), (500, "0.5"), (950, "0.95"), (990, "0.99"), (1000, "1")];

fn quantiles(ascending: &[i64]) -> String {
    let at = |quantile: usize| ascending[(ascending.len() * quantile / 1000).min(ascending.len() - 1)];
    QUANTILES.map(|(quantile, name)| format!("{name}: {}", at(quantile))).join(", ")
}

/// How long after an element was known this read was called, if it was; else 0.
fn latency(history: &History, element: &Element, until: Option<(Point, OpId)>) -> i64 {
    let (Some((known_at, known)), Some((_, until))) = (element.known, until) else { return 0 };
    let until = history.op(until);
    let reading = |op: &Op| op.time.map(|(called, returned)| (called, returned.unwrap_or(called)));
    let waited = match (reading(history.op(known)), reading(until)) {
        (Some((_, known)), Some((called, _))) => called.saturating_sub(known),
        _ => i64::from(until.call.0) - i64::from(known_at.0),
    };
    waited.max(0)
}

/// What no order of time can explain: elements twice, and elements that nobody added.
fn tell_impossible(
    history: &History,
    parsed: &Parsed,
    budget: &Budget<'_>,
    findings: &mut Findings,
) -> Result<(), Stop> {
    let (mut duplicated, mut unexpected) = (0u64, 0u64);
    let mut told = vec![false; parsed.elements.len()];
    let mut seen_by: Vec<Option<OpId>> = vec![None; parsed.elements.len()];
    for read in &parsed.reads {
        budget.step(read.elements.len() as u64)?;
        for number in &read.elements {
            let (at, value) = (*number as usize, parsed.names.value(*number));
            let element = &parsed.elements[at];
            if seen_by[at] == Some(read.id) {
                duplicated += 1;
                let reason = || format!("{value} is there twice: {}", history.describe(read.id));
                findings.violation("duplicate element", &[read.id], reason);
            }
            seen_by[at] = Some(read.id);
            if element.added.is_none() && !std::mem::replace(&mut told[at], true) {
                unexpected += 1;
                let ops: Vec<OpId> = element.failed.into_iter().chain([read.id]).collect();
                let why =
                    if element.failed.is_some() { "its addition had failed" } else { "nobody added it" };
                let reason = || format!("{value} is there, but {why}: {}", history.describe(read.id));
                findings.violation("unexpected element", &ops, reason);
            }
        }
    }
    findings.fact("duplicated", &duplicated);
    findings.fact("unexpected", &unexpected);
    Ok(())
}

fn parse(history: &History, budget: &Budget<'_>) -> Result<Parsed, Stop> {
    let (names, elements) = (Interner::default(), Vec::new());
    let mut parsed = Parsed { names, elements, reads: Vec::new(), attempts: 0 };
    for (id, op) in history.iter() {
        budget.step(1)?;
        match &*op.f {
            "add" | "insert" => {
                parsed.attempts += 1;
                let element = element(&mut parsed, &op.input).1;
                if op.outcome == Outcome::Fail {
                    element.failed = Some(id);
                    continue;
                }
                element.added.get_or_insert(id);
                if op.outcome == Outcome::Ok {
                    element.is_known_by(op.ret, id);
                }
            }
            "read" | "read-all" | "members" if op.outcome == Outcome::Ok => {
                let given: &[Value] = match &op.output {
                    Value::Nil => &[],
                    output => output
                        .elements()
                        .ok_or_else(|| wrong_value(KIND, id, op, "a set or a list as its result", output))?,
                };
                budget.step(given.len() as u64)?;
                let elements = given.iter().map(|value| {
                    let (number, element) = element(&mut parsed, value);
                    element.is_known_by(op.ret, id);
                    if element.last_there.is_none_or(|(there, _)| there < op.ret) {
                        element.last_there = Some((op.ret, id));
                    }
                    number
                });
                let elements = elements.collect();
                parsed.reads.push(Read { id, called: op.call, elements });
            }
            "read" | "read-all" | "members" => {}
            _ => return Err(unknown_function(KIND, id, op, "add and read").into()),
        }
    }
    Ok(parsed)
}

fn element<'a>(parsed: &'a mut Parsed, value: &Value) -> (u32, &'a mut Element) {
    let number = parsed.names.id(value);
    if number as usize == parsed.elements.len() {
        parsed.elements.push(Element::default());
    }
    (number, &mut parsed.elements[number as usize])
}

/// Finds for each element the last read that lacks it, going backwards: an element whose last such read is still open was in all reads
/// since, so that what is looked at for each read is no more than what the read holds, and what is closed.
fn find_missing(parsed: &mut Parsed, budget: &Budget<'_>) -> Result<(), Stop> {
    let Parsed { elements, reads, .. } = parsed;
    let mut open: Vec<u32> = (0..elements.len() as u32).collect();
    let mut has: Vec<u32> = vec![u32::MAX; elements.len()];
    for (at, read) in reads.iter().enumerate().rev() {
        budget.step(1 + (read.elements.len() + open.len()) as u64)?;
        for number in &read.elements {
            has[*number as usize] = at as u32;
        }
        open.retain(|number| {
            let element = &mut elements[*number as usize];
            if element.known.is_none_or(|(known, _)| known >= read.called) {
                return false;
            }
            if has[*number as usize] != at as u32 {
                element.last_missing = Some((read.called, read.id));
                return false;
            }
            true
        });
    }
    Ok(())
}
