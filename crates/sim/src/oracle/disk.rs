//! **Disk durability:** what a node said to have on its disk is there after a restart (Raft figure 2, "persistent state"). **Durability**, at the moment
//! that it is promised: when a client is told that its write is done, its entry is on the disks of a quorum.
//!
//! For each node stands here what its disk must give back. A restart may find more: writes that were on their way may have arrived. Some of them
//! may have cut off entries, so what was cut off in memory is not asked for until the write that did it is durable; every cut in memory is one
//! write that cuts, and these come in order. What a start found is durable itself, because a log is opened only so.

use super::broken::{Check, broken};
use super::terms::Terms;
use crate::violation::Invariant;
use quorate_consensus::raft::{Body, Configuration, HardState, LogWrite, Message, Raft};
use quorate_kv::View;
use quorate_types::{LogIndex, NodeId, Term};
use std::collections::{BTreeMap, VecDeque};

struct Disk {
    hard_state: HardState,
    terms: Terms,
    /// Where entries were cut off in memory by writes that are not durable yet.
    cuts: VecDeque<LogIndex>,
    harmed: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Disks {
    disks: BTreeMap<NodeId, Disk>,
    configuration: Configuration,
}

impl Disks {
    pub(super) fn on_started(&mut self, node: NodeId, raft: &Raft, view: &View) -> Check {
        if let Some(disk) = self.disks.get(&node) {
            disk.check_start(raft, view).or_else(|words| {
                let should = if disk.harmed {
                    "Its disk was harmed: it must refuse to start rather than start with less."
                } else {
                    "Nothing had happened to its disk."
                };
                broken(Invariant::DiskDurability, format!("Node {node} starts {words}. {should}"))
            })?;
        }
        let start = raft.first_index().previous();
        let mut terms = Terms::after(start, raft.term_at(start).unwrap_or_default());
        (start.0 + 1..=raft.last_index().0)
            .filter_map(|index| raft.term_at(LogIndex(index)))
            .for_each(|term| terms.push(term));
        let harmed = self.disks.get(&node).is_some_and(|disk| disk.harmed);
        let disk = Disk { hard_state: raft.hard_state(), terms, cuts: VecDeque::new(), harmed };
        self.disks.insert(node, disk);
        self.configuration = raft.configuration().clone();
        Ok(())
    }

    pub(super) fn on_harmed(&mut self, node: NodeId) {
        if let Some(disk) = self.disks.get_mut(&node) {
            disk.harmed = true;
        }
    }

    /// A node's log in memory lost this position and all after it.
    pub(super) fn on_cut(&mut self, node: NodeId, from: LogIndex) {
        if let Some(disk) = self.disks.get_mut(&node) {
            disk.cuts.push_back(from);
        }
    }

    pub(super) fn on_persisted(&mut self, node: NodeId, write: &LogWrite) {
        let Some(disk) = self.disks.get_mut(&node) else { return };
        let last = disk.terms.last();
        let mut cuts = false;
        if let Some(meta) = &write.reset {
            cuts = last > meta.index;
            disk.terms = Terms::after(meta.index, meta.term);
        }
        if let Some(hard_state) = write.hard_state {
            disk.hard_state = hard_state;
        }
        if let Some(first) = write.entries.first() {
            cuts |= write.reset.is_none() && first.index <= last;
            if first.index <= disk.terms.start() {
                disk.terms = Terms::after(first.index.previous(), Term(0));
            }
            disk.terms.truncate_from(first.index);
            write.entries.iter().for_each(|entry| disk.terms.push(entry.term));
        }
        if cuts {
            disk.cuts.pop_front();
        }
    }

    /// A node tells another something that it must not forget: a vote, or that it has entries.
    pub(super) fn on_sent(&self, node: NodeId, raft: &Raft, (to, message): (NodeId, &Message)) -> Check {
        let Some(disk) = self.disks.get(&node) else { return Ok(()) };
        let HardState { term, vote } = disk.hard_state;
        if term > message.term {
            // What was promised in an earlier term was on disk before this one was entered.
            return Ok(());
        }
        let words = match message.body {
            Body::VoteReply { granted: true } if term < message.term || vote != Some(to) => {
                format!(
                    "votes for {to} in term {}, but its disk says term {term}, vote {vote:?}",
                    message.term
                )
            }
            Body::AppendAccepted { matched } if disk.terms.last() < matched => {
                format!(
                    "says to have the log up to {matched}, but its disk has it up to {}",
                    disk.terms.last()
                )
            }
            // In one term a follower's log only grows, so what it acknowledges is what it has in memory now.
            Body::AppendAccepted { matched }
                if raft.term() == message.term && differ(disk.terms.at(matched), raft.term_at(matched)) =>
            {
                let (on_disk, in_memory) = (disk.terms.at(matched), raft.term_at(matched));
                format!("says to have position {matched} of term {in_memory:?}, but its disk has {on_disk:?}")
            }
            _ => return Ok(()),
        };
        broken(Invariant::SyncBeforeSend, format!("Node {node} {words}."))
    }

    /// A client is told that the entry of `term` at `index` is done.
    pub(super) fn on_answered(&self, index: LogIndex, term: Term) -> Check {
        let holds = |node: NodeId| {
            let disk = self.disks.get(&node);
            disk.is_some_and(|disk| index <= disk.terms.start() || disk.terms.at(index) == Some(term))
        };
        if self.configuration.has_quorum(holds) {
            return Ok(());
        }
        let holders: Vec<NodeId> = self.configuration.all_voters().filter(|node| holds(*node)).collect();
        let words = format!(
            "A client is told that the entry of term {term} at position {index} is done, but of {} voters only {holders:?} have it on disk.",
            self.configuration.all_voters().count()
        );
        broken(Invariant::Durability, words)
    }
}

fn differ(one: Option<Term>, other: Option<Term>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

impl Disk {
    /// Compares what a node starts with with what its disk must give back.
    fn check_start(&self, raft: &Raft, view: &View) -> Result<(), String> {
        let (synced, found) = (self.hard_state, raft.hard_state());
        if found.term < synced.term {
            return Err(format!("in term {}, but had synced term {}", found.term, synced.term));
        }
        if found.term == synced.term && synced.vote.is_some() && found.vote != synced.vote {
            let (term, was, is) = (synced.term, synced.vote, found.vote);
            return Err(format!("with the vote {is:?} in term {term}, but had synced the vote {was:?}"));
        }
        let start = raft.first_index().previous();
        if view.applied().0 < start {
            return Err(format!("with tables at {}, but its log begins after {start}", view.applied().0));
        }
        let certain_below = self.cuts.iter().min().copied().unwrap_or(LogIndex(u64::MAX));
        let synced = self.terms.iter().take_while(|(index, _)| *index < certain_below);
        for (index, term) in synced.filter(|(index, _)| *index > start) {
            match raft.term_at(index) {
                Some(found) if found == term => {}
                Some(found) => {
                    return Err(format!(
                        "with an entry of term {found} at {index}, but had synced one of term {term}"
                    ));
                }
                None => {
                    let last = raft.last_index();
                    return Err(format!(
                        "with a log up to {last}, but had synced the entry of term {term} at {index}"
                    ));
                }
            }
        }
        Ok(())
    }
}
