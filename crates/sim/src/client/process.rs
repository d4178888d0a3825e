//! One client: its calls one after the other, and its watch beside them.

use super::ask::{Ask, Asked, RequestId, StreamTold, Told};
use super::call::{self, End, Knowledge, Next, Request, Step, Why};
use super::recording::Recorder;
use super::watching::{News, Watching};
use super::words::words;
use crate::scenario::{Call, Operation};
use crate::trace::{Actor, CallOutcome, Event, Trace, What};
use quorate_check::history::Value;
use quorate_types::{NodeId, Rng, Time};
use std::collections::VecDeque;
use std::time::Duration;

/// A request is waited for between so long
const TIMEOUT_MIN_MS: u64 = 300;
/// and so long.
const TIMEOUT_MAX_MS: u64 = 2800;
/// More requests than a call has: request numbers of different calls never meet.
const REQUESTS_MAX: u64 = 8;

/// How many calls have ended, and how.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Done.
    pub done: u64,
    /// Not done.
    pub failed: u64,
    /// In doubt.
    pub unknown: u64,
}

/// What a client meets while it acts.
pub(super) struct Turn<'a> {
    pub(super) now: Time,
    pub(super) trace: &'a mut Trace,
    pub(super) out: &'a mut Vec<Ask>,
    pub(super) noise: u64,
    pub(super) nodes: u64,
    pub(super) operations: &'a [Operation],
    pub(super) recorder: &'a mut Recorder,
    pub(super) tally: &'a mut Tally,
}

impl Turn<'_> {
    /// What chance decides about an operation. It depends on the operation alone and not on its position, so that it stays when others
    /// are left out.
    fn lot(&self, operation: usize) -> u64 {
        let operation = &self.operations[operation];
        let at = Rng::new(self.noise ^ operation.at_us).next_u64();
        Rng::new(at ^ operation.client).next_u64()
    }

    fn timeout(&self, operation: usize, asks: u64) -> Duration {
        let ms = Rng::new(self.lot(operation) ^ asks).between(TIMEOUT_MIN_MS, TIMEOUT_MAX_MS);
        Duration::from_millis(ms)
    }

    fn tell(&mut self, client: u64, what: What) {
        self.trace.push(Event { at: self.now, actor: Actor::Client(client), what });
    }
}

/// The call under way.
#[derive(Debug)]
struct Running {
    operation: usize,
    waits: Waits,
    /// How many requests it has made.
    asks: u64,
}

/// What it waits for.
#[derive(Debug)]
enum Waits {
    /// The end of its last request.
    Answer(Step),
    /// Something on the client's stream, no longer than until then.
    Stream(Time),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Process {
    client: u64,
    /// Operations yet to begin, in order.
    queue: VecDeque<usize>,
    running: Option<Running>,
    knows: Knowledge,
    watching: Option<Watching>,
    /// When its last call ended.
    free_at: Time,
}

/// The operation that a request belongs to.
pub(super) fn operation_of(request: RequestId) -> usize {
    usize::try_from(request / REQUESTS_MAX - 1).expect("a request's number is its operation's")
}

fn begins_at(operation: &Operation) -> Time {
    Time(operation.at_us.saturating_mul(1000))
}

impl Process {
    /// A client that writes values of up to about `value_bytes`.
    pub(super) fn new(client: u64, value_bytes: u64) -> Self {
        let (queue, knows) = (VecDeque::new(), Knowledge::new(value_bytes));
        Process { client, queue, running: None, knows, watching: None, free_at: Time(0) }
    }

    pub(super) fn add(&mut self, operation: usize) {
        self.queue.push_back(operation);
    }

