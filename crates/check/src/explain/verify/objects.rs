//! Confirms verdicts about operations on objects.
//!
//! **Idea.** Who must come before whom is read off the history: by time, by session, and by values that only one operation wrote. A circle
//! of such edges proves a violation. Any other proof is repeated by trying all orders of the operations that it names; what they show
//! holds for the whole history only if they lean on nobody else ([`Keep::is_closed`]).

use super::causes;
use super::exhaust::{some_order_of_objects, some_order_passes};
use super::guarantees::{Guarantees, is_guarantee};
use super::operations::Operations;
use super::{Check, Flaw, Objection, Why, implied, replay, views};
use crate::explain::keep::Keep;
use crate::history::{History, OpId, Order};
use crate::level::Level;
use crate::limits::Budget;
use crate::model::{Access, BadOperation, Item, Model};
use crate::verdict::{Edge, Refutation, Relation, Report, Verdict, Violation, Witness};
use rustc_hash::{FxHashMap, FxHashSet};

/// A history, read anew as operations on objects.
pub struct Objects<'h, M: Model>(Operations<'h, M>);

impl<'h, M: Model> Objects<'h, M> {
    /// Reads a history.
    ///
    /// # Errors
    /// At the first operation that the model does not have.
    pub fn new(model: M, history: &'h History) -> Result<Self, BadOperation> {
        Operations::new(model, history).map(Objects)
    }

    /// What may be removed from this history.
    pub fn keep(&self) -> Keep {
        Keep::objects(&self.0.model, self.0.history, &self.0.items)
    }

    /// Checks every verdict of a report.
    pub fn report(&self, report: &Report, budget: &Budget<'_>) -> Vec<(Level, Check)> {
        super::report(report, &|level, verdict| self.verdict(level, verdict, budget))
    }

    /// Checks the certificate of one verdict.
    pub fn verdict(&self, level: Level, verdict: &Verdict, budget: &Budget<'_>) -> Check {
        self.confirm(level, verdict, budget).into()
    }

    fn confirm(&self, level: Level, verdict: &Verdict, budget: &Budget<'_>) -> Result<(), Objection> {
        if let Some(answer) = implied(level, verdict) {
            return answer;
        }
        match verdict {
            Verdict::Unknown(_) => Err(Why::Undecided.into()),
            Verdict::Holds(Witness::Orders(sequences)) => match (level, &sequences[..]) {
                (Level::CausalConvergence, [one]) => causes::convergence(&self.0, &one.ops, budget),
                _ => replay::orders(&self.0, level, sequences, budget),
            },
            Verdict::Holds(Witness::Views(views)) if is_guarantee(level) => {
                Guarantees::of(&self.0, level, budget)?.views(views, budget)
            }
            Verdict::Holds(Witness::Views(views)) => views::views(&self.0, level, views, budget),
            // The argument is not read; what it is about is decided anew.
            Verdict::Holds(Witness::Argument(_)) if level == Level::Causal => causes::causal(&self.0, budget),
            Verdict::Holds(Witness::Argument(_) | Witness::Implied(_)) => Err(Why::Argument.into()),
            Verdict::Violated(violation) => self.violation(level, violation, budget),
        }
    }

