//! What must hold over all members at any time: one recorder that has seen everything.

use super::member::{DiskImage, Member};
use quorate_consensus::raft::{Body, Configuration, Entry, Message, Payload, Raft, Role};
use quorate_types::{LogIndex, NodeId, Term};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Checks {
    leaders: BTreeMap<Term, NodeId>,
    /// Every entry ever written by anyone: its payload and the term of the entry before.
    written: BTreeMap<(LogIndex, Term), (Payload, Term)>,
    /// Every committed entry, from index 1 on.
    committed: Vec<Entry>,
    /// All commands among `committed`.
    commands: BTreeSet<u64>,
    /// Whom each member voted for in each term.
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// For each committed position: its entry's term, and the term of the leader that committed it.
    marks: Vec<(Term, Term)>,
    /// The highest commit index that any member ever knew.
    max_commit: LogIndex,
}

/// The number in a command.
pub fn command_of(entry: &Entry) -> Option<u64> {
    match &entry.payload {
        Payload::Command(bytes) => {
            Some(u64::from_le_bytes(bytes[..].try_into().expect("commands have 8 bytes")))
        }
        Payload::NoOp | Payload::Configuration(_) => None,
    }
}

impl Checks {
    pub fn max_commit(&self) -> LogIndex {
        self.max_commit
    }

    pub fn has_committed(&self, command: u64) -> bool {
        self.commands.contains(&command)
    }

    /// Log matching (Raft figure 3): an index and a term name one entry and, by induction, all before it.
    pub fn on_written(&mut self, raft: &Raft, entries: &[Entry]) {
        for entry in entries {
            let previous = raft.term_at(entry.index.previous()).expect("the entry before is there");
            let known = self
                .written
                .entry((entry.index, entry.term))
                .or_insert_with(|| (entry.payload.clone(), previous));
            assert_eq!(known, &(entry.payload.clone(), previous), "log matching at {:?}", entry.index);
        }
    }

    /// What is promised to others is on disk (Raft figure 2), and a vote is given once.
    pub fn on_sent(&mut self, from: NodeId, to: NodeId, message: &Message, disk: &DiskImage) {
        let (term, candidate) = match &message.body {
            Body::VoteReply { granted: true } => (message.term, to),
            Body::Vote { .. } => (message.term, from),
            Body::AppendAccepted { matched } => {
                let last = LogIndex(disk.snapshot.index.0 + disk.entries.len() as u64);
                assert!(last >= *matched, "{from} promises {matched} and its disk holds {last}");
                return;
            }
            _ => return,
        };
        let vote = *self.votes.entry((from, term)).or_insert(candidate);
        assert_eq!(vote, candidate, "{from} votes once in term {term}");
        let durable = disk.hard_state;
        let is_durable = durable.term > term || (durable.term == term && durable.vote == Some(candidate));
        assert!(is_durable, "{from} promises a vote in term {term} and its disk holds {durable:?}");
    }

    /// State machine safety (Raft figure 3), and no command twice.
    pub fn on_applied(&mut self, entry: &Entry) {
        let position = entry.index.0 as usize - 1;
        match self.committed.get(position) {
            Some(known) => assert_eq!(known, entry, "state machine safety"),
            None => {
                assert_eq!(position, self.committed.len(), "entries are first applied in order");
                self.committed.push(entry.clone());
                if let Some(command) = command_of(entry) {
                    assert!(self.commands.insert(command), "command {command} is in the log twice");
                }
            }
        }
    }

    /// After each step of `id`.
    pub fn on_step(
        &mut self,
        id: NodeId,
        members: &BTreeMap<NodeId, Member>,
        configuration: &Configuration,
        commit_before: LogIndex,
        was_leader: bool,
    ) {
        let raft = members[&id].raft.as_ref().expect("it just took a step");
        raft.check_invariants();
        if raft.role() == Role::Leader {
            let leader = *self.leaders.entry(raft.term()).or_insert(id);
            assert_eq!(leader, id, "election safety in term {}", raft.term());
            if !was_leader {
                self.check_leader_completeness(raft);
            }
            if raft.commit() > commit_before {
                let (index, term) = (raft.commit(), raft.term_at(raft.commit()).expect("it is there"));
                let is_durable = |id: NodeId| members[&id].disk.holds(index, term);
                assert!(
                    configuration.has_quorum(is_durable),
                    "{index} is committed but not on a quorum's disks"
                );
                assert_eq!(term, raft.term(), "only entries of the leader's own term are counted");
                self.note_committed(raft);
            }
        }
        self.max_commit = self.max_commit.max(raft.commit());
    }

    /// What the leader `raft` has committed for the first time in its term.
    fn note_committed(&mut self, raft: &Raft) {
        for index in self.marks.len() as u64 + 1..=raft.commit().0 {
            let entry_term = raft.term_at(LogIndex(index)).expect("a leader holds what it commits");
            self.marks.push((entry_term, raft.term()));
        }
    }

    /// Leader completeness (Raft figure 3): what was committed in an earlier term is in the log of the leader of a later one. A
    /// leader whose votes came late may be of an earlier term than the last leader.
    fn check_leader_completeness(&self, raft: &Raft) {
        for (position, (entry_term, committed_in)) in self.marks.iter().enumerate() {
            let index = LogIndex(position as u64 + 1);
            if *committed_in < raft.term() && index >= raft.first_index().previous() {
                assert_eq!(
                    raft.term_at(index),
                    Some(*entry_term),
                    "a new leader holds committed entry {index}"
                );
            }
        }
    }
}
