//! **Liveness**, while the run goes on: every request ends by its deadline.
//!
//! Only a node that runs can end a request. One that stood still for a while gets some time after it has woken up.

use super::broken::{Check, broken};
use crate::client::RequestId;
use crate::violation::Invariant;
use quorate_types::{NodeId, Time};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// A node that takes no step for so long stands still: its timers alone make a running one step more often.
const STILL_AFTER: Duration = Duration::from_secs(1);
/// So much time a node has for what became due while it stood still.
const WAKING: Duration = Duration::from_secs(1);

/// When a node was seen to run: since when without a break, and last.
struct Awake {
    since: Time,
    last: Time,
}

/// See the module.
#[derive(Default)]
pub(super) struct Deadlines {
    open: BTreeMap<RequestId, (NodeId, Time)>,
    queue: BinaryHeap<Reverse<(Time, RequestId)>>,
    awake: BTreeMap<NodeId, Awake>,
}

impl Deadlines {
    pub(super) fn on_asked(&mut self, node: NodeId, request: RequestId, due: Time) {
        self.open.insert(request, (node, due));
        self.queue.push(Reverse((due, request)));
    }

    pub(super) fn on_ended(&mut self, request: RequestId) {
        self.open.remove(&request);
    }

    pub(super) fn on_crashed(&mut self, node: NodeId) {
        self.open.retain(|_, (asked, _)| *asked != node);
        self.awake.remove(&node);
    }

    /// `node` is stopped: once it goes on it gets some time.
    pub(super) fn on_paused(&mut self, node: NodeId) {
        self.awake.remove(&node);
    }

    /// `node` has taken a step. Looks at what has become due since.
    pub(super) fn on_stepped(&mut self, now: Time, node: NodeId) -> Check {
        let awake = self.awake.entry(node).or_insert(Awake { since: now, last: now });
        if now.since(awake.last) > STILL_AFTER {
            awake.since = now;
        }
        awake.last = now;
        while let Some(Reverse((at, request))) = self.queue.peek().copied()
            && at < now
        {
            self.queue.pop();
            let Some((node, due)) = self.open.get(&request).copied() else { continue };
            match self.awake.get(&node).filter(|awake| now.since(awake.last) <= STILL_AFTER) {
                Some(awake) if awake.since + WAKING < now => return late(now, request, (node, due)),
                Some(awake) => self.queue.push(Reverse((awake.since + WAKING, request))),
                None => self.queue.push(Reverse((now + WAKING, request))),
            }
        }
        Ok(())
    }

    /// The run is over: whatever was due at one of these nodes has ended.
    pub(super) fn check_all(&self, now: Time, nodes: &[NodeId]) -> Check {
        let is_late = |(_, (node, due)): &(&RequestId, &(NodeId, Time))| *due < now && nodes.contains(node);
        match self.open.iter().find(is_late) {
            Some((request, asked)) => late(now, *request, *asked),
            None => Ok(()),
        }
    }
}

fn late(now: Time, request: RequestId, (node, due): (NodeId, Time)) -> Check {
    let words = format!("Request {request} at node {node} was to end by {due} and has not at {now}.");
    broken(Invariant::Liveness, words)
}
