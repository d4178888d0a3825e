//! **Fresh reads:** a linearizable read misses nothing that anybody could know before it was asked (Raft §8; the dissertation's §6.4).
//!
//! What some node had applied was committed, so a read index that is asked for later lies behind it. That is more than clients can see, and
//! finds a stale read also where no client happened to know better.

use super::broken::{Check, broken};
use crate::client::RequestId;
use crate::violation::Invariant;
use quorate_types::{LogIndex, NodeId};
use std::collections::BTreeMap;

struct Asked {
    node: NodeId,
    floor: LogIndex,
}

/// See the module.
#[derive(Default)]
pub(super) struct Reads {
    asked: BTreeMap<RequestId, Asked>,
}

impl Reads {
    /// A read is asked; everything up to `floor` has been applied somewhere.
    pub(super) fn on_asked(&mut self, node: NodeId, request: RequestId, floor: LogIndex) {
        self.asked.insert(request, Asked { node, floor });
    }

    pub(super) fn on_crashed(&mut self, node: NodeId) {
        self.asked.retain(|_, asked| asked.node != node);
    }

    pub(super) fn on_failed(&mut self, request: RequestId) {
        self.asked.remove(&request);
    }

    /// A read is served from a view at `index`.
    pub(super) fn on_read(&mut self, request: RequestId, index: LogIndex) -> Check {
        let Some(Asked { node, floor }) = self.asked.remove(&request) else {
            let words = format!("Read {request} is served at {index}, but had ended or was never asked.");
            return broken(Invariant::TrueAnswers, words);
        };
        if index < floor {
            let words = format!(
                "Read {request} at node {node} is served from position {index}, but position {floor} had been applied when it was asked."
            );
            return broken(Invariant::FreshReads, words);
        }
        Ok(())
    }
}
