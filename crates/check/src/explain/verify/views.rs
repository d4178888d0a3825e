//! Replays one order of operations per session.
//!
//! **Idea.** A view holds its session's operations with their results, and others' with their effects only. What it leaves out of another
//! session before something that it holds is put back just there, so that the view shows each session from its beginning; what it leaves
//! out at the end may follow its last operation, where nobody looks.
//!
//! Causal memory asks more: who sees an operation has seen its causes before. The causes of an operation are what its own session's
//! view holds before it: then the views themselves are the causal order. A looser set of causes serves for registers whose values are
//! written once: what its session did before, what it read from, and their causes (Ahamad et al. 1995).

use super::facts::{Causes, Facts, Sessions};
use super::operations::Operations;
use super::replay::legal;
use super::{Flaw, Objection, Why};
use crate::history::{OpId, SessionId};
use crate::level::Level;
use crate::limits::Budget;
use crate::model::Model;
use crate::verdict::{Relation, View};

/// Whether the views show that the level holds.
pub fn views<M: Model>(
    operations: &Operations<'_, M>,
    level: Level,
    views: &[View],
    budget: &Budget<'_>,
) -> Result<(), Objection> {
    match level {
        Level::Pram | Level::CausalMemory => {}
        Level::Linearizable | Level::Sequential => return Err(Flaw::WrongForm(level).into()),
        _ => return Err(Why::NoMethod(level).into()),
    }
    let sessions = Sessions::of(operations);
    let mut given: Vec<Option<&View>> = vec![None; sessions.ops.len()];
    for view in views {
        let slot = given.get_mut(view.session.0 as usize).ok_or(Flaw::WrongForm(level))?;
        if view.op.is_some() || slot.replace(view).is_some() {
            return Err(Flaw::WrongForm(level).into());
        }
    }
    let mut whole = Vec::with_capacity(given.len());
    for (at, view) in given.into_iter().enumerate() {
        let session = SessionId(at as u32);
        // Whoever is given no view is shown to need nobody else.
        let order = view.map_or(&sessions.ops[at][..], |view| &view.order);
        budget.step(order.len() as u64)?;
        let order = sessions.complete(operations, session, order)?;
        legal(operations, &order, &|item| item.certain && item.session == session)?;
        whole.push(order);
    }
    if level == Level::Pram {
        return Ok(());
    }
    let by_views = sessions.causes_by_views(operations, &whole)?;
    let respected = sessions.respect(operations, &whole, &by_views, budget)?;
    if respected.is_ok() {
        return Ok(());
    }
    let facts = Facts::of(operations, budget)?.ok_or(Why::NoMethod(level))?;
    let session_of = |id: OpId| operations.history.op(id).session.0 as usize;
    match facts.causes(&sessions, &session_of) {
        Some(causes) => Ok(sessions.respect(operations, &whole, &causes, budget)??),
        None => Ok(respected?),
    }
}

impl Sessions {
    /// The view with all that it must hold.
    fn complete<M: Model>(
        &self,
        operations: &Operations<'_, M>,
        session: SessionId,
        order: &[OpId],
    ) -> Result<Vec<OpId>, Flaw> {
        let mut shown = vec![0_usize; self.ops.len()];
        let mut whole = Vec::with_capacity(order.len());
        for id in order {
            let item = operations.item(*id)?;
            let of = item.session.0 as usize;
            let place = self.places[id.at()] as usize;
            if place + 1 == shown[of] {
                return Err(Flaw::Twice(*id));
            }
            if place < shown[of] {
                let first = self.ops[of][shown[of] - 1];
                return Err(Flaw::OutOfOrder { first, second: *id, relation: Relation::Session });
            }
            if item.session == session && place != shown[of] {
                return Err(Flaw::Missing(self.ops[of][shown[of]]));
            }
            whole.extend(&self.ops[of][shown[of]..=place]);
            shown[of] = place + 1;
        }
        let own = session.0 as usize;
        for id in &self.ops[own][shown[own]..] {
            if operations.item(*id)?.certain {
                return Err(Flaw::Missing(*id));
            }
        }
        Ok(whole)
    }

    /// The causes of each operation are what its session's view shows before it.
    fn causes_by_views<M: Model>(
        &self,
        operations: &Operations<'_, M>,
        views: &[Vec<OpId>],
    ) -> Result<Causes, Flaw> {
        let mut causes = vec![Vec::new(); operations.history.ops.len()];
        for (session, view) in views.iter().enumerate() {
            let mut shown = vec![0; self.ops.len()];
            for id in view {
                let of = operations.item(*id)?.session.0 as usize;
                if of == session {
                    causes[id.at()] = shown.clone();
                }
                shown[of] = self.places[id.at()] + 1;
            }
        }
        Ok(causes)
    }

    /// Whether each view shows the causes of what it shows, and before it.
    fn respect<M: Model>(
        &self,
        operations: &Operations<'_, M>,
        views: &[Vec<OpId>],
        causes: &Causes,
        budget: &Budget<'_>,
    ) -> Result<Result<(), Flaw>, Objection> {
        for view in views {
            let mut shown = vec![0; self.ops.len()];
            budget.step((view.len() * self.ops.len()) as u64)?;
            for id in view {
                let wanting = shown.iter().zip(&causes[id.at()]).position(|(shown, cause)| shown < cause);
                if let Some(of) = wanting {
                    let second = self.ops[of][shown[of] as usize];
                    let relation = Relation::Derived;
                    return Ok(Err(Flaw::OutOfOrder { first: *id, second, relation }));
                }
                shown[operations.item(*id)?.session.0 as usize] = self.places[id.at()] + 1;
            }
        }
        Ok(Ok(()))
    }
}
