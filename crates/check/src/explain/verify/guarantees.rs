//! The four session guarantees, each session with an order of all writes.
//!
//! **Idea.** An operation sees what it read from and what the guarantee makes it see, no more: to see more only adds conditions. What it
//! reads must be the last of what it sees in its session's order.
//!
//! | guarantee | an operation also sees | and the order keeps |
//! |---|---|---|
//! | read your writes | its session's earlier writes | its own session's order of writes |
//! | monotonic reads | what its session's earlier operations saw | |
//! | monotonic writes | earlier writes of whoever's write it sees | each session's order of writes |
//! | writes follow reads | what the session of a write that it sees had read until then | those reads' sources before the write |
//!
//! Source: Terry et al. 1994, with `level.rs`'s one view per session.

use super::facts::{Cell, Facts, Sessions};
use super::operations::Operations;
use super::{Flaw, Objection, Why};
use crate::history::{OpId, SessionId};
use crate::level::Level;
use crate::limits::Budget;
use crate::model::Model;
use crate::verdict::{Relation, View};
use rustc_hash::FxHashSet;

/// Whether this is one of the four.
pub fn is_guarantee(level: Level) -> bool {
    use Level::{MonotonicReads, MonotonicWrites, ReadYourWrites, WritesFollowReads};
    matches!(level, MonotonicReads | MonotonicWrites | ReadYourWrites | WritesFollowReads)
}

/// What the guarantees are checked on.
pub struct Guarantees<'o, 'h, M: Model> {
    operations: &'o Operations<'h, M>,
    sessions: Sessions,
    facts: Facts,
    level: Level,
}

impl<'o, 'h, M: Model> Guarantees<'o, 'h, M> {
    /// Reads off who read from whom.
    ///
    /// # Errors
    /// If values do not tell.
    pub fn of(
        operations: &'o Operations<'h, M>,
        level: Level,
        budget: &Budget<'_>,
    ) -> Result<Self, Objection> {
        let facts = Facts::of(operations, budget)?.ok_or(Why::NoMethod(level))?;
        Ok(Guarantees { operations, sessions: Sessions::of(operations), facts, level })
    }

    /// Whether each session's view shows that the guarantee was kept.
    ///
    /// # Errors
    /// If not, or if the budget is exhausted.
    pub fn views(&self, views: &[View], budget: &Budget<'_>) -> Result<(), Objection> {
        let mut has_view = vec![false; self.sessions.ops.len()];
        for view in views {
            let slot = has_view.get_mut(view.session.0 as usize).ok_or(Flaw::WrongForm(self.level))?;
            if view.op.is_some() || std::mem::replace(slot, true) {
                return Err(Flaw::WrongForm(self.level).into());
            }
            self.view(view.session, &view.order, budget)?;
        }
        let missing = has_view.iter().zip(&self.sessions.ops).find(|(has, ops)| !**has && !ops.is_empty());
        missing.map_or(Ok(()), |(_, ops)| Err(Flaw::Missing(ops[0]).into()))
    }

    /// Whether one session's order of writes shows it.
    ///
    /// # Errors
    /// If not, or if the budget is exhausted.
    pub fn view(&self, session: SessionId, order: &[OpId], budget: &Budget<'_>) -> Result<(), Objection> {
        let places = self.places(order)?;
        self.keeps_order(session, order, &places, budget)?;
        let mut seen: FxHashSet<OpId> = FxHashSet::default();
        for id in &self.sessions.ops[session.0 as usize] {
            let reads = &self.facts.reads[id.at()];
            let sources = reads.iter().filter_map(|(_, source)| *source);
            match self.level {
                Level::MonotonicReads => seen.extend(sources),
                Level::ReadYourWrites => {}
                _ => seen = self.closure(sources.collect(), budget)?,
            }
            for (cell, source) in reads {
                let own = reads.iter().filter_map(|(_, source)| source.as_ref());
                budget.step((seen.len() + reads.len()) as u64)?;
                let newest = seen.iter().chain(own).filter(|write| self.writes(**write, *cell));
                let newest =
                    newest.filter(|write| **write != *id).filter_map(|write| places[write.at()]).max();
                let is_own_later = source.is_some_and(|from| {
                    let of = self.operations.history.op(from).session;
                    of == session && self.sessions.places[from.at()] >= self.sessions.places[id.at()]
                });
                if newest != source.and_then(|from| places[from.at()]) || is_own_later {
                    return Err(Flaw::Illegal(*id).into());
                }
            }
            if self.level == Level::ReadYourWrites && !self.facts.writes[id.at()].is_empty() {
                seen.insert(*id);
            }
        }
        Ok(())
    }

