//! A set to which elements are added and that is read whole.
//!
//! **Decides.** [`Level::Invariant`]: every element whose `add` was acknowledged before the last read was called is in that read (else it is
//! `lost`), and every read has only elements some `add` of which was called before the read returned and did not fail
//! (else one is `unexpected`). The last read is the one that was called last of those that succeeded. Without a read nothing is decided.
//! [`Level::Linearizable`]: violated if an element is unexpected or if any read lacks an element acknowledged before its call
//! (`stale read`); else not decided, because two reads may contradict each other.
//!
//! **Bound.** Two sets of [`Elements`]; the adds that are open; what was acknowledged since the oldest open read's call.

use super::elements::{Elements, VALUE_BYTES};
use super::steps::{Called, Ended, Step};
use super::{Check, Stop, fact, progress, violated};
use crate::history::{OpId, Order, Outcome, Value};
use crate::level::Level;
use crate::limits::{Budget, Held};
use crate::verdict::{Cause, Report, Unknown, Verdict, Violation, Witness};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};

const KNOWN: &str = "add and read";
/// Missing or unexpected elements that are named.
const NAMED: usize = 10;

/// The check of one set. See the module.
pub struct SetCheck<'b, 'a> {
    acknowledged: Elements<'b, 'a>,
    /// Elements whose add may or may not have happened.
    doubtful: Elements<'b, 'a>,
    /// Elements with open adds.
    open: FxHashMap<Value, OpenAdds>,
    /// Open reads by id, with how many adds were acknowledged when they were called.
    reads: BTreeMap<OpId, u64>,
    acknowledged_count: u64,
    /// The latest acknowledged elements, with their numbers; as far back as an open read needs.
    recent: VecDeque<(u64, Value)>,
    held: Held<'b, 'a>,
    op_count: u64,
    read_count: u64,
    unexpected: Option<Violation>,
    stale: Option<Violation>,
    /// The last read by its call, and what it lost.
    last: Option<(OpId, Option<Violation>)>,
}

#[derive(Debug, Default)]
struct OpenAdds {
    ids: Vec<OpId>,
    /// A read that has seen the element although nothing but open adds explain it, and those of them that did not fail since.
    seen: Option<(Seen, Vec<OpId>)>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    read: OpId,
    line: u32,
}

impl<'b, 'a> SetCheck<'b, 'a> {
    /// Of nothing yet.
    ///
    /// # Errors
    /// If nothing may be held.
    pub fn new(budget: &'b Budget<'a>) -> Result<Self, Stop> {
        Ok(SetCheck {
            acknowledged: Elements::new(budget),
            doubtful: Elements::new(budget),
            open: FxHashMap::default(),
            reads: BTreeMap::new(),
            acknowledged_count: 0,
            recent: VecDeque::new(),
            held: budget.hold(0)?,
            op_count: 0,
            read_count: 0,
            unexpected: None,
            stale: None,
            last: None,
        })
    }

    fn call(&mut self, called: &Called) -> Result<(), Stop> {
        self.op_count += 1;
        match &*called.f {
            "add" => {
                self.held.grow(VALUE_BYTES)?;
                self.open.entry(called.input.clone()).or_default().ids.push(called.id);
            }
            "read" => {
                self.reads.insert(called.id, self.acknowledged_count);
            }
            _ => return Err(Stop::unfit(called, &called.input, KNOWN)),
        }
        Ok(())
    }

    fn end_add(&mut self, called: &Called, outcome: Outcome) -> Result<(), Stop> {
        let element = &called.input;
        match outcome {
            Outcome::Ok => {
                let is_first = self.acknowledged.insert(element)?;
                self.acknowledged_count += 1;
                if is_first && !self.reads.is_empty() {
                    self.held.grow(VALUE_BYTES)?;
                    self.recent.push_back((self.acknowledged_count, element.clone()));
                }
            }
            Outcome::Info => {
                self.doubtful.insert(element)?;
            }
            Outcome::Fail => {}
        }
        let Some(adds) = self.open.get_mut(element) else { return Ok(()) };
        adds.ids.retain(|id| *id != called.id);
        match (&mut adds.seen, outcome) {
            (Some((seen, left)), Outcome::Fail) => {
                left.retain(|id| *id != called.id);
                if left.is_empty() && self.unexpected.is_none() {
                    let reason = format!(
                        "the read on line {} has {element}, whose add on line {} failed",
                        seen.line, called.line
                    );
                    self.unexpected = Some(fact("unexpected element", vec![seen.read, called.id], reason));
                }
            }
            (seen @ Some(_), _) => {
                // One that the read can have seen has happened, or may have: that explains it.
                *seen = seen.take().filter(|(_, left)| !left.contains(&called.id));
            }
            (None, _) => {}
        }
        self.held.shrink(VALUE_BYTES);
        if adds.ids.is_empty() {
            self.open.remove(element);
        }
        Ok(())
    }

