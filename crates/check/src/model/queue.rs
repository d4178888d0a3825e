//! A first-in-first-out queue, or many of them by key.

use super::chain::{BASE, Chain, spread};
use super::{Access, Discipline, Interner, Misfit, Model};
use crate::history::{Op, Value};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// First in, first out; empty at first.
///
/// | operation | input | output |
/// |---|---|---|
/// | `enqueue` (`enq`, `offer`, `send`) | a value, not nil | |
/// | `dequeue` (`deq`, `poll`, `receive`) | | the value; nil if the queue was empty |
#[derive(Clone, Debug, Default)]
pub struct Queue {
    objects: Interner,
    values: Interner,
}

/// A call, with numbers for values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Enqueue(u32),
    Dequeue(Option<u32>),
}

/// What stands in a queue: `front` from `taken` on, then `back` from its first to its last. Copied in constant time.
#[derive(Clone, Debug, Default)]
pub struct Line {
    front: Arc<[u32]>,
    taken: usize,
    back: Chain<u32>,
    /// The sum of each value's hash times [`BASE`] to the power of how many stand behind it.
    hash: u64,
}

impl Line {
    fn len(&self) -> usize {
        self.front.len() - self.taken + self.back.len() as usize
    }

    fn push(&self, value: u32) -> Line {
        let hash = self.hash.wrapping_mul(BASE).wrapping_add(spread(value.into()));
        Line { front: Arc::clone(&self.front), taken: self.taken, back: self.back.push(value, hash), hash }
    }

    /// The first, and the rest. A whole `back` is turned around now and then, so that it costs little on average.
    fn pop(&self) -> Option<(u32, Line)> {
        if self.taken == self.front.len() {
            let mut front: Vec<u32> = self.back.iter().copied().collect();
            front.reverse();
            let turned = Line { front: front.into(), taken: 0, back: Chain::default(), hash: self.hash };
            return if turned.front.is_empty() { None } else { turned.pop() };
        }
        let first = self.front[self.taken];
        let behind = (self.len() - 1) as u32;
        let hash = self.hash.wrapping_sub(spread(first.into()).wrapping_mul(BASE.wrapping_pow(behind)));
        let (front, taken, back) = (Arc::clone(&self.front), self.taken + 1, self.back.clone());
        Some((first, Line { front, taken, back, hash }))
    }

    fn values(&self) -> Vec<u32> {
        let mut back: Vec<u32> = self.back.iter().copied().collect();
        back.reverse();
        self.front[self.taken..].iter().copied().chain(back).collect()
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Line) -> bool {
        let is_same = Arc::ptr_eq(&self.front, &other.front) && self.taken == other.taken;
        self.len() == other.len()
            && self.hash == other.hash
            && ((is_same && self.back == other.back) || self.values() == other.values())
    }
}

impl Eq for Line {}

impl Hash for Line {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Model for Queue {
    type State = Line;
    type Call = Call;

    const NAME: &'static str = "queue";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "enqueue" | "enq" | "offer" | "send" if op.input.is_nil() => {
                return Err(Misfit::value::<Self>(op, "a value", &op.input));
            }
            "enqueue" | "enq" | "offer" | "send" => What::Enqueue(self.values.id(&op.input)),
            "dequeue" | "deq" | "poll" | "receive" if op.output.is_nil() => What::Dequeue(None),
            "dequeue" | "deq" | "poll" | "receive" => What::Dequeue(Some(self.values.id(&op.output))),
            _ => return Err(Misfit::function::<Self>(op, "enqueue and dequeue")),
        };
        Ok(Call { object: self.objects.id(&op.key), what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> Line {
        Line::default()
    }

    fn step(&self, state: &Line, call: &Call, seen: bool) -> Option<Line> {
        match call.what {
            What::Enqueue(value) => Some(state.push(value)),
            What::Dequeue(told) => match state.pop() {
                Some((first, rest)) => (!seen || told == Some(first)).then_some(rest),
                None => (!seen || told.is_none()).then(|| state.clone()),
            },
        }
    }

    fn discipline(&self) -> Discipline {
        Discipline::Fifo
    }

    fn show_state(&self, state: &Line) -> String {
        Value::list(state.values().into_iter().map(|value| self.values.value(value).clone())).to_string()
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = call.object;
        out.push(match call.what {
            What::Enqueue(value) => Access::Insert { object, value, priority: 0 },
            // It removes something, nobody knows what.
            What::Dequeue(_) if !seen => return false,
            What::Dequeue(Some(value)) => Access::Remove { object, value },
            What::Dequeue(None) => Access::Empty { object },
        });
        true
    }
}
