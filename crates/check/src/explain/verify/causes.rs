//! Causal consistency and causal convergence, from the causes that values tell.
//!
//! **Causal (CC):** an operation must not have, among its causes, a write of what it read that has the write it read from among its own
//! causes, nor any write if it read the initial value. **Convergence (CCv):** one order of all operations respects causes, and of the
//! writes of what an operation read, those among its causes, the one that it read from comes last.
//!
//! Source: Bouajjani et al. 2017, §4.2 and §5. An operation that reads several objects may contradict itself in ways that only a search
//! finds; for those causal consistency is left unconfirmed.

use super::facts::{Causes, Cell, Facts, Sessions};
use super::operations::Operations;
use super::{Flaw, Objection, Why};
use crate::history::OpId;
use crate::level::Level;
use crate::limits::Budget;
use crate::model::Model;
use crate::verdict::Relation;
use rustc_hash::FxHashMap;

/// All that is asked of the causes.
pub struct Known {
    session_of: Vec<usize>,
    sessions: Sessions,
    facts: Facts,
    causes: Causes,
    /// By cell and session, who writes it, in the session's order.
    writers: FxHashMap<(Cell, usize), Vec<OpId>>,
}

impl Known {
    /// Reads it off.
    ///
    /// # Errors
    /// If values do not tell, an operation read what nobody wrote, or one is among its own causes.
    pub fn of<M: Model>(
        operations: &Operations<'_, M>,
        level: Level,
        budget: &Budget<'_>,
    ) -> Result<Known, Objection> {
        let sessions = Sessions::of(operations);
        let facts = Facts::of(operations, budget)?.ok_or(Why::NoMethod(level))?;
        let session_of = |id: OpId| operations.history.op(id).session.0 as usize;
        let first = operations.items.first().map_or(OpId(0), |item| item.id);
        let causes = facts.causes(&sessions, &session_of).ok_or(Flaw::Illegal(first))?;
        let mut writers: FxHashMap<(Cell, usize), Vec<OpId>> = FxHashMap::default();
        for item in &operations.items {
            for cell in &facts.writes[item.id.at()] {
                writers.entry((*cell, session_of(item.id))).or_default().push(item.id);
            }
        }
        let session_of = operations.history.ops.iter().map(|op| op.session.0 as usize).collect();
        Ok(Known { session_of, sessions, facts, causes, writers })
    }

    /// Whether `a` is among the causes of `b`.
    pub fn is_cause(&self, a: OpId, b: OpId) -> bool {
        self.sessions.places[a.at()] < self.causes[b.at()][self.session_of[a.at()]]
    }

    /// Of each session the last write of the cell among the causes of an operation.
    fn last_writes(&self, of: OpId, cell: Cell) -> impl Iterator<Item = OpId> {
        self.causes[of.at()].iter().enumerate().filter_map(move |(session, count)| {
            let writers = self.writers.get(&(cell, session))?;
            let known = writers.partition_point(|write| self.sessions.places[write.at()] < *count);
            known.checked_sub(1).map(|last| writers[last])
        })
    }
}

/// Whether the history is causally consistent.
pub fn causal<M: Model>(operations: &Operations<'_, M>, budget: &Budget<'_>) -> Result<(), Objection> {
    let known = Known::of(operations, Level::Causal, budget)?;
    let mut is_plain = true;
    for item in &operations.items {
        let reads = &known.facts.reads[item.id.at()];
        is_plain &= reads.len() < 2;
        for (cell, source) in reads {
            budget.step(known.sessions.ops.len() as u64)?;
            for write in known.last_writes(item.id, *cell).filter(|write| Some(*write) != *source) {
                if source.is_none_or(|from| known.is_cause(from, write)) {
                    return Err(Flaw::Illegal(item.id).into());
                }
            }
        }
    }
    if is_plain { Ok(()) } else { Err(Why::NoMethod(Level::Causal).into()) }
}

/// Whether the order shows causal convergence.
pub fn convergence<M: Model>(
    operations: &Operations<'_, M>,
    order: &[OpId],
    budget: &Budget<'_>,
) -> Result<(), Objection> {
    let known = Known::of(operations, Level::CausalConvergence, budget)?;
    let mut places: Vec<Option<usize>> = vec![None; operations.history.ops.len()];
    let mut shown = vec![0_u32; known.sessions.ops.len()];
    for (place, id) in order.iter().enumerate() {
        let session = operations.item(*id)?.session.0 as usize;
        if places[id.at()].replace(place).is_some() {
            return Err(Flaw::Twice(*id).into());
        }
        budget.step(shown.len() as u64)?;
        if let Some(of) = shown.iter().zip(&known.causes[id.at()]).position(|(shown, cause)| shown < cause) {
            let second = known.sessions.ops[of][shown[of] as usize];
            return Err(Flaw::OutOfOrder { first: *id, second, relation: Relation::Derived }.into());
        }
        shown[session] = known.sessions.places[id.at()] + 1;
    }
    if let Some(item) = operations.items.iter().find(|item| item.certain && places[item.id.at()].is_none()) {
        return Err(Flaw::Missing(item.id).into());
    }
    for item in &operations.items {
        for (cell, source) in &known.facts.reads[item.id.at()] {
            budget.step(known.sessions.ops.len() as u64)?;
            let source_place = source.and_then(|from| places[from.at()]);
            for write in known.last_writes(item.id, *cell) {
                if places[write.at()] > source_place {
                    return Err(Flaw::Illegal(item.id).into());
                }
            }
        }
    }
    Ok(())
}
