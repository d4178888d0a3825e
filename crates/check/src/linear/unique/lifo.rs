//! A stack whose values are distinct.
//!
//! **Problem.** Values must nest: of two that are there together, the one that came last leaves first.
//!
//! **Idea.** A value that is not surely there at any moment ([`super::presence`]) can be pushed and popped at once, anywhere. The others'
//! spans fall into separate runs, and the stack can be empty between runs, but not within one. So a run has a value at the bottom: its
//! push can come first of all (it is called before the run begins) and its pop last (it returns after the run ends). Take it away;
//! what is left of the run falls into runs again.
//!
//! **Why that decides.** *Empty between runs:* of an execution's values that are there at such a moment, none is surely there. Those whose
//! pop was called are popped right before the moment, from the top; the others are pushed right after it, from the bottom; the
//! rest stays as it was. *One at the bottom:* all pushes of a run come before its end and all pops after its beginning, and the stack is not empty
//! between; so the value that is pushed first is popped last. *Any that can be will do:* if an execution has another one at the
//! bottom, pull this one's operations out around everything; whoever comes too early for that is put off to this one's call, which
//! is before the run begins, and the same at the end.
//! The push goes at the beginning of the run and the pop at its end.
//!
//! A run's beginning never decreases when runs are visited from the left and before their parts. So values whose push was called early
//! enough are entered once each into a tree that gives, for a run, the one whose pop returns last.
//!
//! Source: Bouajjani, Emmi, Enea & Hamza, ICALP 2015; Lee & Mathur 2024. Deviation: runs instead of pairs of values, both
//! trees.

use super::Decided;
use super::blame::{by_time, edge, violation};
use super::gather::Event;
use super::numbers::NOTHING;
use super::presence::{cover, place_empties};
use super::stored::{Contents, Stored, pair};
use super::tree::{Covers, Greatest};
use crate::limits::{Budget, Exhausted};
use crate::verdict::{Refutation, Relation, Violation};

/// `None` if a value was pushed twice.
pub(super) fn decide(events: &[Event], budget: &Budget<'_>) -> Option<Decided> {
    let bytes = (events.len() * (size_of::<Event>() + 2 * size_of::<Stored>() + 128)) as u64;
    let held = match budget.hold(bytes) {
        Ok(held) => held,
        Err(exhausted) => return Some(Err(exhausted)),
    };
    let decided = match pair(events)? {
        Ok(contents) => order(&contents, events, budget),
        Err(violation) => Ok(Err(violation)),
    };
    drop(held);
    Some(decided)
}

fn order(contents: &Contents, events: &[Event], budget: &Budget<'_>) -> Decided {
    let placed = match place_empties(&contents.values, &contents.empties, events) {
        Ok(placed) => placed,
        Err(violation) => return Ok(Err(violation)),
    };
    let (long, short): (Vec<_>, Vec<_>) =
        contents.values.iter().copied().partition(|value| value.presence().is_some());
    let mut steps = match Runs::new(long).nest(budget)? {
        Ok(steps) => steps,
        Err(values) => return Ok(Err(crossed(&values, events))),
    };
    steps.extend(placed);
    for value in &short {
        let at = value.insert_from.max(value.remove_from);
        steps.extend([(at, value.insert), (at, value.remove)]);
    }
    // Stable: what happens at one moment stays in this order.
    steps.sort_by_key(|(at, _)| *at);
    Ok(Ok(steps.into_iter().map(|(_, event)| events[event as usize].id).collect()))
}

/// Values that are surely there at times, by the beginning of their span.
struct Runs {
    values: Vec<Stored>,
    /// All ends of spans, ascending; cell `n` lies between `points[n]` and `points[n + 1]`.
    points: Vec<u32>,
    covers: Covers,
    /// Of values that can be at the bottom now: when their pops return.
    pops: Greatest,
    /// Values by the calls of their pushes, and how many are in `pops`.
    by_call: Vec<u32>,
    entered: usize,
}

/// Operations with their moments, in their order; or values that cannot be nested.
type Nested = Result<Vec<(u32, u32)>, Vec<Stored>>;

/// What to do next.
enum Task {
    /// Nest the cells from the one to the other.
    Run(usize, usize),
    /// Pop this value, at this moment.
    Pop(u32, u32),
}

