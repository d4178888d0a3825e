//! Confirms verdicts about transactions, from the reads and writes as they stand in the history.
//!
//! **Idea.** An order of commits is replayed ([`Commits`]). In a circle each edge follows from values: of a list, whoever read it
//! tells the order of its elements; of a register, whoever read a value and wrote another follows the one's writer and goes before
//! the other's. Snapshot isolation permits circles with two reads-before-writes in a row (Fekete et al. 2005), so such a circle is
//! no proof there. Any other proof is repeated by trying all orders.

use super::commits::{Commits, is_by_session, is_by_time, is_serial, is_snapshot};
use super::exhaust::Shape;
use super::objects::named;
use super::visible::{Visible, is_weak};
use super::{Check, Flaw, Objection, Why, implied};
use crate::explain::keep::Keep;
use crate::explain::mops::{self, Mop, Txn, values_seen};
use crate::history::{History, OpId, Order, Outcome, Value};
use crate::level::Level;
use crate::limits::Budget;
use crate::verdict::{Edge, Refutation, Relation, Report, Sequence, Verdict, Violation, Witness};
use rustc_hash::FxHashMap;

/// A history, read anew as transactions.
pub struct Txns<'h> {
    history: &'h History,
    txns: Vec<Txn<'h>>,
    /// By operation, its place in `txns`.
    places: Vec<Option<u32>>,
    /// Who writes a value to a key, aborted ones too.
    writers: FxHashMap<(&'h Value, &'h Value), Vec<u32>>,
    /// Who read this key.
    readers: FxHashMap<&'h Value, Vec<u32>>,
}

impl<'h> Txns<'h> {
    /// Reads a history. Operations that are no transactions are left out.
    pub fn new(history: &'h History) -> Self {
        let txns = mops::txns(history);
        let mut places = vec![None; history.ops.len()];
        let mut writers: FxHashMap<_, Vec<u32>> = FxHashMap::default();
        let mut readers: FxHashMap<_, Vec<u32>> = FxHashMap::default();
        for (at, txn) in txns.iter().enumerate() {
            places[txn.id.at()] = Some(at as u32);
            for mop in &txn.mops {
                match mop.written() {
                    Some(written) => writers.entry(written).or_default().push(at as u32),
                    None => readers.entry(mop.key()).or_default().push(at as u32),
                }
            }
        }
        Txns { history, txns, places, writers, readers }
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
        if is_by_time(level)
            && self.history.order != Order::RealTime
            && !matches!(verdict, Verdict::Unknown(_))
        {
            return Err(Flaw::NoRealTime.into());
        }
        match verdict {
            Verdict::Unknown(_) => Err(Why::Undecided.into()),
            Verdict::Holds(Witness::Orders(sequences)) => self.order(level, sequences, budget),
            Verdict::Holds(Witness::Argument(_)) => Err(Why::Argument.into()),
            Verdict::Holds(_) => Err(Why::NoMethod(level).into()),
            Verdict::Violated(violation) => self.violation(level, violation, budget),
        }
    }

    fn order(&self, level: Level, sequences: &[Sequence], budget: &Budget<'_>) -> Result<(), Objection> {
        let [sequence] = sequences else { return Err(Flaw::WrongForm(level).into()) };
        budget.step(sequence.ops.len() as u64)?;
        let mut is_in = vec![false; self.history.ops.len()];
        let mut order = Vec::with_capacity(sequence.ops.len());
        for id in &sequence.ops {
            let txn = self.txn(*id)?;
            if txn.op.outcome == Outcome::Fail {
                return Err(Flaw::Failed(*id).into());
            }
            if std::mem::replace(&mut is_in[id.at()], true) {
                return Err(Flaw::Twice(*id).into());
            }
            order.push(txn);
        }
        if let Some(txn) = self.txns.iter().find(|txn| txn.is_certain() && !is_in[txn.id.at()]) {
            return Err(Flaw::Missing(txn.id).into());
        }
        if is_weak(level) {
            let mut commits = Visible::new(level, &self.txns)?;
            order.into_iter().try_for_each(|txn| commits.commit(txn))?;
        } else if is_serial(level) || is_snapshot(level) {
            let mut commits = Commits::new(level, &self.txns);
            order.into_iter().try_for_each(|txn| commits.commit(txn))?;
        } else {
            return Err(Why::NoMethod(level).into());
        }
        Ok(())
    }