    fn violation(&self, level: Level, violation: &Violation, budget: &Budget<'_>) -> Result<(), Objection> {
        violation.ops.iter().try_for_each(|op| self.0.known(*op))?;
        match &violation.refutation {
            Refutation::Cycle(edges) => {
                let mut all_seen = true;
                for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
                    if edge.to != next.from {
                        return Err(Flaw::NotClosed(edge.to).into());
                    }
                    named(violation, edge.from)?;
                    all_seen &= self.edge(level, edge)?;
                }
                if edges.is_empty() {
                    return Err(Flaw::WrongForm(level).into());
                }
                if all_seen && binds_all(level) {
                    Ok(())
                } else {
                    self.exhaust(level, &violation.ops, budget)
                }
            }
            Refutation::Stuck(stuck) => {
                stuck.order.iter().try_for_each(|op| self.0.known(*op))?;
                self.exhaust(level, &violation.ops, budget)
            }
            Refutation::Fact | Refutation::Implied(_) => self.exhaust(level, &violation.ops, budget),
        }
    }

    /// Whether the history itself shows the edge; false if that cannot be told.
    fn edge(&self, level: Level, edge: &Edge) -> Result<bool, Objection> {
        let (from, to, relation) = (edge.from, edge.to, edge.relation);
        let no_such_edge = || Err(Flaw::NoSuchEdge { from, to, relation }.into());
        let (first, second) = (self.0.item(from)?, self.0.item(to)?);
        let has = match relation {
            Relation::Session => first.session == second.session && first.until < second.from,
            Relation::RealTime if self.0.history.order != Order::RealTime => {
                return Err(Flaw::NoRealTime.into());
            }
            Relation::RealTime if level != Level::Linearizable => return Err(Flaw::Permitted(level).into()),
            Relation::RealTime => self.0.history.precedes(from, to),
            Relation::WriteRead => return self.is_read_from(first, second).map_or_else(no_such_edge, Ok),
            Relation::WriteWrite | Relation::ReadWrite | Relation::Derived => return Ok(false),
        };
        if has { Ok(true) } else { no_such_edge() }
    }

    /// Whether `reader` saw a value that only `writer` wrote: nothing if it saw no value of it at all.
    fn is_read_from(&self, writer: &Item<M::Call>, reader: &Item<M::Call>) -> Option<bool> {
        let (mut wrote, mut saw) = (Vec::new(), Vec::new());
        let is_told = self.0.model.accesses(&writer.call, writer.certain, &mut wrote)
            & self.0.model.accesses(&reader.call, reader.certain, &mut saw);
        if !is_told {
            return Some(false);
        }
        let mut seen = FxHashSet::default();
        for access in &saw {
            match access {
                Access::Read { object, value: Some(value) } | Access::Remove { object, value } => {
                    seen.insert((*object, *value));
                }
                Access::Saw { object, values, .. } => {
                    seen.extend(values.iter().map(|value| (*object, *value)));
                }
                _ => {}
            }
        }
        let shared: Vec<_> = wrote.iter().filter_map(written).filter(|value| seen.contains(value)).collect();
        if shared.is_empty() {
            return None;
        }
        let mut writers: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut accesses = Vec::new();
        for item in &self.0.items {
            accesses.clear();
            if !self.0.model.accesses(&item.call, item.certain, &mut accesses) {
                return Some(false);
            }
            accesses.iter().filter_map(written).for_each(|value| *writers.entry(value).or_default() += 1);
        }
        Some(shared.iter().any(|value| writers[value] == 1))
    }

    /// Whether no order of the operations explains them, and the rest of the history cannot help. If they lean on others, those are
    /// taken in.
    fn exhaust(&self, level: Level, ops: &[OpId], budget: &Budget<'_>) -> Result<(), Objection> {
        let happened = |ops: &[OpId]| -> Vec<OpId> {
            ops.iter().copied().filter(|op| self.0.may_have_happened(*op)).collect()
        };
        let ops = happened(ops);
        if self.is_explained(level, &ops, budget)? {
            return Err(Flaw::OrderExists.into());
        }
        let keep = self.keep();
        if keep.is_closed(&ops) {
            return Ok(());
        }
        let is_explained = self.is_explained(level, &happened(&keep.with_support(&ops)), budget)?;
        if is_explained { Err(Why::NotClosed.into()) } else { Ok(()) }
    }

    /// Whether the level permits these operations, taken as a history of their own.
    fn is_explained(&self, level: Level, ops: &[OpId], budget: &Budget<'_>) -> Result<bool, Objection> {
        let mut ops = ops.to_vec();
        ops.sort_unstable();
        ops.dedup();
        let part = self.0.history.restrict(&ops);
        let Ok(part) = Operations::new(self.0.model.clone(), &part) else {
            return Err(Why::NoMethod(level).into());
        };
        let history = part.history;
        let in_session = |a: OpId, b: OpId| history.op(a).session == history.op(b).session && a < b;
        let answer = match level {
            Level::Linearizable if history.order != Order::RealTime => return Err(Flaw::NoRealTime.into()),
            Level::Linearizable => return some_order(&part, &|a, b| history.precedes(a, b), budget),
            Level::Sequential => return some_order(&part, &in_session, budget),
            Level::Pram => return each_session(&part, &in_session, budget),
            Level::Causal => causes::causal(&part, budget),
            Level::CausalConvergence => converges(&part, budget),
            Level::CausalMemory => match causes::Known::of(&part, level, budget) {
                Ok(known) => return each_session(&part, &|a, b| known.is_cause(a, b), budget),
                Err(objection) => Err(objection),
            },
            level if is_guarantee(level) => is_guaranteed(&part, level, budget),
            _ => return Err(Why::NoMethod(level).into()),
        };
        match answer {
            Ok(()) => Ok(true),
            Err(Objection::Flaw(_)) => Ok(false),
            Err(unconfirmed) => Err(unconfirmed),
        }
    }
}

