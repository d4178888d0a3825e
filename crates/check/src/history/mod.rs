//! Operations as their clients saw them.
//!
//! **Idea.** An operation is an interval: it was called, and perhaps returned. Time is reduced to ranks: `a` came before `b` in
//! real time exactly if `a.ret < b.call`. So histories with clocks, with event numbers and with nothing but an order of lines all
//! look the same from here on.
//!
//! **Invariant:** operations are sorted by `call`, and no two of one session overlap. An operation whose outcome is unknown never
//! returns and is the last of its session.
//!
//! Source: Herlihy & Wing 1990 §2; Jepsen's history format for the outcomes.

mod builder;
mod recorder;
mod value;

pub use builder::{Builder, Call, MAX_OPS, Misuse, Return, Stamp};
pub use recorder::{ActiveFault, Client, Pending, Recorder};
pub use value::Value;

use std::fmt;
use std::sync::Arc;

/// An operation's place in [`History::ops`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OpId(pub u32);

impl OpId {
    /// As an index into [`History::ops`].
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A process's place in [`History::processes`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProcessId(pub u32);

/// A session's place in [`History::sessions`]: one client that expects its operations to follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId(pub u32);

/// A rank in real time. `a` precedes `b` in real time exactly if `a.ret < b.call`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Point(pub u32);

impl Point {
    /// The return of an operation that never returned: after every other point.
    pub const NEVER: Point = Point(u32::MAX);
}

/// What became of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// It happened, and `output` is its result.
    Ok,
    /// It did not happen and never will.
    Fail,
    /// Nobody knows: it may have happened at any moment after its call, or never.
    Info,
}

/// One operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Op {
    /// Who called it.
    pub process: ProcessId,
    /// In which session.
    pub session: SessionId,
    /// On which node, if the history says so.
    pub node: Option<Arc<str>>,
    /// What was called: `read`, `write`, `txn`, …
    pub f: Arc<str>,
    /// The object, if the history names it apart from the arguments; else nil.
    pub key: Value,
    /// The arguments. For an `Ok` operation whose format repeats them in the result, the same.
    pub input: Value,
    /// The result. Nil unless the outcome is `Ok` (or the format gives a failure's).
    pub output: Value,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was called.
    pub call: Point,
    /// When it returned; [`Point::NEVER`] exactly if the outcome is `Info`.
    pub ret: Point,
    /// Where it stands in its file.
    pub lines: Lines,
    /// Clock readings, for people only: no verdict depends on them beyond the ranks.
    pub time: Option<(Nanos, Option<Nanos>)>,
}

/// Nanoseconds from a history's start, by its recorder's clock.
pub type Nanos = i64;

/// The lines of a file on which a call and its return stand, from 1; 0 if there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// The call's.
    pub call: u32,
    /// The return's.
    pub ret: u32,
}

/// Something that was done to the system under test, to be drawn beside the operations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What was done, such as `start-partition`.
    pub f: Arc<str>,
    /// With which arguments.
    pub value: Value,
    /// From when.
    pub from: Point,
    /// Until when; [`Point::NEVER`] if nothing ended it.
    pub until: Point,
    /// Where it stands in its file.
    pub lines: Lines,
}

/// What a history knows of order between sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Ranks compare across sessions.
    RealTime,
    /// Ranks mean something within one session only.
    Sessions,
}

/// A whole history. Made by [`Builder`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    /// Sorted by `call`.
    pub ops: Vec<Op>,
    /// Sorted by `from`.
    pub faults: Vec<Fault>,
    /// What ranks mean.
    pub order: Order,
    /// Each process's name.
    pub processes: Vec<Arc<str>>,
    /// Each session's name.
    pub sessions: Vec<Arc<str>>,
}

impl History {
    /// One operation.
    ///
    /// # Panics
    /// If the id is not of this history.
    pub fn op(&self, id: OpId) -> &Op {
        &self.ops[id.at()]
    }

    /// All operations with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (OpId, &Op)> {
        self.ops.iter().enumerate().map(|(at, op)| (OpId(at as u32), op))
    }

    /// Whether `a` returned before `b` was called. False for all pairs of different sessions if the history knows no real time.
    pub fn precedes(&self, a: OpId, b: OpId) -> bool {
        let (first, second) = (self.op(a), self.op(b));
        first.ret < second.call && (self.order == Order::RealTime || first.session == second.session)
    }

    /// The history that consists of these operations only, with ranks, lines and names as they were.
    /// `ids` must be ascending. The new history's `OpId(n)` is `ids[n]` here.
    pub fn restrict(&self, ids: &[OpId]) -> History {
        debug_assert!(ids.is_sorted());
        History { ops: ids.iter().map(|id| self.op(*id).clone()).collect(), ..self.without_ops() }
    }

    fn without_ops(&self) -> History {
        History {
            ops: Vec::new(),
            faults: self.faults.clone(),
            order: self.order,
            processes: self.processes.clone(),
            sessions: self.sessions.clone(),
        }
    }

    /// An operation in words: `process 3: write 5 → ok (lines 4, 9)`.
    pub fn describe(&self, id: OpId) -> String {
        let op = self.op(id);
        let process = &self.processes[op.process.0 as usize];
        let key = if op.key.is_nil() { String::new() } else { format!(" {}", op.key) };
        let input = if op.input.is_nil() { String::new() } else { format!(" {}", op.input) };
        let end = match op.outcome {
            Outcome::Ok => format!("→ {}", op.output),
            Outcome::Fail => "failed".to_owned(),
            Outcome::Info => "unknown".to_owned(),
        };
        format!("process {process}: {}{key}{input} {end}{}", op.f, op.lines)
    }
}

/// In parentheses with a space before; empty if unknown.
impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.call, self.ret) {
            (0, 0) => Ok(()),
            (line, 0) | (0, line) => write!(f, " (line {line})"),
            (call, ret) if call == ret => write!(f, " (line {call})"),
            (call, ret) => write!(f, " (lines {call}, {ret})"),
        }
    }
}
