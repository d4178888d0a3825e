//! A lock, or many of them by key.

use super::{Interner, Misfit, Model};
use crate::history::{Op, ProcessId, Value};

/// A lock with an owner; free at first.
///
/// | operation | input | output |
/// |---|---|---|
/// | `acquire` (`lock`) | | `false` if it was held, else anything |
/// | `release` (`unlock`) | | `false` if the caller did not hold it, else anything |
///
/// The owner is the process: one whose `acquire` got no answer may hold the lock, and may release it. Whoever holds it
/// cannot acquire it again.
#[derive(Clone, Debug, Default)]
pub struct Mutex {
    objects: Interner,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    process: ProcessId,
    is_acquire: bool,
    done: bool,
}

impl Model for Mutex {
    type State = Option<ProcessId>;
    type Call = Call;

    const NAME: &'static str = "mutex";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let is_acquire = match &*op.f {
            "acquire" | "lock" => true,
            "release" | "unlock" => false,
            _ => return Err(Misfit::function::<Self>(op, "acquire and release")),
        };
        let done = op.output != Value::Bool(false);
        Ok(Call { object: self.objects.id(&op.key), process: op.process, is_acquire, done })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> Option<ProcessId> {
        None
    }

    fn step(&self, owner: &Option<ProcessId>, call: &Call, seen: bool) -> Option<Option<ProcessId>> {
        let (fits, after) = if call.is_acquire {
            (owner.is_none(), Some(call.process))
        } else {
            (*owner == Some(call.process), None)
        };
        (!seen || fits == call.done).then_some(if fits { after } else { *owner })
    }

    fn reads_only(&self, call: &Call, seen: bool) -> bool {
        seen && !call.done
    }

    fn show_state(&self, owner: &Option<ProcessId>) -> String {
        match owner {
            Some(_) => "held".to_owned(),
            None => "free".to_owned(),
        }
    }
}
