//! What Raft's members say to one another, and what their logs hold.

use super::configuration::Configuration;
use quorate_types::{Bytes, LogIndex, NodeId, Term};

/// One position of the replicated log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The term of the leader that appended it.
    pub term: Term,
    /// Its position.
    pub index: LogIndex,
    /// What it carries.
    pub payload: Payload,
}

/// What an entry carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Nothing: each leader's first entry, by which it learns what is committed (Raft §8).
    NoOp,
    /// A command for the state machine above; opaque here.
    Command(Bytes),
    /// The group's members from here on.
    Configuration(Configuration),
}

/// What a member must remember over a restart before it may answer (Raft figure 2, "persistent state").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HardState {
    /// The newest term that it has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
}

/// What a snapshot stands for: the log up to and including `index`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotMeta {
    /// The last entry that the snapshot covers; 0 for the empty state.
    pub index: LogIndex,
    /// That entry's term.
    pub term: Term,
    /// The members as of that entry.
    pub configuration: Configuration,
}

/// Names one proposal over its whole way, so that its outcome finds the request that it came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProposalId {
    /// The node whose client asked.
    pub origin: NodeId,
    /// Unique among all that this node ever proposes, over restarts too.
    pub sequence: u64,
}

/// A command on its way into the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Its name.
    pub id: ProposalId,
    /// The entry's future payload; it repeats `id` in whatever form the machine above reads.
    pub command: Bytes,
}

/// Names one attempt to forward proposals, so that a repeated message is recognised: a leader takes an attempt at most once, and
/// its origin heeds an attempt's rejection at most once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ForwardId {
    /// Drawn by the forwarding core when it starts.
    pub life: u64,
    /// Counts up within that life.
    pub number: u64,
}

/// Names one linearizable read among those of the node that asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadId(pub u64);

/// A message within one group. `term` is the sender's term, or for [`Body::PreVote`] the term it would campaign in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// See above.
    pub term: Term,
    /// What is said.
    pub body: Body,
}

/// What is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Would you vote for me? Changes nobody's term (Raft dissertation §9.6).
    PreVote {
        /// The candidate's last log position.
        last_index: LogIndex,
        /// That entry's term.
        last_term: Term,
    },
    /// Answer to [`Body::PreVote`].
    PreVoteReply {
        /// Whether it would.
        granted: bool,
    },
    /// Vote for me (Raft §5.2, §5.4.1).
    Vote {
        /// The candidate's last log position.
        last_index: LogIndex,
        /// That entry's term.
        last_term: Term,
        /// The leader asked for this election, so members answer although they hear from it (dissertation §3.10).
        transfer: bool,
    },
    /// Answer to [`Body::Vote`].
    VoteReply {
        /// Whether the sender's vote of this term is the candidate's.
        granted: bool,
    },
    /// Append these (Raft §5.3).
    Append {
        /// The position before the first entry.
        previous_index: LogIndex,
        /// The term there.
        previous_term: Term,
        /// Entries in order, without gaps.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: LogIndex,
    },
    /// The log up to `matched` is on the sender's disk and equals the leader's.
    AppendAccepted {
        /// See above.
        matched: LogIndex,
    },
    /// The entry before the first does not match (Raft §5.3, with the hint of §5.3's last paragraphs).
    AppendRejected {
        /// The `previous_index` that did not match.
        rejected: LogIndex,
        /// The sender's last position with a term not above `hint_term`: the leader tries there next.
        hint_index: LogIndex,
        /// The term of the sender's entry at `hint_index`.
        hint_term: Term,
    },
    /// I still lead. Kept apart from [`Body::Append`] so that it never waits for a disk or behind a large message.
    Heartbeat {
        /// The commit index, cut to what the receiver is known to have.
        commit: LogIndex,
        /// Which round of confirmation this belongs to, for read index (dissertation §6.4). 0 carries only the commit index and
        /// asks for no answer.
        round: u64,
    },
    /// Answer to [`Body::Heartbeat`], from memory. Also tells a leader of an older term that its time is over.
    HeartbeatReply {
        /// The round that is confirmed; 0 for none.
        round: u64,
    },
    /// A piece of the state machine, for a follower whose next entry is gone from the log (Raft §7).
    SnapshotChunk {
        /// What the whole stands for.
        meta: SnapshotMeta,
        /// Position of this piece: 0, 1, 2, …
        sequence: u64,
        /// The piece; opaque here.
        data: Bytes,
        /// Whether it is the last.
        last: bool,
    },
    /// The receiver of a snapshot has stored all pieces before `next`; the sender goes on there.
    SnapshotProgress {
        /// Which snapshot.
        index: LogIndex,
        /// The piece that it wants next; `u64::MAX` once the snapshot is installed.
        next: u64,
    },
    /// A follower hands proposals to the leader. The leader takes them only if `Message::term` is its own term: so a
    /// proposal can enter the log only in the term for which it was forwarded, and its origin may propose it again once it has
    /// applied an entry of a later term without having met it.
    Forward {
        /// This attempt.
        forward: ForwardId,
        /// The proposals.
        proposals: Vec<Proposal>,
    },
    /// The leader did not take these; they are in nobody's log.
    ForwardRejected {
        /// Which attempt. Heeded only in the term that it was forwarded in.
        forward: ForwardId,
        /// Which.
        ids: Vec<ProposalId>,
        /// Why.
        reason: Rejection,
    },
    /// A follower asks for a read index (dissertation §6.4).
    ReadIndex {
        /// The follower's batch of reads, which may join many of its [`super::Input::Read`]s; never used again, over restarts neither.
        id: ReadId,
    },
    /// The follower may serve that batch once it has applied `index`.
    ReadIndexReply {
        /// The batch.
        id: ReadId,
        /// See above; `None` if the sender cannot tell (not the leader, or overloaded): ask again.
        index: Option<LogIndex>,
    },
    /// Start an election at once: the sender hands its leadership over (dissertation §3.10).
    TimeoutNow,
}

/// Why a proposal or read was refused. In every case the log is as if it had never been asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// This node does not lead; `leader` is who does, if known.
    NotLeader {
        /// See above.
        leader: Option<NodeId>,
    },
    /// A bounded queue is full; ask again later.
    Overloaded,
    /// The leader is handing over; ask again in a moment.
    Transferring,
    /// The leader's disk does not take writes.
    DiskFailed,
}
