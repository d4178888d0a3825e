//! **Exactly once:** a request is done at most once, and not at all if its client was told so. **True answers:** an answer names the entry,
//! revision and outcome that the request had. Both are what the Raft paper asks of clients and servers together (Raft §8; the dissertation's §6.3).
//!
//! Whoever asks after somebody has applied an entry is ordered behind it: that is half of linearizability (the other half stands in `reads`).

use super::broken::{Check, broken};
use super::machine::Placed;
use crate::client::RequestId;
use crate::violation::Invariant;
use quorate_kv::Command;
use quorate_node::envelope::{Envelope, UNANSWERED};
use quorate_node::{Answer, RequestFailure};
use quorate_types::{LogIndex, NodeId, Time};
use std::collections::BTreeMap;

/// How a request ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Answered,
    /// It was told that nothing was done.
    Undone(RequestFailure),
    /// It was told that it may have been done, or its node crashed.
    Unknown,
}

struct Asked {
    node: NodeId,
    at: Time,
    command: Command,
    /// Somebody had applied everything up to here before.
    floor: LogIndex,
    end: Option<End>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Requests {
    asked: BTreeMap<RequestId, Asked>,
    placed: BTreeMap<RequestId, LogIndex>,
    /// The newest position that a client was told of.
    known: LogIndex,
}

impl Requests {
    /// The newest position that a client was told of.
    pub(super) fn known(&self) -> LogIndex {
        self.known
    }

    /// When the request was asked; `None` for a command that no client asked for.
    pub(super) fn asked_at(&self, request: RequestId) -> Option<Time> {
        self.asked.get(&request).map(|asked| asked.at)
    }

    pub(super) fn on_asked(
        &mut self,
        now: Time,
        (node, request): (NodeId, RequestId),
        command: &Command,
        floor: LogIndex,
    ) {
        let asked = Asked { node, at: now, command: command.clone(), floor, end: None };
        self.asked.insert(request, asked);
    }

    /// Some node is the first to apply this entry.
    pub(super) fn on_placed(&mut self, index: LogIndex, envelope: &Envelope) -> Check {
        let request = envelope.id.sequence;
        if request == UNANSWERED {
            return Ok(());
        }
        let Some(asked) = self.asked.get(&request) else {
            let words = format!("Position {index} holds request {request}, which nobody asked for.");
            return broken(Invariant::ExactlyOnce, words);
        };
        if let Some(before) = self.placed.insert(request, index) {
            let words =
                format!("Request {request} is done twice: at position {before} and at position {index}.");
            return broken(Invariant::ExactlyOnce, words);
        }
        if let Some(End::Undone(failure)) = asked.end {
            let words = format!(
                "Request {request} is done at position {index}, but its client was told {failure:?}."
            );
            return broken(Invariant::ExactlyOnce, words);
        }
        if (envelope.id.origin, &envelope.command.command) != (asked.node, &asked.command) {
            let words = format!(
                "Request {request} was asked at node {} as {:?}; position {index} holds it from node {} as {:?}.",
                asked.node, asked.command, envelope.id.origin, envelope.command.command
            );
            return broken(Invariant::ExactlyOnce, words);
        }
        if index <= asked.floor {
            let words = format!(
                "Request {request} is done at position {index}, but position {} had been applied when it was asked.",
                asked.floor
            );
            return broken(Invariant::TrueAnswers, words);
        }
        Ok(())
    }

    /// `node` answered a request; `placed` is what stands where the answer says. A machine that applies an entry again after a crash
    /// answers again.
    pub(super) fn on_answered(
        &mut self,
        node: NodeId,
        request: RequestId,
        answer: &Answer,
        placed: Option<&Placed>,
    ) -> Check {
        let index = answer.index;
        let wrong = |words: String| broken(Invariant::TrueAnswers, words);
        let Some(asked) = self.asked.get_mut(&request) else {
            return wrong(format!("Node {node} answers request {request}, which nobody asked."));
        };
        if asked.node != node {
            return wrong(format!(
                "Node {node} answers request {request}, which node {} was asked.",
                asked.node
            ));
        }
        if let Some(End::Undone(failure)) = asked.end {
            return wrong(format!("Request {request} is answered though its client was told {failure:?}."));
        }
        let at = self.placed.get(&request);
        let Some(placed) = placed.filter(|_| at == Some(&index)) else {
            return wrong(format!(
                "The answer to request {request} names position {index}, but it stands at {at:?}."
            ));
        };
        let told = (answer.term, answer.revision);
        let was = (placed.entry().term, placed.revision);
        if told != was {
            return wrong(format!(
                "The answer to request {request} at position {index} names term {} and revision {}; they were {} and {}.",
                told.0, told.1, was.0, was.1
            ));
        }
        if answer.outcome != placed.outcome {
            return wrong(format!(
                "The answer to request {request} at position {index} says {:?}; it was {:?}.",
                answer.outcome, placed.outcome
            ));
        }
        if asked.end.is_none() {
            asked.end = Some(End::Answered);
            self.known = self.known.max(index);
        }
        Ok(())
    }

    /// A request ended without an outcome.
    pub(super) fn on_failed(&mut self, request: RequestId, failure: RequestFailure) -> Check {
        let Some(asked) = self.asked.get_mut(&request) else { return Ok(()) };
        let is_undone = failure != RequestFailure::TimedOut;
        if let Some(index) = self.placed.get(&request).filter(|_| is_undone) {
            let words =
                format!("Request {request} is done at position {index}, but its client is told {failure:?}.");
            return broken(Invariant::ExactlyOnce, words);
        }
        match asked.end {
            None => asked.end = Some(if is_undone { End::Undone(failure) } else { End::Unknown }),
            // The node gave up before it had heard that its machine has answered, or it is down.
            Some(End::Answered | End::Unknown) if !is_undone => {}
            Some(end) => {
                let words = format!("Request {request} had ended as {end:?} and then fails as {failure:?}.");
                return broken(Invariant::TrueAnswers, words);
            }
        }
        Ok(())
    }

    /// `node` crashed: its clients hear nothing any more.
    pub(super) fn on_crashed(&mut self, node: NodeId) {
        for asked in self.asked.values_mut().filter(|asked| asked.node == node && asked.end.is_none()) {
            asked.end = Some(End::Unknown);
        }
    }
}
