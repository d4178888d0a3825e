//! What goes into a Raft core and what comes out of it.

use super::message::{Entry, HardState, Message, Proposal, ProposalId, ReadId, Rejection, SnapshotMeta};
use quorate_types::{Bytes, LogIndex, NodeId, Term};

/// Names one write to the log; later writes have larger ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WriteId(pub u64);

/// Something happened outside of the core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A peer's message.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What.
        message: Message,
    },
    /// This node's clients want these in the log. Each ends as a committed entry, an [`Effect::Rejected`], or unknown (its
    /// forwarding message or its leader was lost).
    Propose {
        /// The proposals, in order.
        proposals: Vec<Proposal>,
    },
    /// This node's clients want to read at a moment not before this one. Answered by [`Effect::ReadReady`] or
    /// [`Effect::ReadRejected`].
    Read {
        /// A batch of reads; unique for this core's life.
        id: ReadId,
    },
    /// The log is durable up to and including this write.
    Persisted {
        /// The last write that is on disk.
        write: WriteId,
    },
    /// The log can no longer be written (disk full or failed). The core steps down and takes no more writes; it goes on to answer
    /// that it cannot.
    DiskFailed,
    /// The machine above has applied the log up to here; feeds read index and log compaction.
    Applied {
        /// Up to and including.
        index: LogIndex,
    },
    /// The machine's own tables are durable up to here: the log before may be given up, as far as the configured tail is kept.
    Compactable {
        /// Up to and including.
        index: LogIndex,
    },
    /// Answer to [`Effect::ReadSnapshot`].
    SnapshotRead {
        /// For whom.
        to: NodeId,
        /// What the whole stands for; never older than the log's first position allows.
        meta: SnapshotMeta,
        /// Which piece.
        sequence: u64,
        /// The piece.
        data: Bytes,
        /// Whether it is the last.
        last: bool,
    },
    /// The machine could not read a piece; the core starts that follower's snapshot again.
    SnapshotReadFailed {
        /// For whom.
        to: NodeId,
    },
    /// Answer to [`Effect::StoreSnapshot`]: the piece is stored; for the last one, the machine now stands at the snapshot, durably.
    SnapshotStored {
        /// Which snapshot.
        index: LogIndex,
        /// Which piece.
        sequence: u64,
    },
    /// Hand leadership to `to`. Ignored where this node does not lead; given up after an election timeout.
    TransferLeadership {
        /// A voter.
        to: NodeId,
    },
    /// Time has passed. Sent at [`super::Raft::next_deadline`] or later; harmless at any other moment.
    Tick,
}

/// Something that the core wants done. Effects are executed in order, except that [`Effect::Append`] need not be
/// durable before the next effect starts: what has to wait for it stands in its `then`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Write to the log, then answer [`Input::Persisted`].
    Append {
        /// Its name.
        write: WriteId,
        /// What to write.
        log: LogWrite,
        /// What may leave the node only after this write is durable.
        then: Vec<(NodeId, Message)>,
    },
    /// Send now; it may be lost, repeated or overtaken.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// These are committed: apply them in order, then answer [`Input::Applied`]. May be executed before they are durable on this very
    /// node, because a quorum has them.
    Apply {
        /// Entries without gaps, after all applied ones.
        entries: Vec<Entry>,
    },
    /// A batch of reads may be served: the machine has applied all that was committed when it was asked for.
    ReadReady {
        /// The batch.
        id: ReadId,
        /// An index that is applied already and that the read must not be older than.
        index: LogIndex,
    },
    /// A batch of reads cannot be served now.
    ReadRejected {
        /// The batch.
        id: ReadId,
        /// Why.
        reason: Rejection,
    },
    /// These proposals are in nobody's log.
    Rejected {
        /// Which.
        ids: Vec<ProposalId>,
        /// Why.
        reason: Rejection,
    },
    /// Read one piece of a snapshot, then answer [`Input::SnapshotRead`] or [`Input::SnapshotReadFailed`]. The first piece
    /// (`sequence` 0) chooses the snapshot: the machine's newest state. Later ones must be of that same snapshot, else failed.
    ReadSnapshot {
        /// For whom.
        to: NodeId,
        /// The snapshot chosen by the first piece.
        index: Option<LogIndex>,
        /// Which piece.
        sequence: u64,
    },
    /// Store one piece of a snapshot; for the last one, replace the machine's state by it, durably. Then answer
    /// [`Input::SnapshotStored`]. Piece 0 throws away what was stored of an unfinished one.
    StoreSnapshot {
        /// What the whole stands for.
        meta: SnapshotMeta,
        /// Which piece.
        sequence: u64,
        /// The piece.
        data: Bytes,
        /// Whether it is the last.
        last: bool,
    },
    /// Role, term or known leader changed. For routing, metrics and the log line; nothing must wait for it.
    Became {
        /// What this node is now.
        role: Role,
        /// Since when.
        term: Term,
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
}

/// A change to the durable log. Its parts are written in this order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogWrite {
    /// Forget the whole log: it now starts after this snapshot.
    pub reset: Option<SnapshotMeta>,
    /// The new term and vote.
    pub hard_state: Option<HardState>,
    /// Entries without gaps. Whatever the log held from the first one's position on is replaced.
    pub entries: Vec<Entry>,
}

/// What a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Follows a leader or waits for one.
    Follower,
    /// Asks whether it could win an election.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
    /// Receives the log and has no vote.
    Learner,
}

/// What a core starts from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// As last written.
    pub hard_state: HardState,
    /// What the log starts after. For a new group: index 0, term 0 and the initial members.
    pub snapshot: SnapshotMeta,
    /// The log after `snapshot`.
    pub entries: Vec<Entry>,
    /// How far the machine has applied; at least `snapshot.index`.
    pub applied: LogIndex,
}
