//! Linearizability in log-linear time, where values tell which operations belong together.
//!
//! **Problem.** Deciding linearizability is NP-complete, but not when each value is written or inserted at most once: then a
//! result names the operation that it came from.
//!
//! **Idea.** Look at operations only through [`Access`](crate::model::Access): gather them, recognise the kind of object, and leave
//! it to the method made for it. Each method either builds an order, or finds a few operations that have none on their own.
//!
//! | objects | file | time |
//! |---|---|---|
//! | register, with compare-and-set | `register` | O(n log n) |
//! | queue | `fifo` | O(n log n) |
//! | stack | `lifo` | O(n log n) |
//! | priority queue | `priority` | O(n log n) |
//! | set and list that only grow | `elements` | O(n log n), and the size of all reads |
//!
//! **Invariant:** whoever cannot be certain answers `None`, and the search decides. Operations of unknown outcome are those with
//! effects only (a write, an insertion); if nobody saw the effect, leaving them out is as good as any place, since none of these
//! objects needs an effect that nobody saw.
//!
//! Source: Gibbons & Korach 1997 for the register; Henzinger, Sezgin & Vafeiadis, CONCUR 2013, Bouajjani, Emmi, Enea & Hamza,
//! ICALP 2015 and CONCUR 2017, and Lee & Mathur 2024 for the others; each file tells its deviations.

mod blame;
mod elements;
mod elements_blame;
mod fifo;
mod gather;
mod lifo;
mod numbers;
mod presence;
mod priority;
mod register;
mod stored;
mod tree;

use crate::history::OpId;
use crate::limits::{Budget, Exhausted};
use crate::model::{Discipline, Item, Model};
use crate::verdict::{Cause, Sequence, Unknown, Verdict, Violation, Witness};
use gather::{Family, gather};

/// How a method ends, if it applies: with an order or with the reason why there is none.
type Decided = Result<Result<Vec<OpId>, Box<Violation>>, Exhausted>;

/// Decides linearizability of one object's operations, given by `from`. `None` if no method applies.
pub fn decide<M: Model>(model: &M, items: &[Item<M::Call>], budget: &Budget<'_>) -> Option<Verdict> {
    debug_assert!(items.is_sorted_by_key(|item| item.from));
    let gathered = gather(model, items)?;
    let events = &gathered.events;
    let decided = match (gathered.family, model.discipline()) {
        (Family::Register, _) => register::decide(events, budget)?,
        (Family::Container, Discipline::Fifo) => fifo::decide(events, budget)?,
        (Family::Container, Discipline::Lifo) => lifo::decide(events, budget)?,
        (Family::Container, Discipline::Priority) => priority::decide(events, budget)?,
        (Family::Elements { ordered: None | Some(false) }, Discipline::Set) => {
            elements::decide(events, &gathered.contents, false, budget)?
        }
        (Family::Elements { ordered: None | Some(true) }, Discipline::List) => {
            elements::decide(events, &gathered.contents, true, budget)?
        }
        _ => return None,
    };
    Some(match decided {
        Ok(Ok(ops)) => {
            let object = items.first().and_then(|item| model.object(&item.call));
            let scope = object.map_or_else(String::new, |object| model.object_name(object));
            Verdict::Holds(Witness::Orders(vec![Sequence { scope, ops }]))
        }
        Ok(Err(violation)) => Verdict::Violated(violation),
        Err(exhausted) => {
            let progress = format!("{} operations with unique values looked at", events.len());
            Verdict::Unknown(Unknown { cause: Cause::Exhausted(exhausted), progress })
        }
    })
}