    fn violation(&self, level: Level, violation: &Violation, budget: &Budget<'_>) -> Result<(), Objection> {
        violation.ops.iter().try_for_each(|op| self.txn(*op).map(|_| ()))?;
        let Refutation::Cycle(edges) = &violation.refutation else {
            return self.exhaust(level, &violation.ops, budget);
        };
        if edges.is_empty() {
            return Err(Flaw::WrongForm(level).into());
        }
        let mut all_seen = true;
        for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
            if edge.to != next.from {
                return Err(Flaw::NotClosed(edge.to).into());
            }
            named(violation, edge.from)?;
            if !counts(level, edge.relation) {
                return Err(Flaw::Permitted(level).into());
            }
            all_seen &= self.edge(level, edge, budget)?;
        }
        if !is_serial(level) && edges.iter().any(|edge| edge.relation == Relation::ReadWrite) {
            let twice = |(edge, next): (&Edge, &Edge)| {
                edge.relation == Relation::ReadWrite && next.relation == Relation::ReadWrite
            };
            let in_a_row = edges.iter().zip(edges.iter().cycle().skip(1)).any(twice);
            if !is_snapshot(level) || in_a_row {
                return self.exhaust(level, &violation.ops, budget);
            }
        }
        if all_seen { Ok(()) } else { self.exhaust(level, &violation.ops, budget) }
    }

    /// Whether the history itself shows the edge; false if that cannot be told.
    fn edge(&self, level: Level, edge: &Edge, budget: &Budget<'_>) -> Result<bool, Objection> {
        let (from, to) = (self.txn(edge.from)?, self.txn(edge.to)?);
        let shown = match edge.relation {
            Relation::Session => Some(from.op.session == to.op.session && from.op.ret < to.op.call),
            Relation::RealTime => Some(self.history.precedes(from.id, to.id)),
            Relation::WriteRead => self.is_read_from(from, to),
            Relation::WriteWrite => self.is_overwritten(level, from, to, budget)?,
            Relation::ReadWrite => self.is_read_before(level, from, to, budget)?,
            Relation::Derived => None,
        };
        let Edge { from, to, relation, .. } = *edge;
        if shown == Some(false) {
            Err(Flaw::NoSuchEdge { from, to, relation }.into())
        } else {
            Ok(shown == Some(true))
        }
    }

    /// Whether `to` read what `from`, and nobody else, wrote.
    fn is_read_from(&self, from: &Txn<'_>, to: &Txn<'_>) -> Option<bool> {
        let mut is_seen = false;
        for mop in &to.mops {
            let Mop::Read(key, seen) = mop else { continue };
            for value in values_seen(seen).iter().filter(|value| from.wrote(key, value)) {
                is_seen = true;
                if from.id != to.id && self.writers[&(*key, value)].len() == 1 {
                    return Some(true);
                }
            }
        }
        if is_seen { None } else { Some(false) }
    }

    /// Whether `to` wrote a key after `from` had written it.
    fn is_overwritten(
        &self,
        level: Level,
        from: &Txn<'h>,
        to: &Txn<'h>,
        budget: &Budget<'_>,
    ) -> Result<Option<bool>, Objection> {
        let mut shares_key = false;
        for (key, value) in from.last_writes() {
            if !to.writes_key(key) || from.id == to.id {
                continue;
            }
            shares_key = true;
            if self.is_before(level, from, to) && is_certain(from) && is_certain(to) {
                return Ok(Some(true));
            }
            if self.comes_later(key, value, to, budget)? {
                return Ok(Some(true));
            }
        }
        Ok(if shares_key { None } else { Some(false) })
    }

    /// Whether `from` read a version of a key that `to` replaced by a later one.
    fn is_read_before(
        &self,
        level: Level,
        from: &Txn<'h>,
        to: &Txn<'h>,
        budget: &Budget<'_>,
    ) -> Result<Option<bool>, Objection> {
        let mut shares_key = false;
        for mop in &from.mops {
            let Mop::Read(key, seen) = *mop else { continue };
            if from.id != to.id && to.mops.iter().any(|mop| matches!(mop, Mop::Append(k, _) if *k == key)) {
                shares_key = true;
                if lacks(seen, key, to) && self.has_happened(to) {
                    return Ok(Some(true));
                }
            }
        }
        for (key, seen) in from.external_reads() {
            if !to.writes_key(key) || from.id == to.id || matches!(seen, Value::List(_)) {
                continue;
            }
            shares_key = true;
            let seen_values = values_seen(seen);
            let Some(value) = seen_values.first() else {
                let is_nil_written = self.writers.contains_key(&(key, &Value::Nil));
                if self.has_happened(to) && !is_nil_written {
                    return Ok(Some(true));
                }
                continue;
            };
            let Some(writer) = self.only_writer(key, value) else { continue };
            let in_order = writer.id != to.id && self.is_before(level, writer, to) && is_certain(to);
            if in_order || self.comes_later(key, value, to, budget)? {
                return Ok(Some(true));
            }
        }
        Ok(if shares_key { None } else { Some(false) })
    }

    /// Whether `to` wrote `key` after `value` had been written: by a list that shows both, or by transactions that each read the key
    /// and wrote it.
    fn comes_later(
        &self,
        key: &'h Value,
        value: &'h Value,
        to: &Txn<'h>,
        budget: &Budget<'_>,
    ) -> Result<bool, Objection> {
        let readers = self.readers.get(key).map_or(&[][..], Vec::as_slice);
        let (mut reached, mut next) = (vec![value], 0);
        while let Some(value) = reached.get(next).copied() {
            next += 1;
            budget.step(readers.len() as u64 + 1)?;
            if self.only_writer(key, value).is_none() {
                continue;
            }
            for reader in readers.iter().map(|at| &self.txns[*at as usize]).filter(|txn| is_certain(txn)) {
                for mop in &reader.mops {
                    let Mop::Read(k, seen) = *mop else { continue };
                    if k != key {
                        continue;
                    }
                    let Value::List(elements) = seen else { continue };
                    let Some(at) = elements.iter().position(|element| element == value) else { continue };
                    let is_later = |later: &Value| to.wrote(key, later) && self.is_only(key, later);
                    // What a list that shows the one lacks was appended later.
                    if elements[at + 1..].iter().any(is_later)
                        || (lacks(seen, key, to) && self.has_happened(to))
                    {
                        return Ok(true);
                    }
                }
                let overwrites = reader.external_reads().any(|read| read == (key, value));
                if !overwrites || !reader.writes_key(key) {
                    continue;
                }
                if reader.id == to.id {
                    return Ok(true);
                }
                let last = reader.last_writes().into_iter().find(|(k, _)| *k == key);
                reached.extend(last.map(|(_, value)| value).filter(|value| !reached.contains(value)));
            }
        }
        Ok(false)
    }

    /// Whether no order of these transactions explains them, and the rest of the history cannot help. If they lean on others, those are
    /// taken in.
    fn exhaust(&self, level: Level, ops: &[OpId], budget: &Budget<'_>) -> Result<(), Objection> {
        let named = ops.iter().filter_map(|op| self.txn(*op).ok());
        if named.filter(|txn| txn.is_certain()).any(|txn| txn.contradicts_itself()) {
            return Ok(());
        }
        if self.some_order(level, ops, budget)? {
            return Err(Flaw::OrderExists.into());
        }
        let keep = Keep::txns(self.history);
        if keep.is_closed(ops) {
            return Ok(());
        }
        let is_explained = self.some_order(level, &keep.with_support(ops), budget)?;
        if is_explained { Err(Why::NotClosed.into()) } else { Ok(()) }
    }

    /// Whether some order explains these transactions.
    fn some_order(&self, level: Level, ops: &[OpId], budget: &Budget<'_>) -> Result<bool, Objection> {
        let txns: Vec<Txn<'h>> = ops
            .iter()
            .filter_map(|op| self.txn(*op).ok())
            .filter(|txn| txn.op.outcome != Outcome::Fail)
            .cloned()
            .collect();
        let shape = Shape::new(
            txns.len(),
            |a, b| self.is_before(level, &txns[a], &txns[b]),
            |a| txns[a].is_certain(),
        )?;
        if is_weak(level) {
            shape.some_order(&Visible::new(level, &txns)?, budget)
        } else if is_serial(level) || is_snapshot(level) {
            shape.some_order(&Commits::new(level, &txns), budget)
        } else {
            Err(Why::NoMethod(level).into())
        }
    }

    /// Whether the level's own order puts one before the other.
    fn is_before(&self, level: Level, first: &Txn<'_>, second: &Txn<'_>) -> bool {
        let is_first = first.op.ret < second.op.call;
        let in_session = first.op.session == second.op.session && counts(level, Relation::Session);
        is_first && (in_session || (is_by_time(level) && self.history.order == Order::RealTime))
    }

    fn only_writer(&self, key: &Value, value: &Value) -> Option<&Txn<'h>> {
        match self.writers.get(&(key, value))?[..] {
            [only] => Some(&self.txns[only as usize]),
            _ => None,
        }
    }

    fn is_only(&self, key: &Value, value: &Value) -> bool {
        self.only_writer(key, value).is_some()
    }

    /// Whether it committed for sure, by its answer or because somebody read what it wrote.
    fn has_happened(&self, txn: &Txn<'_>) -> bool {
        let was_read = |(key, value): (&Value, &Value)| {
            let readers = self.readers.get(key).into_iter().flatten();
            let mut readers = readers.map(|at| &self.txns[*at as usize]).filter(|reader| reader.id != txn.id);
            self.is_only(key, value)
                && readers.any(|reader| {
                    reader.is_certain()
                        && reader.mops.iter().any(|mop| {
                            matches!(mop, Mop::Read(k, seen) if *k == key && values_seen(seen).contains(value))
                        })
                })
        };
        is_certain(txn)
            || (txn.op.outcome == Outcome::Info
                && txn.mops.iter().filter_map(|mop| mop.written()).any(was_read))
    }

    fn txn(&self, id: OpId) -> Result<&Txn<'h>, Flaw> {
        let place = self.places.get(id.at()).copied().flatten().ok_or(Flaw::NoSuchOp(id))?;
        Ok(&self.txns[place as usize])
    }
}

/// Whether a read shows none of what a transaction wrote to the key.
fn lacks(seen: &Value, key: &Value, txn: &Txn<'_>) -> bool {
    let seen = values_seen(seen);
    let mut written = txn.mops.iter().filter_map(|mop| mop.written());
    written.all(|(k, value)| k != key || !seen.contains(value))
}

fn is_certain(txn: &Txn<'_>) -> bool {
    txn.is_certain()
}

/// Whether edges of this kind bind the level's executions.
fn counts(level: Level, relation: Relation) -> bool {
    match relation {
        Relation::RealTime => is_by_time(level),
        Relation::Session => is_by_session(level) || level == Level::TransactionalCausal,
        _ => true,
    }
}
