//! Events paired up: each return comes with its call.
//!
//! **Invariant:** what is kept is the calls that are open, one number for each session that has not ended, and one for each process
//! that names its sessions and was in doubt. Sessions are those of the whole history ([`crate::history::Builder`]).

use super::Stop;
use crate::format::{Event, Reason, What};
use crate::history::{Misuse, OpId, Order, Outcome, Value};
use crate::limits::{Budget, Exhausted, Held};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Bytes that an open call takes, about; its arguments apart.
const OPEN_BYTES: u64 = 160;
/// Bytes that a session's name takes, about.
const NAME_BYTES: u64 = 64;

/// A call.
#[derive(Clone, Debug)]
pub struct Called {
    /// Its place among all calls.
    pub id: OpId,
    /// Its session, by number.
    pub session: u32,
    /// What is called.
    pub f: Arc<str>,
    /// The object; nil if there is none.
    pub key: Value,
    /// The arguments.
    pub input: Value,
    /// On which line.
    pub line: u32,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// The call.
    pub called: &'a Called,
    /// How.
    pub outcome: Outcome,
    /// The result.
    pub output: &'a Value,
}

/// What a check sees.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// A call. If the history orders sessions only, its end follows at once and means nothing for other sessions.
    Call(&'a Called, Order),
    /// The end of a call.
    End(Ended<'a>),
}

/// What a file tells of each operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Calls and returns.
    Events,
    /// Completions only; the first stands on this line.
    Completions(u32),
}

/// Pairs events.
pub struct Steps<'b, 'a> {
    /// As the header says.
    order: Option<Order>,
    kind: Option<Kind>,
    /// The last event's number; nothing if one had none.
    index: Option<i64>,
    /// By process; and whether the call named a session.
    open: FxHashMap<Arc<str>, (Called, bool)>,
    /// Sessions by name.
    sessions: FxHashMap<Arc<str>, u32>,
    /// How often operations of a process that names its sessions ended in doubt.
    doubts: FxHashMap<Arc<str>, u32>,
    session_count: u32,
    op_count: u32,
    held: Option<Held<'b, 'a>>,
}

impl<'b, 'a> Steps<'b, 'a> {
    /// Of nothing yet.
    pub fn new(budget: &'b Budget<'a>) -> Self {
        Steps {
            order: None,
            kind: None,
            index: Some(i64::MIN),
            open: FxHashMap::default(),
            sessions: FxHashMap::default(),
            doubts: FxHashMap::default(),
            session_count: 0,
            op_count: 0,
            held: budget.hold(0).ok(),
        }
    }