    fn end_read(&mut self, ended: &Ended<'_>) -> Result<(), Stop> {
        let called = ended.called;
        let Some(before) = self.reads.remove(&called.id) else { return Ok(()) };
        if ended.outcome == Outcome::Ok {
            let elements = match ended.output {
                Value::Nil => &[],
                output => output.elements().ok_or_else(|| Stop::unfit(called, output, KNOWN))?,
            };
            let mut elements: Vec<&Value> = elements.iter().collect();
            elements.sort_unstable();
            self.read_count += 1;
            self.explain(called, &elements);
            self.look_for_lost(called, before, &elements);
        }
        let needed = self.reads.values().min().copied().unwrap_or(u64::MAX);
        while self.recent.front().is_some_and(|(number, _)| *number <= needed) {
            self.recent.pop_front();
            self.held.shrink(VALUE_BYTES);
        }
        Ok(())
    }

    /// Whether some add explains each element.
    fn explain(&mut self, called: &Called, elements: &[&Value]) {
        let mut unexpected: Vec<&Value> = Vec::new();
        for element in elements {
            if self.acknowledged.contains(element) || self.doubtful.contains(element) {
                continue;
            }
            match self.open.get_mut(*element) {
                Some(adds) if adds.seen.is_none() => {
                    adds.seen = Some((Seen { read: called.id, line: called.line }, adds.ids.clone()));
                }
                Some(_) => {}
                None => unexpected.push(element),
            }
        }
        if !unexpected.is_empty() && self.unexpected.is_none() {
            let reason = format!(
                "the read on line {} has {}, which nobody had added",
                called.line,
                named(&unexpected)
            );
            self.unexpected = Some(fact("unexpected element", vec![called.id], reason));
        }
    }

    /// Whether what was acknowledged before the call is there.
    fn look_for_lost(&mut self, called: &Called, before: u64, elements: &[&Value]) {
        let during = self.recent.iter().filter(|(number, _)| *number > before).map(|(_, element)| element);
        let mut excused: Vec<&Value> = elements.to_vec();
        excused.extend(during);
        excused.sort_unstable();
        let missing = self.acknowledged.missing_from(&excused, NAMED);
        let violation = (!missing.is_empty()).then(|| {
            let missing: Vec<&Value> = missing.iter().collect();
            let reason = format!(
                "the read on line {} lacks {}, whose add was acknowledged before it",
                called.line,
                named(&missing)
            );
            fact("lost element", vec![called.id], reason)
        });
        if self.stale.is_none() {
            self.stale = violation.clone().map(|violation| Violation { anomaly: "stale read", ..violation });
        }
        if self.last.as_ref().is_none_or(|(id, _)| *id < called.id) {
            self.last = Some((called.id, violation));
        }
    }
}

fn named(values: &[&Value]) -> String {
    let words: Vec<String> = values.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if values.len() >= NAMED { " …" } else { "" };
    format!("{}{more}", words.join(", "))
}

impl Check for SetCheck<'_, '_> {
    fn step(&mut self, step: &Step<'_>) -> Result<(), Stop> {
        match step {
            Step::Call(_, Order::Sessions) => Err(Stop::NoRealTime),
            Step::Call(called, Order::RealTime) => self.call(called),
            Step::End(ended) if &*ended.called.f == "add" => self.end_add(ended.called, ended.outcome),
            Step::End(ended) => self.end_read(ended),
        }
    }

    fn finish(self, stopped: Option<&Stop>) -> Report {
        let mut findings = Vec::new();
        let mut judge = |level, violation: Option<Violation>, otherwise: Verdict| match violation {
            Some(violation) => {
                let (verdict, finding) = violated(level, violation);
                findings.push(finding);
                (level, verdict)
            }
            None => (level, stopped.map_or(otherwise, |stop| stop.verdict(progress(self.op_count)))),
        };
        let undecided = |progress: &str| {
            Verdict::Unknown(Unknown { cause: Cause::NoMethod, progress: progress.to_owned() })
        };
        // What the last read lacks is lost only if no later read follows.
        let lost = self.last.as_ref().filter(|_| stopped.is_none()).and_then(|(_, lost)| lost.clone());
        let whole = match self.last {
            Some(_) => Verdict::Holds(Witness::Argument(
                "each read has what was acknowledged and only what was added",
            )),
            None => undecided("no read of the set succeeded"),
        };
        let early = self.unexpected.clone().or(self.stale);
        let levels = vec![
            judge(
                Level::Linearizable,
                early,
                undecided("reads are not compared with each other while streaming"),
            ),
            judge(Level::Invariant, self.unexpected.or(lost), whole),
        ];
        let facts = vec![
            ("acknowledged".to_owned(), self.acknowledged.count().to_string()),
            ("in doubt".to_owned(), self.doubtful.count().to_string()),
            ("reads".to_owned(), self.read_count.to_string()),
        ];
        Report { model: "set", levels, findings, facts }
    }
}
