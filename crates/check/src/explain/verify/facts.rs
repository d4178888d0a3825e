//! Who read from whom, and what caused what, where values tell.
//!
//! **Idea.** If each value of a register is written once, a read names the write that it saw. A set whose elements are added once is a
//! register per element. The causes of an operation are its session's earlier operations, what it read from, and their causes;
//! they are told by one number per session, since whoever is a cause brings its session's beginning.
//!
//! **Invariant:** facts are given only if every operation tells its values, every write is one whatever state it finds, and no value that
//! was read has two writers. For such histories these are the least causes that any execution can have (Bouajjani et al. 2017, §4).

use super::operations::Operations;
use super::{Flaw, Objection};
use crate::history::OpId;
use crate::limits::Budget;
use crate::model::{Access, Item, Model};
use rustc_hash::{FxHashMap, FxHashSet};

/// Each session's operations, in its order.
pub struct Sessions {
    /// By session.
    pub ops: Vec<Vec<OpId>>,
    /// By operation, its place within its session.
    pub places: Vec<u32>,
}

impl Sessions {
    /// All operations that did or may have happened.
    pub fn of<M: Model>(operations: &Operations<'_, M>) -> Sessions {
        let mut ops = vec![Vec::new(); operations.history.sessions.len()];
        let mut places = vec![0; operations.history.ops.len()];
        for item in &operations.items {
            let session: &mut Vec<OpId> = &mut ops[item.session.0 as usize];
            places[item.id.at()] = session.len() as u32;
            session.push(item.id);
        }
        Sessions { ops, places }
    }
}

/// An object, or an element of a set.
pub type Cell = (u32, Option<u32>);

/// Who read from whom.
pub struct Facts {
    /// By operation: what it read, and from which write; none for the initial value.
    pub reads: Vec<Vec<(Cell, Option<OpId>)>>,
    /// By operation: what it wrote.
    pub writes: Vec<Vec<Cell>>,
}

/// By operation, how many operations of each session are among its causes.
pub type Causes = Vec<Vec<u32>>;

impl Facts {
    /// Reads them off; nothing if values do not tell.
    ///
    /// # Errors
    /// If an operation read what nobody wrote, or the budget is exhausted.
    pub fn of<M: Model>(
        operations: &Operations<'_, M>,
        budget: &Budget<'_>,
    ) -> Result<Option<Facts>, Objection> {
        let count = operations.history.ops.len();
        let mut writers: FxHashMap<(Cell, u32), Option<OpId>> = FxHashMap::default();
        let mut elements: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut facts = Facts { reads: vec![Vec::new(); count], writes: vec![Vec::new(); count] };
        let mut told = Vec::with_capacity(operations.items.len());
        for item in &operations.items {
            let Some(accesses) = sure_accesses(operations, item) else { return Ok(None) };
            for access in &accesses {
                let (cell, value) = match access {
                    Access::Write { object, value } => ((*object, None), *value),
                    Access::Add { object, value } => ((*object, Some(*value)), *value),
                    _ => continue,
                };
                // Of several writers none can be told from the others.
                let others = writers.contains_key(&(cell, value));
                writers.insert((cell, value), (!others).then_some(item.id));
                if let (object, Some(element)) = cell {
                    elements.entry(object).or_default().push(element);
                }
                facts.writes[item.id.at()].push(cell);
            }
            told.push((item.id, accesses));
        }
        for (id, accesses) in told {
            let reads = &mut facts.reads[id.at()];
            for access in accesses {
                match access {
                    Access::Read { object, value: None } => reads.push(((object, None), None)),
                    Access::Read { object, value: Some(value) } => {
                        let cell = (object, None);
                        let Some(writer) = writers.get(&(cell, value)).ok_or(Flaw::Illegal(id))? else {
                            return Ok(None);
                        };
                        reads.push((cell, Some(*writer)));
                    }
                    Access::Saw { object, values, .. } => {
                        let seen: FxHashSet<u32> = values.iter().copied().collect();
                        let known = elements.get(&object).map_or(&[][..], Vec::as_slice);
                        budget.step(known.len() as u64 + 1)?;
                        let is_known = |value: &u32| writers.contains_key(&((object, Some(*value)), *value));
                        if !seen.iter().all(is_known) {
                            return Err(Flaw::Illegal(id).into());
                        }
                        for element in known {
                            let cell = (object, Some(*element));
                            let Some(writer) = writers[&(cell, *element)] else { return Ok(None) };
                            reads.push((cell, seen.contains(element).then_some(writer)));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(facts))
    }

    /// The causes of each operation; nothing if one is among its own.
    pub fn causes(&self, sessions: &Sessions, session_of: &dyn Fn(OpId) -> usize) -> Option<Causes> {
        let mut causes: Causes = vec![Vec::new(); self.reads.len()];
        let mut done = vec![0_usize; sessions.ops.len()];
        let mut left: usize = sessions.ops.iter().map(Vec::len).sum();
        while left > 0 {
            let before = left;
            for (session, done) in done.iter_mut().enumerate() {
                while let Some(id) = sessions.ops[session].get(*done) {
                    let from = || self.reads[id.at()].iter().filter_map(|(_, write)| *write);
                    if from().any(|write| causes[write.at()].is_empty()) {
                        break;
                    }
                    let mut all = vec![0; sessions.ops.len()];
                    let previous = done.checked_sub(1).map(|at| sessions.ops[session][at]);
                    for cause in from().chain(previous) {
                        let pairs = all.iter_mut().zip(&causes[cause.at()]);
                        pairs.for_each(|(a, b)| *a = (*a).max(*b));
                        let of = session_of(cause);
                        all[of] = all[of].max(sessions.places[cause.at()] + 1);
                    }
                    causes[id.at()] = all;
                    *done += 1;
                    left -= 1;
                }
            }
            if left == before {
                return None;
            }
        }
        Some(causes)
    }
}

/// What an operation reads and writes, if it says all and its writes are the same whatever it finds.
fn sure_accesses<M: Model>(operations: &Operations<'_, M>, item: &Item<M::Call>) -> Option<Vec<Access>> {
    let (mut accesses, mut blind) = (Vec::new(), Vec::new());
    let is_told = operations.model.accesses(&item.call, item.certain, &mut accesses)
        && operations.model.accesses(&item.call, false, &mut blind);
    let is_write = |access: &&Access| matches!(access, Access::Write { .. } | Access::Add { .. });
    let is_sure = accesses.iter().filter(is_write).eq(blind.iter().filter(is_write));
    let is_plain = accesses.iter().all(|access| match access {
        Access::Read { .. } | Access::Write { .. } | Access::Add { .. } => true,
        Access::Saw { ordered, .. } => !ordered,
        _ => false,
    });
    (is_told && is_sure && is_plain).then_some(accesses)
}
