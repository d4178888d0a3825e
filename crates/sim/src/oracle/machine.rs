//! **State machine safety:** what is applied anywhere at an index is applied everywhere at that index (Raft §5.4.3), on each node one entry after
//! the other. **Replica equality:** all replicas have the same state after the same entry (that is what a replicated state machine is, Raft §2).
//!
//! The first node that applies an entry shows it to a machine of the oracle's own. All others, and all views that nodes publish, are compared
//! with that.

use super::broken::{Check, broken};
use crate::violation::Invariant;
use quorate_consensus::raft::{Entry, Payload};
use quorate_kv::{Event, History, Kv, Outcome, Refusal, View};
use quorate_node::envelope::Envelope;
use quorate_types::{LogIndex, NodeId, Revision, StateHash, Time};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One position of the log: what stands there and what it did.
pub(super) struct Placed {
    entry: Entry,
    by: NodeId,
    /// When some node first applied it.
    pub(super) at: Time,
    pub(super) outcome: Result<Outcome, Refusal>,
    pub(super) revision: Revision,
    hash: StateHash,
    keys: u64,
    leases: usize,
}

impl Placed {
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// See the module.
pub(super) struct Machines {
    kv: Kv,
    view: Arc<View>,
    base: LogIndex,
    placed: Vec<Placed>,
    /// All changes, in order.
    events: Vec<Event>,
    /// Every revision that history was given up below, in order.
    compactions: Vec<Revision>,
    /// Where each node's machine stands in its present life, and whether it came there by entries alone.
    stands: BTreeMap<NodeId, (LogIndex, LogIndex)>,
}

impl Machines {
    pub(super) fn new(kv: Kv) -> Self {
        let view = kv.view();
        let mut events = Vec::new();
        // Without the past nothing can be said of watchers that want it; then what they are told counts as made up.
        let _ = view.events(view.compacted(), usize::MAX, usize::MAX, &mut events);
        let compactions = Vec::from([view.compacted()]);
        let base = kv.applied().0;
        Machines { kv, view, base, placed: Vec::new(), events, compactions, stands: BTreeMap::new() }
    }

    /// The newest position that any node has applied.
    pub(super) fn newest(&self) -> LogIndex {
        self.kv.applied().0
    }

