//! A counter, or many of them by key.

use super::{Interner, Misfit, Model};
use crate::history::{Op, Value};

/// A number; 0 at first. It wraps around at 64 bits.
///
/// | operation | input | output |
/// |---|---|---|
/// | `read` (`r`, `get`) | | the number; nil for 0 |
/// | `add` (`incr-by`, `sub`/`decr-by` for the negative) | by how much | nothing, or the input again |
/// | `inc` (`increment`, `incr`), `dec` (`decrement`, `decr`) | by how much; nil for 1 | the new number, if there was no input and it is told |
/// | `add-and-get` (`increment-and-get`, `incr-and-get`) | by how much; nil for 1 | the new number |
/// | `fetch-and-add` (`get-and-add`, `fetch-add`, `get-and-increment`) | by how much; nil for 1 | the number before |
///
/// Jepsen repeats an operation's input in its result, so that a result of `add` cannot be told from an echo: it is refused if it
/// is another number.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    objects: Interner,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    delta: i64,
    result: Option<Told>,
}

/// What the result says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Before(i64),
    After(i64),
}

const FUNCTIONS: &str = "read, add, inc, dec, add-and-get and fetch-and-add";

fn delta(op: &Op) -> Result<i64, Misfit> {
    match &op.input {
        Value::Nil => Ok(1),
        Value::Int(delta) => Ok(*delta),
        given => Err(Misfit::value::<Counter>(op, "a number", given)),
    }
}

/// The number that an operation gave, or nothing if it may not have happened.
fn told(op: &Op) -> Result<Option<i64>, Misfit> {
    if op.outcome != crate::history::Outcome::Ok {
        return Ok(None);
    }
    let wrong = || Misfit::value::<Counter>(op, "a number as its result", &op.output);
    op.output.as_int().map(Some).ok_or_else(wrong)
}

/// Nothing, as far as an addition has no result of its own.
fn echo(op: &Op) -> Result<Option<Told>, Misfit> {
    match &op.output {
        Value::Int(after) if op.input.is_nil() => Ok(Some(Told::After(*after))),
        Value::Int(_) if op.output != op.input => {
            let wanted = "no result, or its input again (add-and-get and fetch-and-add have results)";
            Err(Misfit::value::<Counter>(op, wanted, &op.output))
        }
        _ => Ok(None),
    }
}

impl Model for Counter {
    type State = i64;
    type Call = Call;

    const NAME: &'static str = "counter";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let (delta, result) = match &*op.f {
            "read" | "r" | "get" if op.output.is_nil() => (0, Some(Told::Before(0))),
            "read" | "r" | "get" => (0, told(op)?.map(Told::Before)),
            "add" | "incr-by" | "inc" | "increment" | "incr" => (delta(op)?, echo(op)?),
            "sub" | "decr-by" | "dec" | "decrement" | "decr" => (delta(op)?.wrapping_neg(), echo(op)?),
            "add-and-get" | "increment-and-get" | "incr-and-get" => (delta(op)?, told(op)?.map(Told::After)),
            "fetch-and-add" | "get-and-add" | "fetch-add" | "get-and-increment" => {
                (delta(op)?, told(op)?.map(Told::Before))
            }
            _ => return Err(Misfit::function::<Self>(op, FUNCTIONS)),
        };
        Ok(Call { object: self.objects.id(&op.key), delta, result })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, call: &Call, seen: bool) -> Option<i64> {
        let after = state.wrapping_add(call.delta);
        let fits = match call.result {
            _ if !seen => true,
            None => true,
            Some(Told::Before(told)) => told == *state,
            Some(Told::After(told)) => told == after,
        };
        fits.then_some(after)
    }

    fn reads_only(&self, call: &Call, _: bool) -> bool {
        call.delta == 0
    }
}
