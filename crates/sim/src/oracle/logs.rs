//! **Log matching:** logs that agree on an entry's index and term agree on all before it (Raft §5.3). **Leader completeness:** the log of a leader
//! holds every entry that was committed in an earlier term (Raft §5.4). **State machine safety**, as far as logs show it: no two nodes commit
//! different entries at one position (Raft §5.4.3).
//!
//! Comparing all pairs of logs at every step would cost too much. Instead each pair of index and term has one row here, which says what stands in it
//! and which term comes before it. If every log agrees with these rows, then any two that share a pair share all before it, by induction. A step costs
//! what it appended; every so often whole logs are compared with what was seen of them, because an entry might have changed in their midst.
//!
//! A leader need not hold what was committed in its own term or a later one: a candidate may win an old term late, by votes that were long on their
//! way. So with each committed position stands the lowest term in which some node was seen to know of it.

use super::broken::{Check, broken};
use super::terms::Terms;
use crate::violation::Invariant;
use quorate_consensus::raft::{Entry, Payload, Raft, Role};
use quorate_types::{LogIndex, NodeId, Term};
use std::collections::BTreeMap;

/// Before anybody was seen to have committed it, an entry is not demanded of any leader.
const NO_TERM_YET: Term = Term(u64::MAX);

/// One log entry as it first was seen.
struct Seen {
    by: NodeId,
    previous: Option<Term>,
    payload: Option<Payload>,
}

/// What was seen of a node's log in memory.
struct Mirror {
    terms: Terms,
    commit: LogIndex,
    /// The term that it led in after its last step.
    led: Option<Term>,
}

struct Committed {
    term: Term,
    /// It was committed in this term or an earlier one.
    known_in: Term,
    by: NodeId,
}

/// See the module.
pub(super) struct Logs {
    base: LogIndex,
    seen: BTreeMap<(LogIndex, Term), Seen>,
    mirrors: BTreeMap<NodeId, Mirror>,
    /// From the position after `base` on.
    committed: Vec<Committed>,
}

impl Logs {
    /// Everything up to `base` was there before the run.
    pub(super) fn new(base: LogIndex) -> Self {
        Logs { base, seen: BTreeMap::new(), mirrors: BTreeMap::new(), committed: Vec::new() }
    }

    pub(super) fn on_started(&mut self, node: NodeId, raft: &Raft) -> Check {
        let start = raft.first_index().previous();
        let terms = Terms::after(start, raft.term_at(start).unwrap_or_default());
        self.mirrors.insert(node, Mirror { terms, commit: start, led: None });
        self.follow(node, raft)?;
        self.follow_commit(node, raft)
    }

    pub(super) fn on_crashed(&mut self, node: NodeId) {
        self.mirrors.remove(&node);
    }

    /// A node has taken a step. Returns the first position that was cut off its log, if any was.
    pub(super) fn on_stepped(&mut self, node: NodeId, raft: &Raft) -> Check<Option<LogIndex>> {
        let cut = self.follow(node, raft)?;
        self.follow_commit(node, raft)?;
        Ok(cut)
    }

    /// Takes in what a step changed at the log's end.
    fn follow(&mut self, node: NodeId, raft: &Raft) -> Check<Option<LogIndex>> {
        let Some(Mirror { terms, .. }) = self.mirrors.get_mut(&node) else { return Ok(None) };
        let (known, last) = (terms.last(), raft.last_index());
        if known == last && terms.at(last) == raft.term_at(last) {
            return Ok(None);
        }
        let start = raft.first_index().previous();
        let mut agreed = known.min(last);
        while agreed > start && terms.at(agreed) != raft.term_at(agreed) {
            agreed = agreed.previous();
        }
        let cut = (agreed < known).then(|| agreed.next());
        if agreed < start || agreed <= terms.start() || terms.at(agreed) != raft.term_at(agreed) {
            // The log was started anew, behind a snapshot.
            agreed = agreed.max(start);
            *terms = Terms::after(agreed, raft.term_at(agreed).unwrap_or_default());
        } else {
            terms.truncate_from(agreed.next());
        }
        for index in (agreed.0 + 1..=last.0).map(LogIndex) {
            let Some(term) = raft.term_at(index) else { break };
            terms.push(term);
            let previous = raft.term_at(index.previous());
            note(&mut self.seen, node, (index, term), previous, None)?;
        }
        Ok(cut)
    }

    /// Entries are on a node's disk.
    pub(super) fn on_persisted(&mut self, node: NodeId, entries: &[Entry]) -> Check {
        let mut previous = None;
        for entry in entries {
            note(&mut self.seen, node, (entry.index, entry.term), previous, Some(&entry.payload))?;
            previous = Some(entry.term);
        }
        Ok(())
    }

