//! Builds a [`History`] from calls and returns, in whatever way its source orders them.

use super::{Fault, History, Lines, Nanos, Op, OpId, Order, Outcome, Point, ProcessId, SessionId, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The most operations of one history: ranks have 32 bits, and an operation takes two.
pub const MAX_OPS: usize = (u32::MAX / 2 - 1) as usize;

/// When something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamp {
    /// After everything that the builder was told before.
    Next,
    /// At this reading. Of equal readings calls come first, so that operations which touch are concurrent.
    At(i64),
}

/// What a source said that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Misuse {
    /// One process, two calls.
    #[error("process {process} calls again before its call on line {line} has returned")]
    AlreadyOpen {
        /// Its name.
        process: Arc<str>,
        /// Of the first call.
        line: u32,
    },
    /// A return without a call.
    #[error("process {process} returns, and has nothing called")]
    NothingOpen {
        /// Its name.
        process: Arc<str>,
    },
    /// The end lies before the beginning.
    #[error("the operation of process {process} on line {line} ends before it begins")]
    EndsBeforeItBegins {
        /// Its name.
        process: Arc<str>,
        /// Of the call.
        line: u32,
    },
    /// Operations of one session that overlap in time.
    #[error("session {session} has two operations at once, on lines {first} and {second}")]
    Overlap {
        /// Its name.
        session: Arc<str>,
        /// Of the earlier call.
        first: u32,
        /// Of the later call.
        second: u32,
    },
    /// More than [`MAX_OPS`].
    #[error("a history has at most {MAX_OPS} operations")]
    TooMany,
}

/// A call, as a source gives it.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The caller's name.
    pub process: &'a str,
    /// The session's name; the process's if none.
    pub session: Option<&'a str>,
    /// The node that was asked.
    pub node: Option<Arc<str>>,
    /// What is called.
    pub f: Arc<str>,
    /// The object, if named apart from the arguments.
    pub key: Value,
    /// The arguments.
    pub input: Value,
    /// When.
    pub at: Stamp,
    /// On which line; 0 if on none.
    pub line: u32,
    /// The clock's reading, for people.
    pub time: Option<Nanos>,
}

/// A return, as a source gives it.
#[derive(Clone, Debug)]
pub struct Return {
    /// How it ended.
    pub outcome: Outcome,
    /// The result.
    pub output: Value,
    /// When.
    pub at: Stamp,
    /// On which line; 0 if on none.
    pub line: u32,
    /// The clock's reading, for people.
    pub time: Option<Nanos>,
}

/// Collects calls and returns.
#[derive(Clone, Debug)]
pub struct Builder {
    order: Order,
    next: i64,
    /// Calls in the order in which they were told, with the readings of call and return.
    ops: Vec<(Op, i64, Option<i64>)>,
    faults: Vec<(Fault, i64, Option<i64>)>,
    processes: Names,
    sessions: Names,
    /// What each process has open, and its session at the moment.
    states: Vec<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    open: Option<u32>,
    /// How many of its operations ended in doubt: each ends a session.
    generation: u32,
}

#[derive(Clone, Debug, Default)]
struct Names {
    ids: FxHashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let name: Arc<str> = name.into();
        let id = self.names.len() as u32;
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        id
    }
}

impl Builder {
    /// An empty history.
    pub fn new(order: Order) -> Self {
        Builder {
            order,
            next: 0,
            ops: Vec::new(),
            faults: Vec::new(),
            processes: Names::default(),
            sessions: Names::default(),
            states: Vec::new(),
        }
    }

    /// How many operations were called.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing was called.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// What a process has open, in the order of the calls that the builder was told.
    pub fn open(&self, process: &str) -> Option<usize> {
        let id = self.processes.ids.get(process)?;
        self.states[*id as usize].open.map(|at| at as usize)
    }

    /// What a process has called that has not returned: the function and the arguments, which may be changed until then.
    pub fn open_input(&mut self, process: &str) -> Option<(&str, &mut Value)> {
        let at = self.open(process)?;
        let (op, ..) = &mut self.ops[at];
        Some((&op.f, &mut op.input))
    }

