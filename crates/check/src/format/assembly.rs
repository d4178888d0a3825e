//! Puts a history together from events.
//!
//! **Idea.** Events go to the [`Builder`] in the order of the file, as they come. The first one about an operation tells what kind of
//! file it is: one with calls and returns, whose order is real time; one with completions only (as Elle accepts), which orders nothing
//! but sessions; or one of whole operations with stamps.
//!
//! **Invariant:** a file is of one kind from its first operation to its last.
//!
//! The input of a transaction that succeeded is not kept: its output repeats it.

use super::bad_input::Reason;
use super::event::{Event, What, Whole};
use super::faults::Faults;
use crate::history::{Builder, Call, History, Misuse, Order, Outcome, Return, Stamp, Value};
use std::sync::Arc;

/// Collects events.
#[derive(Debug)]
pub struct Assembly {
    /// As the header says.
    order: Option<Order>,
    kind: Option<Kind>,
    builder: Builder,
    faults: Faults,
    /// Faults before the first operation, when the kind of the file is not yet known.
    early: Vec<Event>,
    /// The last event's number; nothing if one had none.
    index: Option<i64>,
    /// Whether numbers that go down are an error.
    indices_must_ascend: bool,
    /// Calls without a process that are open, by their made-up names.
    nameless: Vec<Arc<str>>,
    nameless_count: usize,
}

/// What a file tells of each operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Calls and returns, or whole operations one after the other, in real time.
    Events,
    /// Completions only, in the order of each session; the first stands on this line.
    Completions(u32),
    /// Whole operations with stamps.
    Stamped,
}