    fn follow_commit(&mut self, node: NodeId, raft: &Raft) -> Check {
        let Some(mirror) = self.mirrors.get_mut(&node) else { return Ok(()) };
        let (from, to) = (mirror.commit, raft.commit());
        let leads = (raft.role() == Role::Leader).then(|| raft.term());
        let led = std::mem::replace(&mut mirror.led, leads);
        if from >= to {
            return Ok(());
        }
        mirror.commit = to;
        check_own_term(node, raft, led)?;
        for index in (from.0 + 1..=to.0).map(LogIndex) {
            if let Some(term) = raft.term_at(index) {
                self.commit(node, index, (term, raft.term()))?;
            }
        }
        Ok(())
    }

    /// `node` is about to apply an entry, so it is committed.
    pub(super) fn on_apply(&mut self, node: NodeId, entry: &Entry) -> Check {
        self.commit(node, entry.index, (entry.term, NO_TERM_YET))
    }

    fn commit(&mut self, node: NodeId, index: LogIndex, (term, known_in): (Term, Term)) -> Check {
        let Some(offset) = index.0.checked_sub(self.base.0 + 1) else { return Ok(()) };
        let length = self.committed.len() as u64;
        if offset == length {
            self.committed.push(Committed { term, known_in, by: node });
            return Ok(());
        }
        // Positions whose entries nobody showed before they were compacted cannot be judged.
        let Some(known) = self.committed.get_mut(offset as usize) else { return Ok(()) };
        if known.term != term {
            let words = format!(
                "At position {index} node {node} committed the entry of term {term}, but node {} that of term {}.",
                known.by, known.term
            );
            return broken(Invariant::StateMachineSafety, words);
        }
        known.known_in = known.known_in.min(known_in);
        Ok(())
    }

    /// `node` leads in `term`.
    pub(super) fn on_leads(&self, node: NodeId, term: Term, raft: &Raft) -> Check {
        let start = raft.first_index().previous();
        for (index, committed) in (self.base.0 + 1..).map(LogIndex).zip(&self.committed) {
            if committed.known_in >= term || index < start {
                continue;
            }
            let found = raft.term_at(index);
            if found != Some(committed.term) {
                let has = found.map_or_else(
                    || format!("ends at {}", raft.last_index()),
                    |found| format!("has an entry of term {found} there"),
                );
                let words = format!(
                    "Node {node} leads in term {term}, but its log lacks the entry of term {} at position {index}, which node {} committed \
                     by term {}: it {has}.",
                    committed.term, committed.by, committed.known_in
                );
                return broken(Invariant::LeaderCompleteness, words);
            }
        }
        Ok(())
    }

    /// Compares a whole log with what was seen of it.
    pub(super) fn check_whole(&self, node: NodeId, raft: &Raft) -> Check {
        let Some(Mirror { terms, .. }) = self.mirrors.get(&node) else { return Ok(()) };
        let start = raft.first_index().previous();
        for (index, term) in terms.iter().filter(|(index, _)| *index >= start) {
            let found = raft.term_at(index);
            if found != Some(term) {
                let words = format!(
                    "Node {node} had an entry of term {term} at position {index} and now has {found:?} there, but its log still ends with \
                     position {} of term {:?}.",
                    terms.last(),
                    terms.at(terms.last())
                );
                return broken(Invariant::LogMatching, words);
            }
        }
        Ok(())
    }
}

/// A leader finds out that something is committed only by an entry of its own term (Raft §5.4.2).
fn check_own_term(node: NodeId, raft: &Raft, led: Option<Term>) -> Check {
    let leads_on = raft.role() == Role::Leader && led == Some(raft.term());
    match raft.term_at(raft.commit()) {
        Some(term) if leads_on && term != raft.term() => {
            let words = format!(
                "Node {node}, which leads in term {}, takes position {} for committed although its entry is of term {term}: another leader may \
                 still replace it.",
                raft.term(),
                raft.commit()
            );
            broken(Invariant::LeaderCompleteness, words)
        }
        _ => Ok(()),
    }
}

/// Compares an entry with what was seen first under its index and term.
fn note(
    seen: &mut BTreeMap<(LogIndex, Term), Seen>,
    node: NodeId,
    (index, term): (LogIndex, Term),
    previous: Option<Term>,
    payload: Option<&Payload>,
) -> Check {
    let known = seen.entry((index, term)).or_insert(Seen { by: node, previous, payload: None });
    if let (Some(theirs), Some(ours)) = (known.previous, previous)
        && theirs != ours
    {
        let words = format!(
            "Nodes {} and {node} both hold an entry of term {term} at position {index}, but before it the one holds term {theirs} and the other \
             term {ours}.",
            known.by
        );
        return broken(Invariant::LogMatching, words);
    }
    known.previous = known.previous.or(previous);
    match (&known.payload, payload) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            let words = format!(
                "Nodes {} and {node} hold different entries of term {term} at position {index}.",
                known.by
            );
            broken(Invariant::LogMatching, words)
        }
        (None, Some(ours)) => {
            known.payload = Some(ours.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}
