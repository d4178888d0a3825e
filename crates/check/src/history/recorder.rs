//! Records what clients do while they do it.
//!
//! **Idea.** Every call and every return takes one lock and becomes an event; the order in which they get the lock is the order of the
//! history. It is real time: who returned before another called had the lock first.
//!
//! **Invariant:** a client has at most one call open (its [`Pending`] borrows it), and a call that is dropped without an answer is
//! of unknown outcome. When the limit is reached nothing more is recorded, not even the returns of open calls: what there is stays
//! a true beginning of what happened, so a violation in it is one.
//!
//! Works in threads and in tasks alike: the lock is held for the moment of an event only, never while a caller waits.

use super::{Builder, Call, History, Nanos, Order, Outcome, Return, Stamp, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records operations of many clients. Clones record into the same history.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    builder: Builder,
    names: Vec<Arc<str>>,
    /// Of operations, and of faults.
    max_ops: usize,
    fault_count: usize,
    /// How many calls came after the limit.
    refused_count: u64,
}

impl Recorder {
    /// Of nothing yet. Takes up to `max_ops` operations, and at most [`super::MAX_OPS`].
    pub fn new(max_ops: usize) -> Self {
        let builder = Builder::new(Order::RealTime);
        let max_ops = max_ops.min(super::MAX_OPS);
        let shared = Shared { builder, names: Vec::new(), max_ops, fault_count: 0, refused_count: 0 };
        Recorder { shared: Arc::new(Mutex::new(shared)) }
    }

    /// A client with this name, which is a process and a session of its own. If the name is taken it gets a number too. The name
    /// `nemesis` and names that begin with a colon are those of faults in files; do not use them.
    pub fn client(&self, name: &str) -> Client {
        let mut shared = self.lock();
        let mut own: Arc<str> = name.into();
        let mut count = 1;
        while shared.names.contains(&own) {
            count += 1;
            own = format!("{name}#{count}").into();
        }
        shared.names.push(Arc::clone(&own));
        drop(shared);
        Client { recorder: self.clone(), name: own, node: None, functions: Vec::new(), time: None }
    }

    /// A fault begins now. It ends when the guard is dropped. Of faults too no more than the limit are recorded.
    pub fn fault(&self, f: &str, value: impl Into<Value>) -> ActiveFault {
        let mut shared = self.lock();
        let is_full = shared.refused_count > 0 || shared.fault_count >= shared.max_ops;
        shared.fault_count += usize::from(!is_full);
        let id = (!is_full).then(|| shared.builder.fault(f.into(), value.into(), Stamp::Next, 0));
        drop(shared);
        ActiveFault { recorder: self.clone(), id }
    }

    /// What was recorded until now. Calls that are open are of unknown outcome in it.
    pub fn snapshot(&self) -> History {
        let builder = self.lock().builder.clone();
        finished(builder)
    }

    /// What was recorded. Nothing is recorded any more, by any clone.
    pub fn finish(self) -> History {
        let mut shared = self.lock();
        shared.max_ops = 0;
        shared.refused_count = shared.refused_count.max(1);
        let builder = std::mem::replace(&mut shared.builder, Builder::new(Order::RealTime));
        drop(shared);
        finished(builder)
    }

    /// How many operations were called and not recorded because the limit was reached (or the recorder has finished).
    pub fn refused_count(&self) -> u64 {
        self.lock().refused_count
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // No event is left half told by a panic: the builder checks before it changes anything.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn finished(builder: Builder) -> History {
    builder.finish().expect("each client's operations follow one another")
}

/// One client of the system under test. Its operations follow one another.
#[derive(Debug)]
pub struct Client {
    recorder: Recorder,
    name: Arc<str>,
    node: Option<Arc<str>>,
    /// The functions that it has called, so that their names are held once.
    functions: Vec<Arc<str>>,
    time: Option<Nanos>,
}

impl Client {
    /// Its name in the history.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on it asks this node.
    pub fn set_node(&mut self, node: &str) {
        self.node = Some(node.into());
    }

    /// The clock's reading for the next call, for people only.
    pub fn at(&mut self, time: Nanos) -> &mut Self {
        self.time = Some(time);
        self
    }

    /// It calls, now. Nil for a `key` if the function has no object.
    pub fn invoke(&mut self, f: &str, key: impl Into<Value>, input: impl Into<Value>) -> Pending<'_> {
        let f = self.function(f);
        let time = self.time.take();
        let mut shared = self.recorder.lock();
        let is_full = shared.refused_count > 0 || shared.builder.len() >= shared.max_ops;
        let recorded = !is_full && {
            let (node, key, input) = (self.node.clone(), key.into(), input.into());
            let process = &self.name;
            let call = Call { process, session: None, node, f, key, input, at: Stamp::Next, line: 0, time };
            shared.builder.call(call).is_ok()
        };
        shared.refused_count += u64::from(!recorded);
        drop(shared);
        Pending { client: self, is_open: recorded, time: None }
    }

    fn function(&mut self, f: &str) -> Arc<str> {
        if let Some(known) = self.functions.iter().find(|known| &***known == f) {
            return Arc::clone(known);
        }
        let fresh: Arc<str> = f.into();
        self.functions.push(Arc::clone(&fresh));
        fresh
    }
}