    /// All operations that write.
    pub fn all_writes(&self) -> Vec<OpId> {
        let items = self.operations.items.iter().map(|item| item.id);
        items.filter(|id| !self.facts.writes[id.at()].is_empty()).collect()
    }

    fn writes(&self, id: OpId, cell: Cell) -> bool {
        self.facts.writes[id.at()].contains(&cell)
    }

    /// By operation its place in the order, which holds all writes.
    fn places(&self, order: &[OpId]) -> Result<Vec<Option<usize>>, Flaw> {
        let mut places: Vec<Option<usize>> = vec![None; self.operations.history.ops.len()];
        for (place, id) in order.iter().enumerate() {
            self.operations.item(*id)?;
            if places[id.at()].replace(place).is_some() {
                return Err(Flaw::Twice(*id));
            }
        }
        let mut items = self.operations.items.iter();
        let missing =
            items.find(|item| !self.facts.writes[item.id.at()].is_empty() && places[item.id.at()].is_none());
        missing.map_or(Ok(places), |item| Err(Flaw::Missing(item.id)))
    }

    /// The order that the guarantee itself demands of all writes.
    fn keeps_order(
        &self,
        session: SessionId,
        order: &[OpId],
        places: &[Option<usize>],
        budget: &Budget<'_>,
    ) -> Result<(), Objection> {
        let mut last: Vec<Option<OpId>> = vec![None; self.sessions.ops.len()];
        for id in order {
            let of = self.operations.item(*id)?.session.0 as usize;
            let place = self.sessions.places[id.at()];
            budget.step(1)?;
            let is_own = self.level == Level::ReadYourWrites && of == session.0 as usize;
            if is_own || self.level == Level::MonotonicWrites {
                if let Some(first) = last[of].filter(|last| self.sessions.places[last.at()] > place) {
                    let relation = Relation::Session;
                    return Err(Flaw::OutOfOrder { first, second: *id, relation }.into());
                }
                last[of] = Some(*id);
            }
        }
        if self.level != Level::WritesFollowReads {
            return Ok(());
        }
        for ops in &self.sessions.ops {
            let mut newest: Option<OpId> = None;
            for id in ops {
                let sources = self.facts.reads[id.at()].iter().filter_map(|(_, source)| *source);
                newest = newest.into_iter().chain(sources).max_by_key(|from| places[from.at()]);
                if let Some(second) = newest.filter(|from| {
                    !self.facts.writes[id.at()].is_empty() && places[from.at()] > places[id.at()]
                }) {
                    return Err(Flaw::OutOfOrder { first: *id, second, relation: Relation::WriteRead }.into());
                }
            }
        }
        Ok(())
    }

    /// What an operation sees that sees these writes.
    fn closure(&self, sources: Vec<OpId>, budget: &Budget<'_>) -> Result<FxHashSet<OpId>, Objection> {
        let mut seen = FxHashSet::default();
        let mut next = sources;
        // By session, how many of its operations were followed.
        let mut followed = vec![0_usize; self.sessions.ops.len()];
        while let Some(write) = next.pop() {
            budget.step(1)?;
            if !seen.insert(write) {
                continue;
            }
            let of = self.operations.item(write)?.session.0 as usize;
            let until = self.sessions.places[write.at()] as usize + 1;
            for id in self.sessions.ops[of].iter().take(until).skip(followed[of]) {
                budget.step(1)?;
                match self.level {
                    Level::MonotonicWrites if !self.facts.writes[id.at()].is_empty() => next.push(*id),
                    Level::WritesFollowReads => {
                        next.extend(self.facts.reads[id.at()].iter().filter_map(|(_, source)| *source));
                    }
                    _ => {}
                }
            }
            followed[of] = followed[of].max(until);
        }
        Ok(seen)
    }
}
