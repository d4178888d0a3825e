//! What must hold, known to an observer who sees all nodes at once.
//!
//! The world tells it everything; it compares. The first node that applies an entry tells the oracle, which applies it to a machine of its own: so for
//! every log position it knows the one entry, the state after it, and which request stands there. **Invariant:** the oracle changes
//! nothing: a run with it goes on as one without. The first promise found broken is kept, later ones are not looked at.
//!
//! | file | promise |
//! |---|---|
//! | `election` | election safety |
//! | `logs` | log matching, leader completeness, state machine safety of what is committed |
//! | `disk` | disk durability, sync before send, and durability when an answer promises it |
//! | `machine` | state machine safety of what is applied, replica equality |
//! | `requests` | exactly once, true answers |
//! | `reads` | fresh reads |
//! | `leases` | leases |
//! | `watches` | watches |
//! | `deadlines`, `end` | liveness, and durability when the run is over |
//!
//! Not seen from here: `History` (judged afterwards) and what the world meets itself, such as failed assertions and refused starts.

mod broken;
mod deadlines;
mod disk;
mod election;
mod end;
mod leases;
mod logs;
mod machine;
mod promises;
mod reads;
mod requests;
mod terms;
mod watches;

use crate::client::RequestId;
use crate::violation::Violation;
use broken::{Broken, Check};
use promises::Promises;
use quorate_consensus::raft::{Entry, LogWrite, Role};
use quorate_kv::watch::{WatchMessage, WatchRequest};
use quorate_kv::{Command, Kv, View};
use quorate_node::{Answer, Node, PeerMessage, RequestFailure};
use quorate_types::{NodeId, Term, Time};

/// See the module. `now` is true time everywhere. A node hosts one group, and names of requests are the sequences of their proposals.
pub struct Oracle {
    promises: Promises,
    violation: Option<Violation>,
    /// The newest moment that it was told.
    now: Time,
}

impl Oracle {
    /// Nothing has happened; every node starts with the rows of `kv`, which stands at the scenario's first index. Bounds in true time, of leases and
    /// of requests while the run goes on, are checked only where `clocks_are_true`: no clock jumps, and none drifts by more than `drift_ppm`.
    #[must_use]
    pub fn new(kv: Kv, clocks_are_true: bool, drift_ppm: u64) -> Self {
        Oracle { promises: Promises::new(kv, clocks_are_true, drift_ppm), violation: None, now: Time(0) }
    }

    /// What was found broken first.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Looks at one thing that happened, unless a promise is broken already.
    fn look(&mut self, now: Time, look: impl FnOnce(&mut Promises) -> Check) {
        self.now = self.now.max(now);
        if self.violation.is_none()
            && let Err(Broken { invariant, words }) = look(&mut self.promises)
        {
            self.violation = Some(Violation { invariant, words, at: now });
        }
    }

    /// A node has started and stands so, before its first step.
    pub fn on_started(&mut self, now: Time, node: NodeId, state: &Node, view: &View) {
        self.look(now, |promises| promises.on_started(node, state, view));
    }

    /// A node ended: its clients hear nothing any more, its streams are gone.
    pub fn on_crashed(&mut self, now: Time, node: NodeId) {
        self.look(now, |promises| {
            promises.on_crashed(node);
            Ok(())
        });
    }

    /// A node is stopped, and may go on later.
    pub fn on_paused(&mut self, now: Time, node: NodeId) {
        self.look(now, |promises| {
            promises.deadlines.on_paused(node);
            Ok(())
        });
    }

    /// A node's disk was harmed: what it synced may be gone. It must not start from less than it had.
    pub fn on_harmed(&mut self, now: Time, node: NodeId) {
        self.look(now, |promises| {
            promises.disks.on_harmed(node);
            Ok(())
        });
    }

    /// A write to the log is durable: its sync has returned. To be told of each write, in order, before what waits for it leaves the node.
    pub fn on_persisted(&mut self, now: Time, node: NodeId, write: &LogWrite) {
        self.look(now, |promises| promises.on_persisted(node, write));
    }

    /// A node, which stands so, sends a message to another.
    pub fn on_sent(&mut self, now: Time, node: NodeId, state: &Node, (to, message): (NodeId, &PeerMessage)) {
        if let (PeerMessage::Raft(message), Some(raft)) = (message, end::raft_of(state)) {
            self.look(now, |promises| promises.disks.on_sent(node, raft, (to, message)));
        }
    }