    /// Takes an event and gives its steps.
    ///
    /// # Errors
    /// If it contradicts those before it. Within that, what stopped the check.
    pub fn push(
        &mut self,
        event: Event,
        step: &mut impl FnMut(&Step<'_>) -> Result<(), Stop>,
    ) -> Result<Result<(), Stop>, Reason> {
        if let What::Header(order) = event.what {
            self.order = order;
            return Ok(Ok(()));
        }
        if let (Some(before), Some(index)) = (self.index, event.index)
            && index < before
        {
            return Err(Reason::OutOfOrder { before, index });
        }
        self.index = self.index.and(event.index);
        if event.is_fault() {
            return Ok(Ok(()));
        }
        let kind = *self.kind.get_or_insert(match event.what {
            What::Invoke => Kind::Events,
            _ => Kind::Completions(event.line),
        });
        match (&event.what, kind) {
            (What::Invoke, Kind::Completions(first)) => Err(Reason::LateInvoke { first }),
            (What::Invoke, Kind::Events) => self.call(event, step),
            (What::Return(outcome), Kind::Events) => self.end(&event, *outcome, step),
            (What::Return(outcome), Kind::Completions(_)) => {
                let (outcome, output) = (*outcome, event.value.clone());
                self.instant(event, outcome, &output, step)
            }
            (What::Whole(whole), _) if whole.start.is_some() => Err(Reason::StampsInStream),
            (What::Whole(whole), _) => {
                let (outcome, output) = (whole.outcome, whole.output.clone());
                self.instant(event, outcome, &output, step)
            }
            _ => Ok(Ok(())),
        }
    }

    fn order(&self) -> Order {
        self.order.unwrap_or(match self.kind {
            Some(Kind::Completions(_)) => Order::Sessions,
            _ => Order::RealTime,
        })
    }

    fn called(&mut self, event: Event, process: &Arc<str>) -> Result<Called, Stop> {
        let name = match (&event.session, self.doubts.get(process)) {
            (None, _) => Arc::clone(process),
            (Some(session), None) => Arc::clone(session),
            (Some(session), Some(doubts)) => format!("{session}~{doubts}").into(),
        };
        let session = match self.sessions.get(&name) {
            Some(session) => *session,
            None => {
                self.hold(NAME_BYTES)?;
                self.session_count += 1;
                self.sessions.insert(name, self.session_count);
                self.session_count
            }
        };
        let id = OpId(self.op_count);
        self.op_count = self.op_count.saturating_add(1);
        Ok(Called { id, session, f: event.f, key: event.key, input: event.value, line: event.line })
    }

    /// What is in doubt ends its session: what its process does next is in another.
    fn doubt(&mut self, process: &Arc<str>, has_session: bool) -> Result<(), Stop> {
        if has_session {
            if !self.doubts.contains_key(process) {
                self.hold(NAME_BYTES)?;
            }
            *self.doubts.entry(Arc::clone(process)).or_default() += 1;
        } else if self.sessions.remove(process).is_some()
            && let Some(held) = &mut self.held
        {
            held.shrink(NAME_BYTES);
        }
        Ok(())
    }

    fn call(
        &mut self,
        event: Event,
        step: &mut impl FnMut(&Step<'_>) -> Result<(), Stop>,
    ) -> Result<Result<(), Stop>, Reason> {
        let process = event.process.clone().or_else(|| event.session.clone()).unwrap_or_default();
        if let Some(open) = self.open.get(&process) {
            return Err(Misuse::AlreadyOpen { process, line: open.0.line }.into());
        }
        let (order, has_session) = (self.order(), event.session.is_some());
        let opened = self.hold(OPEN_BYTES).and_then(|()| self.called(event, &process));
        let called = match opened {
            Ok(called) => called,
            Err(stop) => return Ok(Err(stop)),
        };
        let taken = step(&Step::Call(&called, order));
        self.open.insert(process, (called, has_session));
        Ok(taken)
    }

    fn end(
        &mut self,
        event: &Event,
        outcome: Outcome,
        step: &mut impl FnMut(&Step<'_>) -> Result<(), Stop>,
    ) -> Result<Result<(), Stop>, Reason> {
        let process = event.process.clone().or_else(|| event.session.clone()).unwrap_or_default();
        let open = self.open.remove(&process);
        let (called, has_session) =
            open.ok_or_else(|| Misuse::NothingOpen { process: Arc::clone(&process) })?;
        if let Some(held) = &mut self.held {
            held.shrink(OPEN_BYTES);
        }
        // An operation of nobody has a session of its own.
        if (outcome == Outcome::Info || event.process.is_none() && event.session.is_none())
            && let Err(stop) = self.doubt(&process, has_session)
        {
            return Ok(Err(stop));
        }
        Ok(step(&Step::End(Ended { called: &called, outcome, output: &event.value })))
    }

    /// An operation that is told by one event.
    fn instant(
        &mut self,
        event: Event,
        outcome: Outcome,
        output: &Value,
        step: &mut impl FnMut(&Step<'_>) -> Result<(), Stop>,
    ) -> Result<Result<(), Stop>, Reason> {
        let (order, has_session) = (self.order(), event.session.is_some());
        let process = event.process.clone().or_else(|| event.session.clone());
        let ends = outcome == Outcome::Info || process.is_none();
        let process = process.unwrap_or_default();
        let called = self.called(event, &process);
        let called = called.and_then(|called| {
            if ends {
                self.doubt(&process, has_session)?;
            }
            Ok(called)
        });
        let called = match called {
            Ok(called) => called,
            Err(stop) => return Ok(Err(stop)),
        };
        let taken = step(&Step::Call(&called, order));
        Ok(taken.and_then(|()| step(&Step::End(Ended { called: &called, outcome, output }))))
    }

    fn hold(&mut self, bytes: u64) -> Result<(), Stop> {
        match &mut self.held {
            Some(held) => Ok(held.grow(bytes)?),
            None => Err(Stop::Exhausted(Exhausted::Memory)),
        }
    }
}