    pub(super) fn revision(&self) -> Revision {
        self.view.revision()
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether history was ever given up below `revision`.
    pub(super) fn was_compacted_at(&self, revision: Revision) -> bool {
        self.compactions.binary_search(&revision).is_ok()
    }

    /// What stands at `index`, if anybody has applied it in this run.
    pub(super) fn placed(&self, index: LogIndex) -> Option<&Placed> {
        self.placed.get(index.0.checked_sub(self.base.0 + 1)? as usize)
    }

    pub(super) fn on_started(&mut self, node: NodeId, view: &View) -> Check {
        let index = view.applied().0;
        if index < self.base {
            let words =
                format!("Node {node} starts at {index}, before the run's first position {}.", self.base);
            return broken(Invariant::DiskDurability, words);
        }
        self.stands.insert(node, (index, index));
        self.check_view(format_args!("Node {node} starts"), view)
    }

    pub(super) fn on_crashed(&mut self, node: NodeId) {
        self.stands.remove(&node);
    }

    /// `node` is about to apply `entry`. Gives the entry's command if it is the first to do so.
    pub(super) fn on_apply(&mut self, now: Time, node: NodeId, entry: &Entry) -> Check<Option<Envelope>> {
        let index = entry.index;
        let (stands, _) = self.stands.entry(node).or_insert((index.previous(), index.previous()));
        if stands.next() != index {
            let words =
                format!("Node {node} applies position {index} though its machine stands at {stands}.");
            return broken(Invariant::StateMachineSafety, words);
        }
        *stands = index;
        if let Some(known) = self.placed(index) {
            if known.entry == *entry {
                return Ok(None);
            }
            let words = format!(
                "At position {index} node {} applied an entry of term {}, but node {node} another one, of term {}.",
                known.by, known.entry.term, entry.term
            );
            return broken(Invariant::StateMachineSafety, words);
        }
        self.apply(now, node, entry)
    }

    fn apply(&mut self, now: Time, node: NodeId, entry: &Entry) -> Check<Option<Envelope>> {
        let (newest, newest_term) = self.kv.applied();
        let Entry { index, term, payload } = entry;
        if *index != newest.next() || *term < newest_term {
            let words = format!(
                "Node {node} applies position {index} of term {term}, but nobody has applied more than position {newest} of term {newest_term}."
            );
            return broken(Invariant::StateMachineSafety, words);
        }
        let envelope = match payload {
            Payload::Command(bytes) => match Envelope::decode(bytes.clone()) {
                Ok(envelope) => Some(envelope),
                Err(error) => {
                    let words =
                        format!("Node {node} applies position {index}, whose entry cannot be read: {error}.");
                    return broken(Invariant::StateMachineSafety, words);
                }
            },
            Payload::NoOp | Payload::Configuration(_) => None,
        };
        let failed = |error: quorate_table::TableError| {
            let words = format!("The oracle's own machine cannot apply position {index}: {error}.");
            broken(Invariant::Assertion, words)
        };
        let command = envelope.as_ref().map(|envelope| &envelope.command);
        let applied = match self.kv.apply(*index, *term, command) {
            Ok(applied) => applied,
            Err(error) => return failed(error),
        };
        let committed = match self.kv.commit() {
            Ok(committed) => committed,
            Err(error) => return failed(error),
        };
        self.view = committed.view;
        self.events.extend(committed.events);
        if self.compactions.last() != Some(&self.view.compacted()) {
            self.compactions.push(self.view.compacted());
        }
        self.placed.push(Placed {
            entry: entry.clone(),
            by: node,
            at: now,
            outcome: applied.outcome,
            revision: applied.revision,
            hash: self.view.state_hash(),
            keys: self.view.key_count(),
            leases: self.view.leases().len(),
        });
        Ok(envelope)
    }

    /// `node` published `view`.
    pub(super) fn on_published(&mut self, node: NodeId, view: &View) -> Check {
        let index = view.applied().0;
        let (stands, published) = self.stands.entry(node).or_insert((index, index));
        if index < *published {
            let words = format!("Node {node} publishes a view at {index} after one at {published}.");
            return broken(Invariant::StateMachineSafety, words);
        }
        let jumped = index > *stands;
        (*stands, *published) = (index.max(*stands), index);
        self.check_view(format_args!("Node {node} publishes a view"), view)?;
        match self.placed(index) {
            // Only a snapshot brings a view without its entries; its hash came with it, so look at more.
            Some(placed) if jumped && placed.leases != view.leases().len() => {
                let words = format!(
                    "Node {node} installed a snapshot at {index} with {} leases, but there are {} after that entry.",
                    view.leases().len(),
                    placed.leases
                );
                broken(Invariant::ReplicaEquality, words)
            }
            _ => Ok(()),
        }
    }

    /// Compares a view with the state after its last entry; `who` begins the words.
    pub(super) fn check_view(&self, who: fmt::Arguments<'_>, view: &View) -> Check {
        let index = view.applied().0;
        let Some(placed) = self.placed(index) else {
            if index <= self.base {
                return Ok(());
            }
            let words =
                format!("{who} at {index}, but nobody has applied more than position {}.", self.newest());
            return broken(Invariant::ReplicaEquality, words);
        };
        let expected = (placed.hash, placed.revision, placed.keys);
        let found = (view.state_hash(), view.revision(), view.key_count());
        if found == expected {
            return Ok(());
        }
        let words = format!(
            "{who} at {index} with state hash {:032x}, revision {} and {} keys; after that entry they are {:032x}, {} and {}, as node {} first \
             applied it.",
            found.0.0, found.1, found.2, expected.0.0, expected.1, expected.2, placed.by
        );
        broken(Invariant::ReplicaEquality, words)
    }
}
