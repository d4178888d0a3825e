//! Cuts a history down to what a violation takes.
//!
//! **Problem.** A checker names operations that contradict one another, often many more than needed, and a person wants to see three.
//!
//! **Idea.** Remove some, ask again, and keep what still fails: first everything after the moment of failure, then whole keys, processes
//! and sessions, then halves, quarters, … and in the end one at a time (delta debugging, Zeller & Hildebrandt 2002). The question is the
//! caller's, so that this works for every model and level.
//!
//! **Removal.** To remove an operation is to say that it never happened. That may make up a violation: without its write, a read is
//! of a value that nobody wrote. Two things prevent it: [`Keep`] lets go whoever leans on what was removed, so that a part that
//! violates a level proves that the whole does; and the caller should ask for the same anomaly by name, not for any violation.
//!
//! **Invariant:** what is returned was confirmed by the caller's question, or is the start itself. Ids are those of the history given.

use super::keep::Keep;
use crate::history::{History, Op, OpId};
use crate::limits::{Budget, Exhausted};
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// What is left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shrunk {
    /// Operations that still violate, ascending.
    pub ops: Vec<OpId>,
    /// Whether the violation goes if any one of them goes (with those that lean on it).
    pub is_minimal: bool,
    /// How often the question was asked.
    pub tries: usize,
}

/// Shrinks to a minimal part that still violates.
///
/// Starts from `ops` with what they lean on if that violates by itself, else from the whole history. `still_violates` is asked with
/// [`History::restrict`]ed histories; it should demand the same anomaly. Each question costs as many steps of the budget as it
/// has operations; when the budget ends, the best so far is returned.
pub fn shrink(
    history: &History,
    ops: &[OpId],
    keep: &Keep,
    still_violates: &mut dyn FnMut(&History) -> bool,
    budget: &Budget<'_>,
) -> Shrunk {
    let best: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
    let mut search = Search { history, keep, still_violates, budget, best, tries: 0 };
    let is_minimal = search.run(ops).is_ok_and(|found| found);
    Shrunk { ops: search.best, is_minimal, tries: search.tries }
}

struct Search<'s, 'b> {
    history: &'s History,
    keep: &'s Keep,
    still_violates: &'s mut dyn FnMut(&History) -> bool,
    budget: &'s Budget<'b>,
    /// The smallest part known to violate.
    best: Vec<OpId>,
    tries: usize,
}

impl Search<'_, '_> {
    /// Whether a minimum was reached.
    fn run(&mut self, core: &[OpId]) -> Result<bool, Exhausted> {
        let core = self.keep.with_support(core);
        if core.is_empty() || !self.take(&core)? {
            let all = self.best.clone();
            if !self.asks(&all)? {
                return Ok(false);
            }
            self.shortest_prefix()?;
            self.without_groups(|op| op.key.clone())?;
            self.without_groups(|op| op.process)?;
            self.without_groups(|op| op.session)?;
        }
        let single: Vec<Vec<OpId>> = self.best.iter().map(|id| vec![*id]).collect();
        self.halves(single)?;
        self.one_by_one()?;
        Ok(true)
    }

    /// The shortest beginning that violates. What fails by its tenth operation fails by its hundredth too, unless an operation that came
    /// later helps; then the search ends at some beginning that violates.
    fn shortest_prefix(&mut self) -> Result<(), Exhausted> {
        let all = self.best.clone();
        let (mut passes, mut fails) = (0, all.len());
        while fails - passes > 1 {
            let middle = usize::midpoint(passes, fails);
            if self.take(&self.keep.closed_part(&all[..middle]))? { fails = middle } else { passes = middle }
        }
        Ok(())
    }

    /// Without those operations that share a key, process or session with none that is needed.
    fn without_groups<G: Eq + Hash>(&mut self, group: impl Fn(&Op) -> G) -> Result<(), Exhausted> {
        let mut places: FxHashMap<G, usize> = FxHashMap::default();
        let mut groups: Vec<Vec<OpId>> = Vec::new();
        for id in &self.best {
            let place = *places.entry(group(self.history.op(*id))).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(*id);
        }
        self.halves(groups)
    }

    /// Pieces of a list of groups are taken out, ever smaller ones, as long as any comes out.
    fn halves(&mut self, mut groups: Vec<Vec<OpId>>) -> Result<(), Exhausted> {
        let mut size = groups.len().div_ceil(2);
        while groups.len() > 1 {
            let (mut at, mut is_smaller) = (0, false);
            while at < groups.len() {
                let mut out: Vec<OpId> = groups.iter().skip(at).take(size).flatten().copied().collect();
                out.sort_unstable();
                let mut rest = self.best.clone();
                rest.retain(|id| out.binary_search(id).is_err());
                if self.take(&self.keep.closed_part(&rest))? {
                    is_smaller = true;
                    let best = &self.best;
                    groups.retain_mut(|group| {
                        group.retain(|id| best.binary_search(id).is_ok());
                        !group.is_empty()
                    });
                } else {
                    at += size;
                }
            }
            if size == 1 && !is_smaller {
                break;
            }
            size = size.div_ceil(2).min(groups.len().div_ceil(2)).max(1);
        }
        Ok(())
    }

    /// No single operation can go any more. Later ones first: they lean on earlier ones.
    fn one_by_one(&mut self) -> Result<(), Exhausted> {
        let mut unchanged = 0;
        let mut at = self.best.len();
        while unchanged < self.best.len() {
            at = if at == 0 { self.best.len() - 1 } else { (at - 1).min(self.best.len() - 1) };
            let mut rest = self.best.clone();
            rest.remove(at);
            unchanged = if self.take(&self.keep.closed_part(&rest))? { 0 } else { unchanged + 1 };
        }
        Ok(())
    }

    /// Makes `ops` the best if they are fewer and violate.
    fn take(&mut self, ops: &[OpId]) -> Result<bool, Exhausted> {
        let is_better = ops.len() < self.best.len() && !ops.is_empty() && self.asks(ops)?;
        if is_better {
            self.best = ops.to_vec();
        }
        Ok(is_better)
    }

    fn asks(&mut self, ops: &[OpId]) -> Result<bool, Exhausted> {
        self.budget.step(ops.len() as u64)?;
        self.budget.poll()?;
        self.tries += 1;
        Ok((self.still_violates)(&self.history.restrict(ops)))
    }
}