    /// A node's role, term or leader changed. `state` is the node as it stands.
    pub fn on_became(&mut self, now: Time, node: NodeId, (role, term): (Role, Term), state: &Node) {
        self.look(now, |promises| promises.on_became(now, node, (role, term), state));
    }

    /// A node has taken a step; all of `nodes` are up. Called after every step: costs little, the costlier parts every so often.
    pub fn on_stepped(&mut self, now: Time, node: NodeId, nodes: &[(NodeId, &Node)]) {
        self.look(now, |promises| promises.on_stepped(now, node, nodes));
    }

    /// A node is about to apply an entry.
    pub fn on_apply(&mut self, now: Time, node: NodeId, entry: &Entry) {
        self.look(now, |promises| promises.on_apply(now, node, entry));
    }

    /// A node published a view.
    pub fn on_published(&mut self, now: Time, node: NodeId, view: &View) {
        self.look(now, |promises| promises.machines.on_published(node, view));
    }

    /// A client asked for a write; it is to hear of it by `due`.
    pub fn on_asked(
        &mut self,
        now: Time,
        node: NodeId,
        request: RequestId,
        (command, due): (&Command, Time),
    ) {
        self.look(now, |promises| {
            promises.deadlines.on_asked(node, request, due);
            promises.requests.on_asked(now, (node, request), command, promises.machines.newest());
            Ok(())
        });
    }

    /// A node answered a write.
    pub fn on_answered(&mut self, now: Time, node: NodeId, request: RequestId, answer: &Answer) {
        self.look(now, |promises| promises.on_answered(node, request, answer));
    }

    /// A write or read ended without an outcome.
    pub fn on_failed(&mut self, now: Time, request: RequestId, failure: RequestFailure) {
        self.look(now, |promises| {
            promises.deadlines.on_ended(request);
            promises.reads.on_failed(request);
            promises.requests.on_failed(request, failure)
        });
    }

    /// A client asked for a linearizable read; it is to hear of it by `due`.
    pub fn on_read_asked(&mut self, now: Time, node: NodeId, request: RequestId, due: Time) {
        self.look(now, |promises| {
            promises.deadlines.on_asked(node, request, due);
            promises.reads.on_asked(node, request, promises.machines.newest());
            Ok(())
        });
    }

    /// A linearizable read may be served from this view.
    pub fn on_read(&mut self, now: Time, request: RequestId, view: &View) {
        self.look(now, |promises| {
            promises.deadlines.on_ended(request);
            promises.machines.check_view(format_args!("Read {request} is served from a view"), view)?;
            promises.reads.on_read(request, view.applied().0)
        });
    }

    /// A client looked at what a node has applied, without any promise but that it is a state that was.
    pub fn on_looked(&mut self, now: Time, node: NodeId, view: &View) {
        self.look(now, |promises| {
            promises.machines.check_view(format_args!("Node {node} shows a view"), view)
        });
    }

    /// A client asked something on its watch stream at a node. To be told in the order in which the node's machine takes it in.
    pub fn on_watch_asked(&mut self, now: Time, node: NodeId, client: u64, request: &WatchRequest) {
        self.look(now, |promises| {
            promises.watches.on_asked(node, client, request);
            Ok(())
        });
    }

    /// A client's watch stream was told something. Messages of a stream that is gone are not looked at.
    pub fn on_watch_told(&mut self, now: Time, client: u64, message: &WatchMessage) {
        self.look(now, |promises| promises.watches.on_told(client, message, &promises.machines));
    }

    /// A client's watch stream is gone or was closed.
    pub fn on_stream_gone(&mut self, client: u64) {
        self.look(self.now, |promises| {
            promises.watches.on_gone(client);
            Ok(())
        });
    }

    /// The run is over: the nodes of the core were healed at `healed`, are all up, and stand so; everything that was on its way has arrived.
    /// Everything that was due must have ended, the core must have one leader and the same state, leases past their time must have ended, and
    /// watchers must have everything.
    pub fn on_end(&mut self, now: Time, healed: Time, core: &[(NodeId, &Node, &View)]) {
        self.look(now, |promises| promises.on_end(now, healed, core));
    }
}