/// A call that has not returned. If it is dropped its outcome is unknown.
#[derive(Debug)]
#[must_use = "dropped at once, its outcome is unknown"]
pub struct Pending<'c> {
    client: &'c mut Client,
    is_open: bool,
    time: Option<Nanos>,
}

impl Pending<'_> {
    /// The clock's reading at its return, for people only; kept if the call had one.
    pub fn at(mut self, time: Nanos) -> Self {
        self.time = Some(time);
        self
    }

    /// It happened, with this result.
    pub fn ok(mut self, output: impl Into<Value>) {
        self.end(Outcome::Ok, output.into());
    }

    /// It did not happen and never will.
    pub fn fail(mut self, output: impl Into<Value>) {
        self.end(Outcome::Fail, output.into());
    }

    /// Nobody knows whether it happened. The client goes on in a new session.
    pub fn info(mut self) {
        self.end(Outcome::Info, Value::Nil);
    }

    fn end(&mut self, outcome: Outcome, output: Value) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let mut shared = self.client.recorder.lock();
        if shared.refused_count == 0 {
            let ret = Return { outcome, output, at: Stamp::Next, line: 0, time: self.time };
            shared.builder.ret(&self.client.name, ret).expect("the call is open");
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Info, Value::Nil);
    }
}

/// A fault that lasts until this is dropped.
#[derive(Debug)]
#[must_use = "dropped at once, the fault ends at once"]
pub struct ActiveFault {
    recorder: Recorder,
    id: Option<usize>,
}

impl ActiveFault {
    /// It ends now.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for ActiveFault {
    fn drop(&mut self) {
        let mut shared = self.recorder.lock();
        if let Some(id) = self.id.filter(|_| shared.refused_count == 0) {
            shared.builder.end_fault(id, Stamp::Next, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recorder;
    use crate::history::{History, OpId, Outcome, Point, Value};

    fn show(history: &History) -> Vec<String> {
        (0..history.ops.len()).map(|at| history.describe(OpId(at as u32))).collect()
    }

    #[test]
    fn calls_and_returns_are_ordered_as_they_come() {
        let recorder = Recorder::new(10);
        let [mut a, mut b] = ["a", "b"].map(|name| recorder.client(name));
        a.set_node("n1");
        let write = a.at(5).invoke("write", "x", 1);
        let fault = recorder.fault("kill", "n2");
        let read = b.invoke("read", "x", Value::Nil);
        write.at(9).ok(Value::Nil);
        assert_eq!(recorder.snapshot().ops[1].outcome, Outcome::Info);
        fault.end();
        read.ok(1);
        let history = recorder.finish();
        assert_eq!(show(&history), ["process a: write \"x\" 1 → nil", "process b: read \"x\" → 1"]);
        let op = &history.ops[0];
        assert_eq!(
            (op.call, op.ret, op.time, op.node.as_deref()),
            (Point(0), Point(3), Some((5, Some(9))), Some("n1"))
        );
        assert_eq!((history.faults[0].from, history.faults[0].until), (Point(1), Point(4)));
    }

    #[test]
    fn what_is_dropped_is_unknown_and_ends_its_session() {
        let recorder = Recorder::new(10);
        let mut a = recorder.client("a");
        drop(a.invoke("write", "x", 1));
        a.invoke("write", "x", 2).fail(Value::Nil);
        a.invoke("write", "x", 3).info();
        a.invoke("read", "x", Value::Nil).ok(3);
        let history = recorder.finish();
        let outcomes: Vec<_> = history.ops.iter().map(|op| (op.outcome, op.session.0)).collect();
        assert_eq!(outcomes, [(Outcome::Info, 0), (Outcome::Fail, 1), (Outcome::Info, 1), (Outcome::Ok, 2)]);
    }

    #[test]
    fn a_full_recorder_keeps_a_true_beginning() {
        let recorder = Recorder::new(2);
        let [mut a, mut b] = ["a", "a"].map(|name| recorder.client(name));
        assert_eq!((a.name(), b.name()), ("a", "a#2"));
        let open = a.invoke("write", "x", 1);
        b.invoke("read", "x", Value::Nil).ok(Value::Nil);
        assert_eq!(recorder.refused_count(), 0);
        b.invoke("write", "x", 2).ok(Value::Nil);
        open.ok(Value::Nil);
        assert_eq!(recorder.refused_count(), 1);
        let history = recorder.finish();
        assert_eq!(show(&history), ["process a: write \"x\" 1 unknown", "process a#2: read \"x\" → nil"]);
    }

    #[test]
    fn clients_of_many_threads_share_one_history() {
        let recorder = Recorder::new(1000);
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let mut client = recorder.client(name);
                scope.spawn(move || (0..50).for_each(|at| client.invoke("write", "x", at).ok(at)));
            }
        });
        let history = recorder.finish();
        assert_eq!((history.ops.len(), history.sessions.len()), (200, 4));
        assert!(history.ops.iter().all(|op| op.outcome == Outcome::Ok && op.output == op.input));
    }
}
