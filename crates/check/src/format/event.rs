//! What one line of a history file tells.

use crate::history::{Nanos, Order, Outcome, Value};
use std::sync::Arc;

/// One event, as its file gives it. Events come in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What happened.
    pub what: What,
    /// Who did it, if the file says so.
    pub process: Option<Arc<str>>,
    /// In which session, if that is not the process.
    pub session: Option<Arc<str>>,
    /// On which node.
    pub node: Option<Arc<str>>,
    /// What is called.
    pub f: Arc<str>,
    /// The object, if it is named apart from the arguments; else nil.
    pub key: Value,
    /// The arguments of a call or whole operation, the result of a return.
    pub value: Value,
    /// The event's number.
    pub index: Option<i64>,
    /// When, in a file whose order is that of stamps; not used for whole operations, which have two.
    pub stamp: Option<i64>,
    /// The clock's reading, for people.
    pub time: Option<Nanos>,
    /// Where it stands, from 1.
    pub line: u32,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The file says what its order means.
    Header(Option<Order>),
    /// A call.
    Invoke,
    /// The end of a call.
    Return(Outcome),
    /// A call and its end in one.
    Whole(Box<Whole>),
    /// A fault, in one of the ways in which Jepsen's nemesis tells it.
    Nemesis,
    /// A fault with this number begins.
    FaultBegin(i64),
    /// A fault with this number ends.
    FaultEnd(i64),
}

/// What a whole operation has besides its call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whole {
    /// How it ended.
    pub outcome: Outcome,
    /// The result.
    pub output: Value,
    /// The reading at which it was called. Without it, its place in the file is all that is known.
    pub start: Option<i64>,
    /// The reading at which it returned.
    pub end: Option<i64>,
}

impl Event {
    /// With nothing else said.
    pub fn new(what: What, line: u32) -> Event {
        Event {
            what,
            process: None,
            session: None,
            node: None,
            f: Arc::default(),
            key: Value::Nil,
            value: Value::Nil,
            index: None,
            stamp: None,
            time: None,
            line,
        }
    }

    /// Whether it is about a fault and not about an operation.
    pub fn is_fault(&self) -> bool {
        matches!(self.what, What::Nemesis | What::FaultBegin(_) | What::FaultEnd(_))
    }
}