/// Whether some order of all operations is legal.
fn some_order<M: Model>(
    part: &Operations<'_, M>,
    precedes: &dyn Fn(OpId, OpId) -> bool,
    budget: &Budget<'_>,
) -> Result<bool, Objection> {
    let ops: Vec<OpId> = part.items.iter().map(|item| item.id).collect();
    some_order_of_objects(part, &ops, precedes, None, budget)
}

/// Whether each session has a legal order of its own, in which others' results do not count.
fn each_session<M: Model>(
    part: &Operations<'_, M>,
    precedes: &dyn Fn(OpId, OpId) -> bool,
    budget: &Budget<'_>,
) -> Result<bool, Objection> {
    let ops: Vec<OpId> = part.items.iter().map(|item| item.id).collect();
    let mut sessions: Vec<_> = part.items.iter().map(|item| item.session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    for session in sessions {
        if !some_order_of_objects(part, &ops, precedes, Some(session), budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tries every order of all operations.
fn converges<M: Model>(part: &Operations<'_, M>, budget: &Budget<'_>) -> Result<(), Objection> {
    let ops: Vec<OpId> = part.items.iter().map(|item| item.id).collect();
    let in_session = |a: OpId, b: OpId| part.history.op(a).session == part.history.op(b).session && a < b;
    let check = |order: &[OpId]| causes::convergence(part, order, budget);
    // Whatever is wrong with every order, such as that values do not tell, is wrong with the first.
    if let Err(Objection::Unconfirmed(why)) = check(&ops) {
        return Err(why.into());
    }
    let exists = some_order_passes(&ops, &in_session, &check, budget)?;
    if exists { Ok(()) } else { Err(Flaw::Illegal(ops[0]).into()) }
}

/// Tries every order of all writes for each session.
fn is_guaranteed<M: Model>(
    part: &Operations<'_, M>,
    level: Level,
    budget: &Budget<'_>,
) -> Result<(), Objection> {
    let guarantees = Guarantees::of(part, level, budget)?;
    let writes = guarantees.all_writes();
    for item in &part.items {
        let check = |order: &[OpId]| guarantees.view(item.session, order, budget);
        if !some_order_passes(&writes, &|_, _| false, &check, budget)? {
            return Err(Flaw::Illegal(item.id).into());
        }
    }
    Ok(())
}

/// Whether what one session did and saw orders operations for all: then a circle of it cannot be.
fn binds_all(level: Level) -> bool {
    use Level::{Causal, CausalConvergence, CausalMemory, Linearizable, Sequential};
    matches!(level, Linearizable | Sequential | CausalMemory | CausalConvergence | Causal)
}

/// The circle takes only operations that the violation names.
pub(super) fn named(violation: &Violation, op: OpId) -> Result<(), Flaw> {
    if violation.ops.contains(&op) { Ok(()) } else { Err(Flaw::NotNamed(op)) }
}

fn written(access: &Access) -> Option<(u32, u32)> {
    match access {
        Access::Write { object, value }
        | Access::Insert { object, value, .. }
        | Access::Add { object, value } => Some((*object, *value)),
        _ => None,
    }
}
