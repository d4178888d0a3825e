//! **Election safety:** at most one leader in a term (Raft §5.2).
//!
//! Looked at when a node says that it leads, and at every step of a node that does. Leading a term again after a restart counts as a second leader: the
//! node could do so only by forgetting that it had voted.

use super::broken::{Check, broken};
use crate::violation::Invariant;
use quorate_types::{NodeId, Term, Time};
use std::collections::BTreeMap;

struct Led {
    by: NodeId,
    /// Which of its lives it was.
    life: u64,
    since: Time,
}

/// See the module.
#[derive(Default)]
pub(super) struct Elections {
    leaders: BTreeMap<Term, Led>,
    lives: BTreeMap<NodeId, u64>,
    /// What was looked at last, because it mostly is looked at again.
    last: Option<(Term, NodeId)>,
}

impl Elections {
    pub(super) fn on_started(&mut self, node: NodeId) {
        *self.lives.entry(node).or_default() += 1;
        self.last = None;
    }

    /// `node` leads in `term`.
    pub(super) fn on_leads(&mut self, now: Time, node: NodeId, term: Term) -> Check {
        if self.last == Some((term, node)) {
            return Ok(());
        }
        let life = self.lives.get(&node).copied().unwrap_or_default();
        let led = self.leaders.entry(term).or_insert(Led { by: node, life, since: now });
        if led.by != node {
            let words = format!("Nodes {} and {node} both lead in term {term}.", led.by);
            return broken(Invariant::ElectionSafety, words);
        }
        if led.life != life {
            let words = format!(
                "Node {node} leads in term {term} in its life {life}, and did so in its life {} before it restarted.",
                led.life
            );
            return broken(Invariant::ElectionSafety, words);
        }
        self.last = Some((term, node));
        Ok(())
    }

    /// Since when the leader of `term` has led.
    pub(super) fn led_since(&self, term: Term) -> Option<Time> {
        self.leaders.get(&term).map(|led| led.since)
    }
}
