//! A stack, or many of them by key.

use super::chain::{BASE, Chain, spread};
use super::{Access, Discipline, Interner, Misfit, Model};
use crate::history::{Op, Value};

/// Last in, first out; empty at first.
///
/// | operation | input | output |
/// |---|---|---|
/// | `push` | a value, not nil | |
/// | `pop` | | the value; nil if the stack was empty |
#[derive(Clone, Debug, Default)]
pub struct Stack {
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
    Push(u32),
    Pop(Option<u32>),
}

impl Model for Stack {
    type State = Chain<u32>;
    type Call = Call;

    const NAME: &'static str = "stack";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "push" if op.input.is_nil() => return Err(Misfit::value::<Self>(op, "a value", &op.input)),
            "push" => What::Push(self.values.id(&op.input)),
            "pop" if op.output.is_nil() => What::Pop(None),
            "pop" => What::Pop(Some(self.values.id(&op.output))),
            _ => return Err(Misfit::function::<Self>(op, "push and pop")),
        };
        Ok(Call { object: self.objects.id(&op.key), what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> Chain<u32> {
        Chain::default()
    }

    fn step(&self, state: &Chain<u32>, call: &Call, seen: bool) -> Option<Chain<u32>> {
        match call.what {
            What::Push(value) => {
                let hash = state.hash().wrapping_mul(BASE).wrapping_add(spread(value.into()));
                Some(state.push(value, hash))
            }
            What::Pop(told) => match state.pop() {
                Some((top, rest)) => (!seen || told == Some(*top)).then_some(rest),
                None => (!seen || told.is_none()).then(|| state.clone()),
            },
        }
    }

    fn discipline(&self) -> Discipline {
        Discipline::Lifo
    }

    fn show_state(&self, state: &Chain<u32>) -> String {
        let top_first = state.iter().map(|value| self.values.value(*value).clone());
        format!("{} (top first)", Value::list(top_first))
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = call.object;
        out.push(match call.what {
            What::Push(value) => Access::Insert { object, value, priority: 0 },
            // It removes something, nobody knows what.
            What::Pop(_) if !seen => return false,
            What::Pop(Some(value)) => Access::Remove { object, value },
            What::Pop(None) => Access::Empty { object },
        });
        true
    }
}
