//! A lock that hands out fencing tokens, and the resource that they guard.

use super::{Interner, Misfit, Model};
use crate::history::{Op, Outcome, ProcessId, Value};

/// A lock with an owner, whose every holder gets a token larger than all before; and a resource that refuses old tokens.
///
/// | operation | input | output |
/// |---|---|---|
/// | `acquire` (`lock`) | | the token: a number, or a map with one under `token` or `fence`; `false` if it was held |
/// | `release` (`unlock`) | nothing, or the token | `false` if the caller did not hold it, else anything |
/// | `expire` | | the lock is taken from whoever holds it, as when a lease runs out |
/// | `guarded` (`write-with-token`, `guarded-write`) | the token, or `[token …]`, or a map as above | `false` if a newer token had come before, else anything |
///
/// The owner is the process. The resource learns of tokens only from guarded operations: one with a token as new as the newest
/// that came before is admitted, an older one is refused, whoever holds the lock.
///
/// An `acquire` without an answer took a token that nobody knows; it is counted as the smallest that could be.
///
/// Source: Kleppmann, *How to do distributed locking*, 2016; Jepsen's fenced mutex for Hazelcast.
#[derive(Clone, Debug, Default)]
pub struct FencedLock {
    objects: Interner,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    process: ProcessId,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// The token that was given.
    Acquire(Option<i64>),
    Release {
        done: bool,
    },
    Expire,
    Guarded {
        token: i64,
        admitted: bool,
    },
}

/// A lock's state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    owner: Option<ProcessId>,
    /// The newest token that was given, or less if nobody knows it.
    given: Option<i64>,
    /// The newest token that the resource has met.
    met: Option<i64>,
}

const FUNCTIONS: &str = "acquire, release, expire and guarded";

fn token(value: &Value) -> Option<i64> {
    match value {
        Value::Map(_) => value.get("token").or_else(|| value.get("fence"))?.as_int(),
        Value::List(values) => values.first()?.as_int(),
        value => value.as_int(),
    }
}

impl Model for FencedLock {
    type State = State;
    type Call = Call;

    const NAME: &'static str = "fenced-lock";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let done = op.output != Value::Bool(false);
        let what = match &*op.f {
            "acquire" | "lock" if op.outcome != Outcome::Ok || !done => What::Acquire(None),
            "acquire" | "lock" => {
                let wrong = || Misfit::value::<Self>(op, "a token or false as its result", &op.output);
                What::Acquire(Some(token(&op.output).ok_or_else(wrong)?))
            }
            "release" | "unlock" => What::Release { done },
            "expire" => What::Expire,
            "guarded" | "write-with-token" | "guarded-write" => {
                let wrong = || Misfit::value::<Self>(op, "a token", &op.input);
                What::Guarded { token: token(&op.input).ok_or_else(wrong)?, admitted: done }
            }
            _ => return Err(Misfit::function::<Self>(op, FUNCTIONS)),
        };
        Ok(Call { object: self.objects.id(&op.key), process: op.process, what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> State {
        State { owner: None, given: None, met: None }
    }

    fn step(&self, state: &State, call: &Call, seen: bool) -> Option<State> {
        let owner = Some(call.process);
        match call.what {
            What::Acquire(_) if !seen && state.owner.is_some() => Some(state.clone()),
            What::Acquire(_) if !seen => {
                let given = Some(state.given.map_or(i64::MIN, |given| given.saturating_add(1)));
                Some(State { owner, given, ..*state })
            }
            What::Acquire(Some(token)) => {
                let fits = state.owner.is_none() && state.given.is_none_or(|given| given < token);
                fits.then_some(State { owner, given: Some(token), ..*state })
            }
            What::Acquire(None) => state.owner.is_some().then(|| state.clone()),
            What::Release { done } => {
                let fits = state.owner == owner;
                let after = || if fits { State { owner: None, ..*state } } else { state.clone() };
                (!seen || fits == done).then(after)
            }
            What::Expire => Some(State { owner: None, ..*state }),
            What::Guarded { token, admitted } => {
                let fits = state.met.is_none_or(|met| met <= token);
                let after = || if fits { State { met: Some(token), ..*state } } else { state.clone() };
                (!seen || fits == admitted).then(after)
            }
        }
    }

    fn reads_only(&self, call: &Call, seen: bool) -> bool {
        let refused = What::Release { done: false };
        seen && (call.what == What::Acquire(None)
            || call.what == refused
            || matches!(call.what, What::Guarded { admitted: false, .. }))
    }

    fn show_state(&self, state: &State) -> String {
        let number = |token: Option<i64>| token.map_or_else(|| "none".to_owned(), |token| token.to_string());
        let held = if state.owner.is_some() { "held" } else { "free" };
        format!("{held}, newest token given {}, met {}", number(state.given), number(state.met))
    }
}
