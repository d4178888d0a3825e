//! Sequential specifications: what an object does when nobody else touches it.
//!
//! **Idea.** A model parses operations once into calls of its own with small numbers for values, and steps a state through them. What
//! is known of a call's values without any state is told by [`Model::accesses`], for the methods that need no search.
//!
//! **Invariant:** `step` is deterministic, and a call whose result is not seen is legal in every state.

mod chain;
mod counter;
mod fenced_lock;
mod intern;
mod kind;
mod kv;
mod leaderboard;
mod misfit;
mod multi_register;
mod mutex;
mod ordered;
mod priority_queue;
mod queue;
mod rate_limiter;
mod register;
mod set;
mod stack;

pub use counter::Counter;
pub use fenced_lock::FencedLock;
pub use intern::Interner;
pub use kind::{Kind, NoSuchKind, Visitor};
pub use kv::Kv;
pub use leaderboard::Leaderboard;
pub use multi_register::MultiRegister;
pub use mutex::Mutex;
pub use priority_queue::PriorityQueue;
pub use queue::Queue;
pub use rate_limiter::{Algorithm, RateLimiter};
pub use register::Register;
pub use set::Set;
pub use stack::Stack;

use crate::history::{History, Op, OpId, Outcome, Point, SessionId};
use std::fmt::Debug;
use std::hash::Hash;

/// A sequential specification. Implement it to check objects of your own.
pub trait Model: Clone + Send + Sync {
    /// One object's state.
    type State: Clone + Eq + Hash + Debug + Send + Sync;
    /// One operation, parsed: arguments and, if it is known, result. Its `Debug` form shows all of it, as a derived one does:
    /// calls that print alike are taken to act alike.
    type Call: Clone + Debug + Send + Sync;

    /// For the command line and reports.
    const NAME: &'static str;

    /// Reads an operation that did or may have happened.
    ///
    /// # Errors
    /// If the model has no such operation, or not with such values.
    fn parse(&mut self, op: &Op) -> Result<Self::Call, Misfit>;

    /// The object that a call touches, if it touches just one: calls on different objects commute. `None` makes the whole
    /// history one object.
    fn object(&self, call: &Self::Call) -> Option<u32>;

    /// An object's name, for people.
    fn object_name(&self, object: u32) -> String;

    /// Each object's state at the beginning.
    fn initial(&self) -> Self::State;

    /// The state after a call, or nothing if the call cannot give its result here. If the result is not `seen`, every
    /// call is legal, and a call that would fail leaves the state as it is.
    fn step(&self, state: &Self::State, call: &Self::Call, seen: bool) -> Option<Self::State>;

    /// Whether the call leaves every state as it is. May be false for a call that does: then it is only searched more slowly.
    fn reads_only(&self, call: &Self::Call, seen: bool) -> bool {
        let mut accesses = Vec::new();
        self.accesses(call, seen, &mut accesses)
            && accesses.iter().all(|access| {
                matches!(access, Access::Read { .. } | Access::Empty { .. } | Access::Saw { .. })
            })
    }

    /// Whether the call is legal in every state and always leads to the same one, as a write that is the whole state does.
    /// May be false for a call that does: then it is only searched more slowly.
    fn overwrites(&self, call: &Self::Call, seen: bool) -> bool {
        let _ = (call, seen);
        false
    }

    /// About how many bytes a state takes, for the memory limit.
    fn state_bytes(&self, state: &Self::State) -> usize {
        std::mem::size_of_val(state)
    }

    /// A state, for people.
    fn show_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// What is kept, so that methods which look at accesses alone know what they mean.
    fn discipline(&self) -> Discipline {
        Discipline::Other
    }

    /// What the call says about values, whatever the state; see [`Access`]. If its result is not `seen`, only what it
    /// changes in any state. Gives false if that does not say everything: then only a search decides.
    fn accesses(&self, call: &Self::Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let _ = (call, seen, out);
        false
    }
}

/// What kind of object a model describes. [`Access::Remove`] alone does not say which value had to come out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Discipline {
    /// Holds one value; nothing else is known of it.
    Register,
    /// Gives out the value that was put in first. Removal and finding it empty are all that looks at it.
    Fifo,
    /// Gives out the value that was put in last.
    Lifo,
    /// Gives out a value of the smallest priority; any one of several.
    Priority,
    /// Holds elements without order, each once; adding one again changes nothing.
    Set,
    /// Holds elements in the order in which they were added.
    List,
    /// Anything else.
    Other,
}

/// What a call writes or sees. Numbers of values are those of the model's interner, per model, not per object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// Makes `value` the whole state of an object.
    Write {
        /// Which object.
        object: u32,
        /// The new value.
        value: u32,
    },
    /// Saw the whole state of an object; `None` is the initial one. Within a call before its writes.
    Read {
        /// Which object.
        object: u32,
        /// What was seen.
        value: Option<u32>,
    },
    /// Puts a value into a queue, stack or priority queue.
    Insert {
        /// Which object.
        object: u32,
        /// The value.
        value: u32,
        /// Its priority, smallest first; 0 where there is none.
        priority: i64,
    },
    /// Takes this value from a queue, stack or priority queue.
    Remove {
        /// Which object.
        object: u32,
        /// The value.
        value: u32,
    },
    /// Found a queue, stack or priority queue empty.
    Empty {
        /// Which object.
        object: u32,
    },
    /// Adds an element to a set or to the end of a list.
    Add {
        /// Which object.
        object: u32,
        /// The element.
        value: u32,
    },
    /// Saw all elements of a set or list.
    Saw {
        /// Which object.
        object: u32,
        /// The elements; in their order for a list, ascending for a set.
        values: Box<[u32]>,
        /// Whether it is a list.
        ordered: bool,
    },
}

/// An operation that a model does not have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Misfit {
    /// No such function.
    #[error("a {model} has no operation {f:?}; it has {known}")]
    UnknownFunction {
        /// The model.
        model: &'static str,
        /// What was called.
        f: String,
        /// What can be called.
        known: &'static str,
    },
    /// The function takes or gives other values.
    #[error("{f} of a {model} wants {wanted}, not {given}")]
    WrongValue {
        /// The model.
        model: &'static str,
        /// What was called.
        f: String,
        /// In words.
        wanted: &'static str,
        /// As EDN.
        given: String,
    },
}

/// An operation of a history that a model can judge.
#[derive(Clone, Debug)]
pub struct Item<C> {
    /// Its id in the history.
    pub id: OpId,
    /// Parsed.
    pub call: C,
    /// When it was called.
    pub from: Point,
    /// When it returned.
    pub until: Point,
    /// Its session.
    pub session: SessionId,
    /// Whether it surely happened, so that its result is seen.
    pub certain: bool,
}

/// An operation that its model does not have, with the place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{misfit}")]
pub struct BadOperation {
    /// Which one.
    pub op: OpId,
    /// Why.
    pub misfit: Misfit,
}

/// Parses a history: all operations but those that failed, by `from`.
///
/// # Errors
/// At the first operation that the model does not have.
pub fn parse<M: Model>(model: &mut M, history: &History) -> Result<Vec<Item<M::Call>>, BadOperation> {
    let happened = history.iter().filter(|(_, op)| op.outcome != Outcome::Fail);
    happened
        .map(|(id, op)| {
            let call = model.parse(op).map_err(|misfit| BadOperation { op: id, misfit })?;
            let certain = op.outcome == Outcome::Ok;
            Ok(Item { id, call, from: op.call, until: op.ret, session: op.session, certain })
        })
        .collect()
}
