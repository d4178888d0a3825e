//! Tells why there is no order.
//!
//! **Idea.** A search that failed knows a return that no order passes. What was called after it had no part in that. The longest order up
//! to there leads to a state in which nothing that is open can give its result; the operation that returns is the one to
//! blame, and what it says about values tells by which name.

use super::end::Dead;
use super::machine::Machine;
use super::timeline::Timeline;
use crate::history::OpId;
use crate::limits::Exhausted;
use crate::model::{Access, Item, Model};
use crate::verdict::{Refutation, Stuck, Violation};

const STALE: &str = "stale read";
const NOBODY: &str = "read of a value that nobody wrote";
const OTHERWISE: &str = "not linearizable";

/// The violation that a dead end proves, without the name of its object.
pub fn violation<M: Model>(
    model: &M,
    items: &[Item<M::Call>],
    timeline: &Timeline<'_>,
    machine: &mut Machine<'_, M>,
    dead: Dead,
) -> Result<Violation, Exhausted> {
    let item = |op: u32| &items[timeline.items[op as usize] as usize];
    let blamed = timeline.returns[dead.front as usize];
    let called = timeline.called[dead.front as usize];
    let (order, open, state) = extend(timeline, machine, dead.order, called)?;
    let state = machine.show(state);
    let blocked = |op: &u32| (item(*op).id, format!("its result is impossible when the state is {state}"));
    let ids = |ops: &[u32]| -> Vec<OpId> { ops.iter().map(|op| item(*op).id).collect() };
    let all: Vec<u32> = (0..called).collect();
    let mut ops = ids(&all);
    ops.sort_unstable();
    let (anomaly, because) = name(model, items, item(blamed));
    let reason = format!(
        "operation {} had to take effect before it returned, and cannot: {because}after the {} operations that can be put in \
         order the state is {state}, in which its result is impossible, and nothing open at that time changes this",
        item(blamed).id.0,
        order.len(),
    );
    let stuck = Stuck {
        scope: String::new(),
        order: ids(&order),
        blocked: open.iter().map(blocked).collect(),
        state,
    };
    Ok(Violation { anomaly, ops, reason, refutation: Refutation::Stuck(stuck) })
}

/// Adds to an order what else surely happened, was called, and can be next, the earliest return first. Gives the order, what is
/// left, and the state.
fn extend<M: Model>(
    timeline: &Timeline<'_>,
    machine: &mut Machine<'_, M>,
    mut order: Vec<u32>,
    called: u32,
) -> Result<(Vec<u32>, Vec<u32>, u32), Exhausted> {
    let mut is_placed = vec![false; called as usize];
    let mut state = super::machine::INITIAL;
    for op in &order {
        is_placed[*op as usize] = true;
        state = machine.step(state, *op)?.expect("the search placed it");
    }
    let mut open: Vec<u32> =
        (0..called).filter(|op| timeline.is_certain(*op) && !is_placed[*op as usize]).collect();
    open.sort_by_key(|op| timeline.rank[*op as usize]);
    let mut at = 0;
    while let Some(op) = open.get(at) {
        match machine.step(state, *op)? {
            Some(next) => {
                state = next;
                order.push(open.remove(at));
                at = 0;
            }
            None => at += 1,
        }
    }
    Ok((order, open, state))
}

/// The anomaly that an operation shows, and a clause that says why, or none.
fn name<M: Model>(model: &M, items: &[Item<M::Call>], blamed: &Item<M::Call>) -> (&'static str, String) {
    let mut all = Vec::new();
    for item in items {
        let mut accesses = Vec::new();
        let is_all = model.accesses(&item.call, item.certain, &mut accesses);
        if !is_all && !model.reads_only(&item.call, item.certain) {
            return (OTHERWISE, String::new());
        }
        all.push((item, accesses));
    }
    let mut seen = Vec::new();
    model.accesses(&blamed.call, blamed.certain, &mut seen);
    for access in &seen {
        match access {
            Access::Read { object, value } => {
                if let Some(found) = judge_read(&all, blamed, *object, *value) {
                    return found;
                }
            }
            Access::Remove { object, value } if !all.iter().any(|(_, by)| makes(by, *object, *value)) => {
                return (NOBODY, String::new());
            }
            Access::Saw { object, values, .. }
                if values.iter().any(|value| !all.iter().any(|(_, by)| makes(by, *object, *value))) =>
            {
                return (NOBODY, String::new());
            }
            _ => {}
        }
    }
    (OTHERWISE, String::new())
}

/// Whether some access brings a value into an object.
fn makes(accesses: &[Access], object: u32, value: u32) -> bool {
    accesses.iter().any(|access| match access {
        Access::Write { object: to, value: new }
        | Access::Insert { object: to, value: new, .. }
        | Access::Add { object: to, value: new } => (*to, *new) == (object, value),
        Access::Read { .. } | Access::Remove { .. } | Access::Empty { .. } | Access::Saw { .. } => false,
    })
}

/// A read is stale if after all writes of its value had ended, and before it was called, somebody wrote or saw another value.
fn judge_read<C>(
    all: &[(&Item<C>, Vec<Access>)],
    read: &Item<C>,
    object: u32,
    value: Option<u32>,
) -> Option<(&'static str, String)> {
    let mut ended = None;
    let mut was_written = value.is_none();
    for (item, accesses) in all {
        if item.id != read.id && value.is_some_and(|value| makes(accesses, object, value)) {
            was_written = true;
            ended = ended.max(Some(item.until));
        }
    }
    if !was_written {
        return Some((NOBODY, String::new()));
    }
    let (other, accesses) = all.iter().find(|(item, accesses)| {
        let shows_other = accesses.iter().any(|access| match access {
            Access::Write { object: to, value: new } => *to == object && Some(*new) != value,
            Access::Read { object: from, value: seen } => *from == object && *seen != value,
            _ => false,
        });
        shows_other && item.certain && item.until < read.from && ended.is_none_or(|ended| ended < item.from)
    })?;
    let wrote = accesses.iter().any(|access| matches!(access, Access::Write { .. }));
    let (id, did) = (other.id.0, if wrote { "wrote" } else { "saw" });
    Some((STALE, format!("it gives a value that had been overwritten when operation {id} {did} another; ")))
}