impl Runs {
    fn new(mut values: Vec<Stored>) -> Self {
        values.sort_unstable_by_key(|value| value.insert_until);
        let mut points: Vec<u32> =
            values.iter().flat_map(|value| [value.insert_until, value.remove_from]).collect();
        points.sort_unstable();
        points.dedup();
        let mut by_call: Vec<u32> = (0..values.len() as u32).collect();
        by_call.sort_unstable_by_key(|value| values[*value as usize].insert_from);
        let pops = Greatest::new(values.len());
        let mut runs = Runs { covers: Covers::new(points.len()), values, points, pops, by_call, entered: 0 };
        for at in 0..runs.values.len() {
            let (low, high) = runs.cells(at);
            runs.covers.add(low, high, 1);
        }
        runs
    }

    fn cells(&self, value: usize) -> (usize, usize) {
        let value = &self.values[value];
        let cell = |point| self.points.partition_point(|other| *other < point);
        (cell(value.insert_until), cell(value.remove_from))
    }

    /// All pushes and pops.
    fn nest(mut self, budget: &Budget<'_>) -> Result<Nested, Exhausted> {
        let mut steps = Vec::with_capacity(2 * self.values.len());
        let mut tasks = Vec::new();
        self.split(0, self.points.len(), &mut tasks);
        while let Some(task) = tasks.pop() {
            budget.step(1)?;
            let (low, high) = match task {
                Task::Run(low, high) => (low, high),
                Task::Pop(at, event) => {
                    steps.push((at, event));
                    continue;
                }
            };
            let (begin, end) = (self.points[low], self.points[high]);
            self.enter(begin);
            let first = self.values.partition_point(|value| value.insert_until < begin);
            let last = self.values.partition_point(|value| value.insert_until < end);
            let (latest, bottom) = self.pops.of(first, last);
            if latest < end {
                return Ok(Err(self.stuck(first, last, begin, end)));
            }
            let value = self.values[bottom as usize];
            steps.push((begin, value.insert));
            if value.remove != NOTHING {
                tasks.push(Task::Pop(end, value.remove));
            }
            self.pops.set(bottom as usize, 0);
            let (own_low, own_high) = self.cells(bottom as usize);
            self.covers.add(own_low, own_high, -1);
            // Its part of the tree is asked no more: mark it by an empty span.
            self.values[bottom as usize].remove_from = self.values[bottom as usize].insert_until;
            self.split(low, high, &mut tasks);
        }
        Ok(Ok(steps))
    }

    /// Enters all whose push was called before a run begins.
    fn enter(&mut self, begin: u32) {
        while let Some(value) = self.by_call.get(self.entered).map(|value| *value as usize)
            && self.values[value].insert_from <= begin
        {
            self.pops.set(value, self.values[value].remove_until);
            self.entered += 1;
        }
    }

    /// The runs among these cells, the leftmost on top.
    fn split(&self, low: usize, high: usize, tasks: &mut Vec<Task>) {
        let start = tasks.len();
        let mut begin = self.covers.first(low, high, true);
        while begin < high {
            let end = self.covers.first(begin, high, false);
            tasks.push(Task::Run(begin, end));
            begin = self.covers.first(end, high, true);
        }
        tasks[start..].reverse();
    }

    /// Few values of a run that has none for the bottom.
    fn stuck(&self, first: usize, last: usize, begin: u32, end: u32) -> Vec<Stored> {
        cover(&self.values[first..last], begin + 1, end - 1).into_iter().copied().collect()
    }
}

/// These are never all gone at once from the first span's beginning to the last one's end, and none can be at the bottom.
fn crossed(values: &[Stored], events: &[Event]) -> Box<Violation> {
    let event = |place: u32| &events[place as usize];
    let involved = values.iter().flat_map(|value| value.events(events));
    if let [below, above] = values {
        if below.remove != NOTHING && above.remove != NOTHING {
            let why = "last in, first out: the other's value had been pushed before the push of this one's was called, and \
                       was still there";
            let edges = vec![
                by_time(event(below.remove), event(above.remove)),
                edge(event(above.remove), event(below.remove), Relation::Derived, why),
            ];
            let reason = "A value had been pushed on top of another one, and the lower one had been popped before the pop of \
                          the upper one was called.";
            return violation("reordered pop", involved, reason, Refutation::Cycle(edges));
        }
        let reason = "A value was pushed on top of another one and never popped, although the lower one was.";
        return violation("lost element", involved, reason, Refutation::Fact);
    }
    let reason = "From the first of these pushes to the last of these pops the stack was never empty, so one value lay at the \
                  bottom all the time; but each was pushed after or popped before another one.";
    violation("reordered pop", involved, reason, Refutation::Fact)
}
