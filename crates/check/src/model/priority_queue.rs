//! A priority queue, or many of them by key.

use super::ordered::Ordered;
use super::{Access, Discipline, Interner, Misfit, Model};
use crate::history::{Op, Value};

/// The smallest priority comes out first; empty at first.
///
/// | operation | input | output |
/// |---|---|---|
/// | `insert` (`enqueue`, `push`, `add`, `offer`) | `[priority value]`, or a number that is its own priority | |
/// | `delete-min` (`dequeue`, `pop`, `pop-min`, `extract-min`, `poll`, `remove-min`) | | `[priority value]`, or the value; nil if the queue was empty |
///
/// Of values with equal priority any may come out. So after an operation whose result is not known there may be several
/// queues that it could have left; a state holds all of them.
#[derive(Clone, Debug, Default)]
pub struct PriorityQueue {
    objects: Interner,
    values: Interner,
    /// With which priority each value was inserted.
    priorities: Vec<Inserted>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Inserted {
    Never,
    With(i64),
    WithSeveral,
}

/// A call, with numbers for values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Insert { priority: i64, value: u32 },
    DeleteMin(Told),
}

/// What a removal gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Empty,
    Value { value: u32, priority: Option<i64> },
}

/// How many there are of each value with its priority.
type Content = Ordered<(i64, u32), u32>;

/// What the queue may hold: one or more contents, by their hash, no two equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State(Box<[Content]>);

const FUNCTIONS: &str = "insert and delete-min";

fn insert(content: &Content, entry: (i64, u32)) -> Content {
    content.with(entry, content.get(&entry).map_or(1, |count| count + 1))
}

fn remove(content: &Content, entry: (i64, u32)) -> Content {
    match content.get(&entry) {
        Some(count) if *count > 1 => content.with(entry, count - 1),
        _ => content.without(&entry),
    }
}

impl PriorityQueue {
    fn note(&mut self, value: u32, priority: i64) {
        let needed = self.priorities.len().max(value as usize + 1);
        self.priorities.resize(needed, Inserted::Never);
        let inserted = &mut self.priorities[value as usize];
        *inserted = match *inserted {
            Inserted::Never => Inserted::With(priority),
            Inserted::With(before) if before == priority => Inserted::With(priority),
            Inserted::With(_) | Inserted::WithSeveral => Inserted::WithSeveral,
        };
    }

    fn told(&mut self, output: &Value) -> Told {
        match output {
            Value::Nil => Told::Empty,
            Value::List(pair) => match &**pair {
                [Value::Int(priority), value] => {
                    Told::Value { value: self.values.id(value), priority: Some(*priority) }
                }
                _ => Told::Value { value: self.values.id(output), priority: None },
            },
            value => Told::Value { value: self.values.id(value), priority: None },
        }
    }
}

/// The contents that a removal may leave.
fn removed(content: &Content, told: Option<Told>, out: &mut Vec<Content>) {
    let Some(((least, _), _)) = content.first() else {
        if matches!(told, None | Some(Told::Empty)) {
            out.push(content.clone());
        }
        return;
    };
    match told {
        Some(Told::Empty) => {}
        Some(Told::Value { value, priority }) => {
            let entry = (*least, value);
            if priority.is_none_or(|priority| priority == *least) && content.get(&entry).is_some() {
                out.push(remove(content, entry));
            }
        }
        None => {
            let ties = content.iter().map(|(entry, _)| *entry).take_while(|(priority, _)| priority == least);
            out.extend(ties.map(|entry| remove(content, entry)));
        }
    }
}

impl Model for PriorityQueue {
    type State = State;
    type Call = Call;

    const NAME: &'static str = "priority-queue";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "insert" | "enqueue" | "push" | "add" | "offer" => match (&op.input, op.input.as_pair()) {
                (_, Some((Value::Int(priority), value))) if !value.is_nil() => {
                    What::Insert { priority: *priority, value: self.values.id(value) }
                }
                (Value::Int(priority), _) => {
                    What::Insert { priority: *priority, value: self.values.id(&op.input) }
                }
                _ => return Err(Misfit::value::<Self>(op, "[priority value] or a number", &op.input)),
            },
            "delete-min" | "dequeue" | "pop" | "pop-min" | "extract-min" | "poll" | "remove-min" => {
                What::DeleteMin(self.told(&op.output))
            }
            _ => return Err(Misfit::function::<Self>(op, FUNCTIONS)),
        };
        if let What::Insert { priority, value } = what {
            self.note(value, priority);
        }
        Ok(Call { object: self.objects.id(&op.key), what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> State {
        State([Content::default()].into())
    }

    fn step(&self, state: &State, call: &Call, seen: bool) -> Option<State> {
        let mut after: Vec<Content> = Vec::with_capacity(state.0.len());
        for content in &state.0 {
            match call.what {
                What::Insert { priority, value } => after.push(insert(content, (priority, value))),
                What::DeleteMin(told) => removed(content, seen.then_some(told), &mut after),
            }
        }
        if after.len() > 1 {
            after.sort_by_cached_key(|content| {
                (content.hash(), content.iter().map(|(k, n)| (*k, *n)).collect::<Vec<_>>())
            });
            after.dedup();
        }
        (!after.is_empty()).then(|| State(after.into()))
    }

    fn discipline(&self) -> Discipline {
        Discipline::Priority
    }

    fn show_state(&self, state: &State) -> String {
        let show = |content: &Content| {
            let entries = content.iter().flat_map(|((priority, value), count)| {
                let entry = Value::list([Value::Int(*priority), self.values.value(*value).clone()]);
                std::iter::repeat_n(entry, *count as usize)
            });
            Value::list(entries).to_string()
        };
        state.0.iter().map(show).collect::<Vec<_>>().join(" or ")
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = call.object;
        out.push(match call.what {
            What::Insert { priority, value } => Access::Insert { object, value, priority },
            // It removes something, nobody knows what.
            What::DeleteMin(_) if !seen => return false,
            What::DeleteMin(Told::Value { value, priority: None }) => Access::Remove { object, value },
            // What it says of the priority goes without saying if it is the only one.
            What::DeleteMin(Told::Value { value, priority: Some(priority) }) => {
                match self.priorities.get(value as usize) {
                    Some(Inserted::With(only)) if *only == priority => Access::Remove { object, value },
                    _ => return false,
                }
            }
            What::DeleteMin(Told::Empty) => Access::Empty { object },
        });
        true
    }
}