    /// A process calls.
    ///
    /// # Errors
    /// If it has a call open, or there are too many operations; nothing is added.
    pub fn call(&mut self, call: Call<'_>) -> Result<(), Misuse> {
        if self.ops.len() >= MAX_OPS {
            return Err(Misuse::TooMany);
        }
        let process = ProcessId(self.processes.id(call.process));
        self.states.resize(self.processes.names.len(), State::default());
        let state = self.states[process.0 as usize];
        if let Some(open) = state.open {
            let line = self.ops[open as usize].0.lines.call;
            return Err(Misuse::AlreadyOpen { process: call.process.into(), line });
        }
        let session = call.session.unwrap_or(call.process);
        let session = match state.generation {
            0 => self.sessions.id(session),
            generation => self.sessions.id(&format!("{session}~{generation}")),
        };
        let at = self.reading(call.at);
        let op = Op {
            process,
            session: SessionId(session),
            node: call.node,
            f: call.f,
            key: call.key,
            input: call.input,
            output: Value::Nil,
            outcome: Outcome::Info,
            call: Point(0),
            ret: Point::NEVER,
            lines: Lines { call: call.line, ret: 0 },
            time: call.time.map(|time| (time, None)),
        };
        self.states[process.0 as usize].open = Some(self.ops.len() as u32);
        self.ops.push((op, at, None));
        Ok(())
    }

    /// A process's open call returns.
    ///
    /// # Errors
    /// If it has none open; nothing is added.
    pub fn ret(&mut self, process: &str, ret: Return) -> Result<(), Misuse> {
        let nothing_open = || Misuse::NothingOpen { process: process.into() };
        let id = *self.processes.ids.get(process).ok_or_else(nothing_open)?;
        let open = self.states[id as usize].open.ok_or_else(nothing_open)?;
        let at = self.reading(ret.at);
        let (op, called_at, returned_at) = &mut self.ops[open as usize];
        if at < *called_at {
            return Err(Misuse::EndsBeforeItBegins { process: process.into(), line: op.lines.call });
        }
        op.outcome = ret.outcome;
        op.output = ret.output;
        op.lines.ret = ret.line;
        op.time = op.time.map(|(from, _)| (from, ret.time));
        *returned_at = (ret.outcome != Outcome::Info).then_some(at);
        let state = &mut self.states[id as usize];
        state.open = None;
        state.generation += u32::from(ret.outcome == Outcome::Info);
        Ok(())
    }

    /// A fault begins. Gives a number for [`Builder::end_fault`].
    pub fn fault(&mut self, f: Arc<str>, value: Value, at: Stamp, line: u32) -> usize {
        let at = self.reading(at);
        let lines = Lines { call: line, ret: 0 };
        self.faults.push((Fault { f, value, from: Point(0), until: Point::NEVER, lines }, at, None));
        self.faults.len() - 1
    }

    /// A fault ends.
    ///
    /// # Panics
    /// If there is no such fault.
    pub fn end_fault(&mut self, fault: usize, at: Stamp, line: u32) {
        let at = self.reading(at);
        let (fault, _, until) = &mut self.faults[fault];
        fault.lines.ret = line;
        *until = Some(at);
    }

    fn reading(&mut self, at: Stamp) -> i64 {
        match at {
            Stamp::Next => {
                self.next += 1;
                self.next
            }
            Stamp::At(reading) => reading,
        }
    }

    /// The history. Calls that have not returned are of unknown outcome.
    ///
    /// # Errors
    /// If two operations of one session overlap.
    pub fn finish(mut self) -> Result<History, Misuse> {
        self.rank();
        let mut ops: Vec<Op> = self.ops.into_iter().map(|(op, ..)| op).collect();
        ops.sort_by_key(|op| op.call);
        let mut faults: Vec<Fault> = self.faults.into_iter().map(|(fault, ..)| fault).collect();
        faults.sort_by_key(|fault| fault.from);
        let (processes, sessions) = (self.processes.names, self.sessions.names);
        let history = History { ops, faults, order: self.order, processes, sessions };
        check_sessions(&history)?;
        Ok(history)
    }

    /// Turns readings into ranks: by reading, calls before returns, then in the order of telling.
    fn rank(&mut self) {
        const CALL: u8 = 0;
        const RETURN: u8 = 1;
        let mut points: Vec<(i64, u8, u32)> = Vec::with_capacity(2 * (self.ops.len() + self.faults.len()));
        let readings = self.ops.iter().map(|(_, call, ret)| (call, ret));
        let readings = readings.chain(self.faults.iter().map(|(_, from, until)| (from, until)));
        for (at, (begin, end)) in readings.enumerate() {
            points.push((*begin, CALL, at as u32));
            points.extend(end.map(|end| (end, RETURN, at as u32)));
        }
        points.sort_unstable();
        for (rank, (_, kind, at)) in points.into_iter().enumerate() {
            let point = Point(rank as u32);
            match (self.ops.get_mut(at as usize), kind) {
                (Some((op, ..)), CALL) => op.call = point,
                (Some((op, ..)), _) => op.ret = point,
                (None, CALL) => self.faults[at as usize - self.ops.len()].0.from = point,
                (None, _) => self.faults[at as usize - self.ops.len()].0.until = point,
            }
        }
    }
}