    pub(super) fn is_done(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    pub(super) fn next_due(&self, operations: &[Operation]) -> Option<Time> {
        let call = match &self.running {
            Some(Running { waits: Waits::Stream(until), .. }) => Some(*until),
            Some(_) => None,
            None => self.queue.front().map(|next| begins_at(&operations[*next]).max(self.free_at)),
        };
        let reopen = self.watching.as_ref().and_then(|watching| watching.reopen_at);
        call.into_iter().chain(reopen).min()
    }

    pub(super) fn on_due(&mut self, turn: &mut Turn<'_>) {
        if let Some(Running { waits: Waits::Stream(until), operation, .. }) = self.running
            && until <= turn.now
        {
            let why = Why::Said("nothing came in time");
            let is_watch = matches!(turn.operations[operation].call, Call::Watch { .. });
            self.end(&if is_watch { End::unknown(why) } else { End::failed(why) }, turn);
        }
        if let Some(watching) = &mut self.watching
            && watching.reopen_at.is_some_and(|at| at <= turn.now)
        {
            watching.reopen(turn.nodes, turn.out);
            let words = if turn.trace.keeps() {
                format!("watches again at node {} from revision {}", watching.node, watching.next)
            } else {
                String::new()
            };
            turn.tell(self.client, What::Note { words });
        }
        while self.running.is_none()
            && let Some(next) = self.queue.front().copied()
            && begins_at(&turn.operations[next]) <= turn.now
        {
            self.queue.pop_front();
            self.begin(next, turn);
        }
    }

    fn begin(&mut self, operation: usize, turn: &mut Turn<'_>) {
        let Operation { node, call, .. } = &turn.operations[operation];
        let words = if turn.trace.keeps() { format!("node {node}: {}", words(call)) } else { String::new() };
        turn.tell(self.client, What::Invoked { operation, words });
        turn.recorder.invoke(self.client, *node, call);
        if matches!(call, Call::Watch { .. } | Call::WatchProgress) {
            self.begin_watch(operation, turn);
            return;
        }
        let (step, next) = call::begin(call, &self.knows);
        self.running = Some(Running { operation, waits: Waits::Answer(step), asks: 0 });
        self.go_on(next, turn);
    }

    fn begin_watch(&mut self, operation: usize, turn: &mut Turn<'_>) {
        let until = turn.now + turn.timeout(operation, 0);
        self.running = Some(Running { operation, waits: Waits::Stream(until), asks: 0 });
        let Operation { node, call, .. } = &turn.operations[operation];
        match call {
            Call::Watch { back } => {
                if let Some(before) = self.watching.take() {
                    before.close(turn.out);
                }
                let start = match back {
                    0 => 0,
                    back => self.knows.revision.saturating_sub_unsigned(*back).max(1),
                };
                let lot = turn.lot(operation);
                self.watching = Some(Watching::open(self.client, *node, start, lot, turn.out));
            }
            _ => {
                let could = self.watching.as_ref().is_some_and(|watching| watching.ask_progress(turn.out));
                if !could {
                    self.end(&End::failed(Why::Said("it has no stream")), turn);
                }
            }
        }
    }

    fn go_on(&mut self, next: Next, turn: &mut Turn<'_>) {
        let request = match next {
            Next::End(end) => return self.end(&end, turn),
            Next::Ask(request) => request,
        };
        let running = self.running.as_mut().expect("a call under way goes on");
        running.asks += 1;
        assert!(running.asks < REQUESTS_MAX, "a call has few requests");
        let operation = &turn.operations[running.operation];
        let timeout = turn.timeout(running.operation, running.asks);
        let name = (running.operation as u64 + 1) * REQUESTS_MAX + running.asks;
        let what = match request {
            Request::Write(command) => Asked::Write { request: name, command, timeout },
            Request::Read => Asked::Read { request: name, timeout },
            Request::Look => Asked::Look { request: name },
        };
        turn.out.push(Ask { node: NodeId(operation.node), what });
    }

    fn end(&mut self, end: &End, turn: &mut Turn<'_>) {
        let Running { operation, .. } = self.running.take().expect("a call under way ends");
        turn.recorder.ended(self.client, &turn.operations[operation].call, end);
        self.free_at = turn.now;
        match end.outcome {
            CallOutcome::Done => turn.tally.done += 1,
            CallOutcome::Failed => turn.tally.failed += 1,
            CallOutcome::Unknown => turn.tally.unknown += 1,
        }
        let words = match &end.recorded.1 {
            _ if !turn.trace.keeps() => String::new(),
            output if end.why == Why::Done && *output != Value::Nil => output.to_string(),
            _ => end.why.to_string(),
        };
        turn.tell(self.client, What::Returned { operation, outcome: end.outcome, words });
    }

    pub(super) fn on_told(&mut self, request: RequestId, told: Told, turn: &mut Turn<'_>) {
        let running = self.running.as_mut().expect("a request ends while its call is under way");
        let name = (running.operation as u64 + 1) * REQUESTS_MAX + running.asks;
        assert_eq!(request, name, "a request ends once, before the next one of its call");
        let Waits::Answer(step) = &mut running.waits else { unreachable!("watches make no requests") };
        let next = step.on_told(&turn.operations[running.operation].call, told, &mut self.knows);
        self.go_on(next, turn);
    }

    pub(super) fn on_stream(&mut self, told: StreamTold, turn: &mut Turn<'_>) {
        // A stream that the client has closed may still say something.
        let Some(watching) = &mut self.watching else { return };
        let (news, revision) = watching.on_told(turn.now, told, turn.out);
        if let Some(revision) = revision {
            self.knows.learn(revision);
        }
        if news == News::Refused
            && let Some(refused) = self.watching.take()
        {
            refused.close(turn.out);
        }
        let Some(Running { waits: Waits::Stream(_), operation, .. }) = &self.running else { return };
        let is_watch = matches!(turn.operations[*operation].call, Call::Watch { .. });
        match news {
            News::Created if is_watch => self.end(&End::done(Value::Nil), turn),
            News::Progress if !is_watch => {
                let revision = revision.map_or(0, |revision| revision.0);
                self.end(&End::done(Value::Int(revision)), turn);
            }
            News::Refused => self.end(&End::failed(Why::Said("the watch was refused")), turn),
            News::Gone => self.end(&End::failed(Why::Said("the stream is gone")), turn),
            News::Created | News::Progress | News::Other => {}
        }
    }
}