impl Assembly {
    /// Of nothing yet. `indices_must_ascend` makes it refuse events whose numbers go down.
    pub fn new(indices_must_ascend: bool) -> Self {
        Assembly {
            order: None,
            kind: None,
            builder: Builder::new(Order::RealTime),
            faults: Faults::default(),
            early: Vec::new(),
            index: Some(i64::MIN),
            indices_must_ascend,
            nameless: Vec::new(),
            nameless_count: 0,
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// If it contradicts those before it, with the line.
    pub fn push(&mut self, event: Event) -> Result<(), (u32, Reason)> {
        let line = event.line;
        if let What::Header(order) = event.what {
            self.order = order;
            return Ok(());
        }
        self.check_index(&event).map_err(|reason| (line, reason))?;
        let kind = match self.kind {
            Some(kind) => kind,
            None if event.is_fault() => {
                self.early.push(event);
                return Ok(());
            }
            None => self.decide(&event)?,
        };
        let taken = if event.is_fault() { self.fault(event) } else { self.operation(event, kind) };
        taken.map_err(|reason| (line, reason))
    }

    fn operation(&mut self, mut event: Event, kind: Kind) -> Result<(), Reason> {
        // A session without a process is a process of its own.
        event.process = event.process.or_else(|| event.session.clone());
        match (std::mem::replace(&mut event.what, What::Invoke), kind) {
            (What::Invoke, Kind::Completions(first)) => Err(Reason::LateInvoke { first }),
            (What::Invoke, Kind::Events) => self.call(event, Stamp::Next),
            (What::Return(outcome), Kind::Events) => self.ret(event, outcome),
            (What::Return(outcome), Kind::Completions(_)) => {
                let (input, output) = match outcome {
                    Outcome::Ok if is_repeated(&event.f) => (Value::Nil, event.value),
                    Outcome::Ok => (event.value.clone(), event.value),
                    Outcome::Fail | Outcome::Info => (event.value, Value::Nil),
                };
                let whole = Whole { outcome, output, start: None, end: None };
                self.whole(Event { value: input, ..event }, whole)
            }
            (What::Whole(whole), kind) if (kind == Kind::Stamped) == whole.start.is_some() => {
                let input = if whole.outcome == Outcome::Ok && is_repeated(&event.f) && !whole.output.is_nil()
                {
                    Value::Nil
                } else {
                    event.value
                };
                self.whole(Event { value: input, ..event }, *whole)
            }
            _ => Err(Reason::MixedStamps),
        }
    }

    /// The history.
    ///
    /// # Errors
    /// If operations of one session overlap, with the line of the later.
    pub fn finish(mut self) -> Result<History, (u32, Reason)> {
        self.tell_early()?;
        self.faults.finish(&mut self.builder);
        self.builder.finish().map_err(|misuse| {
            let line = if let Misuse::Overlap { second, .. } = misuse { second } else { 0 };
            (line, misuse.into())
        })
    }

    fn check_index(&mut self, event: &Event) -> Result<(), Reason> {
        match (self.index, event.index) {
            (Some(before), Some(index)) if index < before && self.indices_must_ascend => {
                Err(Reason::OutOfOrder { before, index })
            }
            (Some(_), Some(index)) => {
                self.index = Some(index);
                Ok(())
            }
            _ => {
                self.index = None;
                Ok(())
            }
        }
    }

    /// Learns from the first operation of which kind the file is.
    fn decide(&mut self, event: &Event) -> Result<Kind, (u32, Reason)> {
        let (kind, order) = match &event.what {
            What::Whole(whole) if whole.start.is_some() => (Kind::Stamped, Order::RealTime),
            What::Return(_) | What::Whole(_) => (Kind::Completions(event.line), Order::Sessions),
            _ => (Kind::Events, Order::RealTime),
        };
        self.kind = Some(kind);
        self.builder = Builder::new(self.order.unwrap_or(order));
        self.tell_early()?;
        Ok(kind)
    }

    fn fault(&mut self, event: Event) -> Result<(), Reason> {
        if (self.kind == Some(Kind::Stamped)) != event.stamp.is_some() {
            return Err(Reason::MixedStamps);
        }
        self.faults.push(event, &mut self.builder)
    }

    fn tell_early(&mut self) -> Result<(), (u32, Reason)> {
        let early = std::mem::take(&mut self.early);
        early.into_iter().try_for_each(|event| {
            let line = event.line;
            self.fault(event).map_err(|reason| (line, reason))
        })
    }

    fn call(&mut self, event: Event, at: Stamp) -> Result<(), Reason> {
        let process = match event.process {
            Some(process) => process,
            None => {
                let name = self.fresh_name();
                self.nameless.push(Arc::clone(&name));
                name
            }
        };
        let call = Call {
            process: &process,
            session: event.session.as_deref(),
            node: event.node,
            f: event.f,
            key: event.key,
            input: event.value,
            at,
            line: event.line,
            time: event.time,
        };
        Ok(self.builder.call(call)?)
    }

    /// A name for an operation of nobody.
    fn fresh_name(&mut self) -> Arc<str> {
        self.nameless_count += 1;
        format!("?{}", self.nameless_count).into()
    }

    fn ret(&mut self, event: Event, outcome: Outcome) -> Result<(), Reason> {
        let process = match (event.process, &self.nameless[..]) {
            (Some(process), _) => process,
            (None, [_]) => self.nameless.remove(0),
            (None, open) => return Err(Reason::Nameless { open: open.len() }),
        };
        let mut is_news = true;
        if let Some((f, input)) = self.builder.open_input(&process) {
            is_news = *input != event.value;
            if outcome == Outcome::Ok && is_repeated(f) && !event.value.is_nil() {
                *input = Value::Nil;
            }
        }
        let output = match outcome {
            Outcome::Ok => event.value,
            Outcome::Fail if is_news => event.value,
            Outcome::Fail | Outcome::Info => Value::Nil,
        };
        let ret = Return { outcome, output, at: Stamp::Next, line: event.line, time: event.time };
        Ok(self.builder.ret(&process, ret)?)
    }

    fn whole(&mut self, event: Event, whole: Whole) -> Result<(), Reason> {
        let stamp = |reading: Option<i64>| reading.map_or(Stamp::Next, Stamp::At);
        let process = match &event.process {
            Some(process) => Arc::clone(process),
            None => self.fresh_name(),
        };
        let time = event.time.or(whole.start);
        let line = event.line;
        let event = Event { process: Some(Arc::clone(&process)), time, ..event };
        self.call(event, stamp(whole.start))?;
        let Whole { outcome, output, start, end } = whole;
        let output = if outcome == Outcome::Info { Value::Nil } else { output };
        // An operation of unknown outcome has no end; its reading must only not lie before its beginning.
        let at = stamp(if outcome == Outcome::Info { start } else { end });
        let ret = Return { outcome, output, at, line, time: end };
        Ok(self.builder.ret(&process, ret)?)
    }
}

/// Whether a successful operation's result repeats its arguments in full, so that they need not be kept.
fn is_repeated(f: &str) -> bool {
    f == "txn"
}
