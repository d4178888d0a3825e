//! The values of a queue, stack or priority queue: who put each in and who took it out.
//!
//! **Invariant:** each value was inserted once and removed at most once, and no removal returned before the insertion was called.
//! A value that was never removed is removed at [`NEVER`].

use super::blame::{by_time, edge, violation};
use super::gather::{Deed, Event, NEVER};
use super::numbers::{NOTHING, Numbers};
use crate::verdict::{Refutation, Relation, Violation};

/// A value with its operations, by their places among the events, and their intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub insert: u32,
    /// [`NOTHING`] if it was never removed.
    pub remove: u32,
    pub priority: i64,
    pub insert_from: u32,
    pub insert_until: u32,
    pub remove_from: u32,
    pub remove_until: u32,
}

impl Stored {
    /// Between the return of its insertion and the call of its removal it was surely there: both ends excluded.
    pub fn presence(&self) -> Option<(u32, u32)> {
        (self.insert_until < self.remove_from).then_some((self.insert_until, self.remove_from))
    }

    /// Its operations.
    pub fn events<'e>(&self, events: &'e [Event]) -> impl Iterator<Item = &'e Event> + use<'e> {
        [self.insert, self.remove].into_iter().filter_map(|event| events.get(event as usize))
    }
}

/// What a container went through.
pub(super) struct Contents {
    pub values: Vec<Stored>,
    /// Operations that found it empty, by their places.
    pub empties: Vec<u32>,
}

/// Pairs insertions with removals. `None` if a value was inserted twice.
pub(super) fn pair(events: &[Event]) -> Option<Result<Contents, Box<Violation>>> {
    let inserted = |event: &Event| match event.deed {
        Deed::Insert { value, .. } => Some(value),
        _ => None,
    };
    let mut numbers = Numbers::of(events.iter().filter_map(inserted));
    let (mut values, mut empties) = (Vec::new(), Vec::new());
    for (at, event) in events.iter().enumerate() {
        let Deed::Insert { value, priority } = event.deed else { continue };
        if numbers.put(value, values.len() as u32) != NOTHING {
            return None;
        }
        values.push(Stored {
            insert: at as u32,
            remove: NOTHING,
            priority,
            insert_from: event.from,
            insert_until: event.until,
            remove_from: NEVER,
            remove_until: NEVER,
        });
    }
    for (at, event) in events.iter().enumerate() {
        match event.deed {
            Deed::Empty => empties.push(at as u32),
            Deed::Remove(value) => {
                let Some(stored) = values.get_mut(numbers.get(value) as usize) else {
                    let reason = "It took out a value that no operation had put in.";
                    return Some(Err(violation(
                        "removal of a value never inserted",
                        [event],
                        reason,
                        Refutation::Fact,
                    )));
                };
                if let Some(wrong) = remove(stored, at as u32, events) {
                    return Some(Err(wrong));
                }
            }
            _ => {}
        }
    }
    // An insertion of unknown outcome whose value was never seen need not have happened.
    values.retain(|stored| stored.remove != NOTHING || events[stored.insert as usize].certain);
    Some(Ok(Contents { values, empties }))
}

fn remove(stored: &mut Stored, at: u32, events: &[Event]) -> Option<Box<Violation>> {
    let (insert, remove) = (&events[stored.insert as usize], &events[at as usize]);
    if let Some(before) = events.get(stored.remove as usize) {
        let reason = "Two operations took out the same value, which was put in once.";
        return Some(violation("duplicate dequeue", [insert, before, remove], reason, Refutation::Fact));
    }
    if remove.precedes(insert) {
        let given = edge(insert, remove, Relation::WriteRead, "the other took out the value that it put in");
        let cycle = Refutation::Cycle(vec![by_time(remove, insert), given]);
        let reason = "It had taken out a value before the insertion of that value was called.";
        return Some(violation("dequeue from the future", [insert, remove], reason, cycle));
    }
    (stored.remove, stored.remove_from, stored.remove_until) = (at, remove.from, remove.until);
    None
}
