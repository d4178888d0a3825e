//! A register, or many of them by key: read, write, compare-and-set.

use super::{Access, Interner, Misfit, Model};
use crate::history::{Op, Outcome, Value};

/// Read, write and compare-and-set of one value; `nil` at first.
///
/// | operation | input | output |
/// |---|---|---|
/// | `read` (`r`, `get`) | | the value |
/// | `write` (`w`, `put`, `set`) | the value | |
/// | `cas` (`compare-and-set`) | `[old new]` | `false` if it was not `old`, else anything |
/// | `delete` | | |
#[derive(Clone, Debug, Default)]
pub struct Register {
    values: Interner,
    objects: Interner,
}

/// A call, with numbers for values. `None` is nil.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Read(Option<u32>),
    Write(Option<u32>),
    Cas { old: Option<u32>, new: Option<u32>, done: bool },
}

impl Register {
    fn number(&mut self, value: &Value) -> Option<u32> {
        if value.is_nil() { None } else { Some(self.values.id(value)) }
    }
}

impl Model for Register {
    type State = Option<u32>;
    type Call = Call;

    const NAME: &'static str = "register";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "read" | "r" | "get" => What::Read(self.number(&op.output)),
            "write" | "w" | "put" | "set" => What::Write(self.number(&op.input)),
            "delete" => What::Write(None),
            "cas" | "compare-and-set" => {
                let wrong = || Misfit::value::<Self>(op, "[old new]", &op.input);
                let (old, new) = op.input.as_pair().ok_or_else(wrong)?;
                let done = op.outcome != Outcome::Ok || op.output != Value::Bool(false);
                What::Cas { old: self.number(old), new: self.number(new), done }
            }
            _ => return Err(Misfit::function::<Self>(op, "read, write, cas and delete")),
        };
        Ok(Call { object: self.objects.id(&op.key), what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> Option<u32> {
        None
    }

    fn step(&self, state: &Option<u32>, call: &Call, seen: bool) -> Option<Option<u32>> {
        match call.what {
            What::Read(value) => (!seen || value == *state).then_some(*state),
            What::Write(value) => Some(value),
            What::Cas { old, new, done } => {
                let fits = old == *state;
                (!seen || fits == done).then_some(if fits { new } else { *state })
            }
        }
    }

    fn reads_only(&self, call: &Call, seen: bool) -> bool {
        match call.what {
            What::Read(_) => true,
            What::Cas { done, .. } => seen && !done,
            What::Write(_) => false,
        }
    }

    fn overwrites(&self, call: &Call, _: bool) -> bool {
        matches!(call.what, What::Write(_))
    }

    fn show_state(&self, state: &Option<u32>) -> String {
        state.map_or_else(|| "nil".to_owned(), |value| self.values.value(value).to_string())
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = call.object;
        match call.what {
            What::Read(value) => {
                if seen {
                    out.push(Access::Read { object, value });
                }
                true
            }
            What::Write(Some(value)) => {
                out.push(Access::Write { object, value });
                true
            }
            What::Cas { old, new: Some(value), done: true } if seen => {
                out.push(Access::Read { object, value: old });
                out.push(Access::Write { object, value });
                true
            }
            // A write of nil is not told from the initial state, and a failed compare-and-set says only what was not there.
            What::Write(None) | What::Cas { .. } => false,
        }
    }
}
