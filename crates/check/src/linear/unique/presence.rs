//! When a container surely held something.
//!
//! **Idea.** From the return of its insertion until the call of its removal a value is surely there. Outside of all these spans there
//! need not be anything: a value that is not surely there at a moment can be taken out before it or put in after it, and doing that
//! for all such values at once keeps their order. So the container can have been empty at exactly these moments, at
//! all of them in the same execution.
//!
//! **Invariant:** spans are open at both ends, disjoint and ascending.

use super::blame::violation;
use super::gather::Event;
use super::stored::Stored;
use crate::verdict::{Refutation, Violation};

/// A union of open spans.
#[derive(Default)]
pub(super) struct Presence {
    spans: Vec<(u32, u32)>,
}

impl Presence {
    /// Of these values together.
    pub fn of<'v>(values: impl IntoIterator<Item = &'v Stored>) -> Self {
        let mut all: Vec<(u32, u32)> = values.into_iter().filter_map(Stored::presence).collect();
        all.sort_unstable();
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for (low, high) in all {
            match spans.last_mut() {
                Some(last) if low < last.1 => last.1 = last.1.max(high),
                _ => spans.push((low, high)),
            }
        }
        Presence { spans }
    }

    /// The first moment from `at` on that lies in no span.
    pub fn free_from(&self, at: u32) -> u32 {
        let after = self.spans.partition_point(|(low, _)| *low < at);
        match after.checked_sub(1).map(|last| self.spans[last]) {
            Some((_, high)) if at < high => high,
            _ => at,
        }
    }
}

/// Few of these values that are surely there, one or another, at each moment from `from` to `until`, both included.
///
/// # Panics
/// If all of them together are not.
pub(super) fn cover<'v>(
    values: impl IntoIterator<Item = &'v Stored>,
    from: u32,
    until: u32,
) -> Vec<&'v Stored> {
    let mut spans: Vec<(u32, u32, &Stored)> = values
        .into_iter()
        .filter_map(|value| value.presence().map(|(low, high)| (low, high, value)))
        .filter(|(low, high, _)| *low < until && from < *high)
        .collect();
    spans.sort_unstable_by_key(|(low, high, _)| (*low, *high));
    let mut chosen = Vec::new();
    let mut rest = spans.into_iter().peekable();
    let mut at = from;
    loop {
        let mut best: Option<(u32, &Stored)> = None;
        while let Some((_, high, value)) = rest.next_if(|(low, ..)| *low < at) {
            if best.is_none_or(|(most, _)| high > most) {
                best = Some((high, value));
            }
        }
        let (high, value) = best.filter(|(high, _)| *high > at).expect("the values cover the whole span");
        chosen.push(value);
        if high > until {
            return chosen;
        }
        at = high;
    }
}

/// For each operation that found the container empty, a moment at which it was; or why there is none.
pub(super) fn place_empties(
    values: &[Stored],
    empties: &[u32],
    events: &[Event],
) -> Result<Vec<(u32, u32)>, Box<Violation>> {
    let presence = Presence::of(values);
    let mut placed = Vec::with_capacity(empties.len());
    for empty in empties {
        let event = &events[*empty as usize];
        let at = presence.free_from(event.from);
        if at > event.until {
            let values = cover(values, event.from, event.until);
            let involved = values.iter().flat_map(|value| value.events(events)).chain([event]);
            let reason = "It found nothing, although at each moment of it some value was surely there: its insertion had \
                          returned and its removal had not been called.";
            return Err(violation("empty although not empty", involved, reason, Refutation::Fact));
        }
        placed.push((at, *empty));
    }
    Ok(placed)
}
