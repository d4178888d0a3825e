//! One member alone, number 1 of three, whose peers are played by the test.

use quorate_consensus::raft::{
    Body, Config, Configuration, Effect, Entry, HardState, Input, Message, Payload, Proposal, ProposalId,
    Raft, Restored, Role, SnapshotMeta, WriteId,
};
use quorate_types::{Bytes, LogIndex, NodeId, Term, Time};

pub struct Lone {
    pub raft: Raft,
    pub now: Time,
    pub effects: Vec<Effect>,
}

impl Lone {
    pub fn new(restored: Restored) -> Lone {
        let raft = Raft::new(Config::new(NodeId(1)), restored, Time(0), 1);
        Lone { raft, now: Time(0), effects: Vec::new() }
    }

    /// A member whose n-th entry is of the n-th of `terms`; its disk is told to have written all it is asked to by hand.
    pub fn with(terms: &[u64], change: impl Fn(&mut Config)) -> Lone {
        let mut config = Config::new(NodeId(1));
        change(&mut config);
        let configuration = Configuration::of_voters((1..=3).map(NodeId).collect());
        let term = Term(terms.last().copied().unwrap_or(0));
        let entry = |(at, term): (usize, &u64)| Entry {
            term: Term(*term),
            index: LogIndex(at as u64 + 1),
            payload: Payload::Command(Bytes::from_static(b"x")),
        };
        let restored = Restored {
            hard_state: HardState { term, vote: None },
            snapshot: SnapshotMeta { configuration, ..SnapshotMeta::default() },
            entries: terms.iter().enumerate().map(entry).collect(),
            applied: LogIndex(0),
        };
        Lone { raft: Raft::new(config, restored, Time(0), 1), now: Time(0), effects: Vec::new() }
    }

    pub fn follower(terms: &[u64]) -> Lone {
        Lone::with(terms, |_| ())
    }

    pub fn leader(terms: &[u64]) -> Lone {
        Lone::leader_with(terms, |_| ())
    }

    /// Elected by member 2; everything that it wrote is durable.
    pub fn leader_with(terms: &[u64], change: impl Fn(&mut Config)) -> Lone {
        let mut lone = Lone::with(terms, change);
        lone.now = Time::from_millis(500);
        lone.step(Input::Tick);
        lone.hear(2, Body::PreVoteReply { granted: true });
        lone.persist();
        lone.hear(2, Body::VoteReply { granted: true });
        assert_eq!(lone.raft.role(), Role::Leader);
        lone.persist();
        lone.effects.clear();
        lone
    }

    pub fn step(&mut self, input: Input) {
        self.raft.step(self.now, input, &mut self.effects);
        self.raft.check_invariants();
    }

    /// Member `from`, in the same term, says `body`.
    pub fn hear(&mut self, from: u64, body: Body) {
        let message = Message { term: self.raft.term(), body };
        self.step(Input::Message { from: NodeId(from), message });
    }

    /// Everything written so far is durable.
    pub fn persist(&mut self) {
        let newest = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Append { write, .. } => Some(*write),
            _ => None,
        });
        self.step(Input::Persisted { write: newest.unwrap_or(WriteId(0)) });
    }

    pub fn propose(&mut self, sequence: u64) {
        let id = ProposalId { origin: NodeId(1), sequence };
        self.step(Input::Propose { proposals: vec![Proposal { id, command: Bytes::from_static(b"x") }] });
    }

    /// What was sent to `to`, heartbeats that ask for no answer left out.
    pub fn sent_to(&self, to: u64) -> Vec<Body> {
        let sent = self.effects.iter().filter_map(|effect| match effect {
            Effect::Send { to: receiver, message } if receiver.0 == to => Some(message.body.clone()),
            _ => None,
        });
        sent.filter(|body| !matches!(body, Body::Heartbeat { round: 0, .. })).collect()
    }
}
