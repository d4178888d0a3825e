//! Replays one order of operations per session.
//!
//! **Idea.** A view holds its session's operations with their results, and others' with their effects only. What it leaves out of another
//! session before something that it holds is put back just there, so that the view shows each session from its beginning; what it leaves
//! out at the end may follow its last operation, where nobody looks.
//!
//! Causal memory asks more: who sees an operation has seen its causes before. The causes of an operation are what its own session's
//! view holds before it: then the views themselves are the causal order. A looser set of causes serves for registers whose values are
//! written once: what its session did before, what it read from, and their causes (Ahamad et al. 1995).

use super::operations::Operations;
use super::replay::legal;
use super::{Flaw, Objection, Why};
use crate::history::{OpId, SessionId};
use crate::level::Level;
use crate::limits::Budget;
use crate::model::{Access, Item, Model};
use crate::verdict::{Relation, View};
use rustc_hash::FxHashMap;

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
    match (respected, sessions.causes_by_reads(operations)?) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(causes)) => Ok(sessions.respect(operations, &whole, &causes, budget)??),
        (Err(flaw), None) => Err(flaw.into()),
    }
}

/// Each session's operations, in its order.
struct Sessions {
    ops: Vec<Vec<OpId>>,
    /// By operation, its place within its session.
    places: Vec<u32>,
}

/// By operation, how many operations of each session are among its causes.
type Causes = Vec<Vec<u32>>;

impl Sessions {
    fn of<M: Model>(operations: &Operations<'_, M>) -> Sessions {
        let mut ops = vec![Vec::new(); operations.history.sessions.len()];
        let mut places = vec![0; operations.history.ops.len()];
        for item in &operations.items {
            let session: &mut Vec<OpId> = &mut ops[item.session.0 as usize];
            places[item.id.at()] = session.len() as u32;
            session.push(item.id);
        }
        Sessions { ops, places }
    }

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

    /// The causes of each operation are its session's earlier ones, the write that it read, and theirs; nothing if values do not tell, or
    /// if an operation causes itself.
    fn causes_by_reads<M: Model>(&self, operations: &Operations<'_, M>) -> Result<Option<Causes>, Flaw> {
        let Some(sources) = sources(operations) else { return Ok(None) };
        let mut causes: Causes = vec![Vec::new(); operations.history.ops.len()];
        let mut done = vec![0_usize; self.ops.len()];
        let mut left = operations.items.len();
        while left > 0 {
            let before = left;
            for (session, done) in done.iter_mut().enumerate() {
                while let Some(id) = self.ops[session].get(*done) {
                    let item = operations.item(*id)?;
                    let from = &sources[id.at()];
                    if from.iter().any(|write| causes[write.at()].is_empty()) {
                        break;
                    }
                    let mut all = vec![0; self.ops.len()];
                    let previous = done.checked_sub(1).map(|at| self.ops[session][at]);
                    for cause in from.iter().copied().chain(previous) {
                        join(&mut all, &causes[cause.at()]);
                        let of = operations.item(cause)?.session.0 as usize;
                        all[of] = all[of].max(self.places[cause.at()] + 1);
                    }
                    causes[item.id.at()] = all;
                    *done += 1;
                    left -= 1;
                }
            }
            if left == before {
                return Ok(None);
            }
        }
        Ok(Some(causes))
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

fn join(into: &mut [u32], other: &[u32]) {
    into.iter_mut().zip(other).for_each(|(a, b)| *a = (*a).max(*b));
}

/// By operation, the writes that it read from; nothing if the objects are no registers whose values are written once.
fn sources<M: Model>(operations: &Operations<'_, M>) -> Option<Vec<Vec<OpId>>> {
    let mut writers: FxHashMap<(u32, u32), OpId> = FxHashMap::default();
    let mut all = Vec::with_capacity(operations.items.len());
    for item in &operations.items {
        let accesses = accesses(operations, item)?;
        for access in &accesses {
            let Access::Write { object, value } = access else { continue };
            if writers.insert((*object, *value), item.id).is_some() {
                return None;
            }
        }
        all.push((item.id, accesses));
    }
    let mut sources = vec![Vec::new(); operations.history.ops.len()];
    for (id, accesses) in all {
        for access in accesses {
            let Access::Read { object, value: Some(value) } = access else { continue };
            sources[id.at()].push(*writers.get(&(object, value))?);
        }
    }
    Some(sources)
}

fn accesses<M: Model>(operations: &Operations<'_, M>, item: &Item<M::Call>) -> Option<Vec<Access>> {
    let mut accesses = Vec::new();
    let is_told = operations.model.accesses(&item.call, item.certain, &mut accesses);
    let is_register =
        accesses.iter().all(|access| matches!(access, Access::Read { .. } | Access::Write { .. }));
    (is_told && is_register).then_some(accesses)
}