fn check_sessions(history: &History) -> Result<(), Misuse> {
    let mut last: Vec<Option<OpId>> = vec![None; history.sessions.len()];
    for (id, op) in history.iter() {
        let session = op.session.0 as usize;
        if let Some(before) = last[session].map(|last| history.op(last))
            && before.ret > op.call
        {
            let (first, second) = (before.lines.call, op.lines.call);
            return Err(Misuse::Overlap { session: Arc::clone(&history.sessions[session]), first, second });
        }
        last[session] = Some(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Builder, Call, Misuse, Return, Stamp};
    use crate::history::{History, OpId, Order, Outcome, Point, Value};

    fn call(process: &str, at: Stamp) -> Call<'_> {
        let (key, input) = (Value::Nil, Value::Nil);
        Call { process, session: None, node: None, f: "read".into(), key, input, at, line: 0, time: None }
    }

    fn ret(outcome: Outcome, at: Stamp) -> Return {
        Return { outcome, output: Value::Int(1), at, line: 0, time: None }
    }

    fn intervals(intervals: &[(&str, i64, i64)]) -> Result<History, Misuse> {
        let mut builder = Builder::new(Order::RealTime);
        for (process, from, until) in intervals {
            builder.call(call(process, Stamp::At(*from)))?;
            builder.ret(process, ret(Outcome::Ok, Stamp::At(*until)))?;
        }
        builder.finish()
    }

    #[test]
    fn intervals_that_touch_are_concurrent() {
        let history = intervals(&[("a", 0, 10), ("b", 10, 20), ("c", 11, 12)]).unwrap();
        let [a, b, c] = [0, 1, 2].map(OpId);
        assert!(!history.precedes(a, b));
        assert!(history.precedes(a, c));
        assert!(!history.precedes(b, c) && !history.precedes(c, b));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let overlap = intervals(&[("a", 0, 10), ("a", 5, 20)]);
        assert!(matches!(overlap, Err(Misuse::Overlap { .. })), "{overlap:?}");
        let backward = intervals(&[("a", 10, 0)]);
        assert!(matches!(backward, Err(Misuse::EndsBeforeItBegins { .. })), "{backward:?}");

        let mut builder = Builder::new(Order::RealTime);
        let nothing = builder.ret("a", ret(Outcome::Ok, Stamp::Next));
        assert!(matches!(nothing, Err(Misuse::NothingOpen { .. })), "{nothing:?}");
        builder.call(call("a", Stamp::Next)).unwrap();
        let twice = builder.call(call("a", Stamp::Next));
        assert!(matches!(twice, Err(Misuse::AlreadyOpen { .. })), "{twice:?}");
    }

    #[test]
    fn an_operation_in_doubt_ends_its_session() {
        let mut builder = Builder::new(Order::RealTime);
        builder.call(call("a", Stamp::Next)).unwrap();
        builder.ret("a", ret(Outcome::Info, Stamp::Next)).unwrap();
        builder.call(call("a", Stamp::Next)).unwrap();
        let history = builder.finish().unwrap();
        let [first, second] = [0, 1].map(|at| &history.ops[at]);
        assert_eq!(first.process, second.process);
        assert_ne!(first.session, second.session);
        assert_eq!((first.ret, second.outcome), (Point::NEVER, Outcome::Info));
    }

    #[test]
    fn faults_have_ranks_of_their_own() {
        let mut builder = Builder::new(Order::RealTime);
        builder.call(call("a", Stamp::Next)).unwrap();
        let fault = builder.fault("kill".into(), Value::Nil, Stamp::Next, 2);
        builder.ret("a", ret(Outcome::Ok, Stamp::Next)).unwrap();
        builder.end_fault(fault, Stamp::Next, 4);
        let history = builder.finish().unwrap();
        assert_eq!((history.faults[0].from, history.faults[0].until), (Point(1), Point(3)));
    }
}
