//! What goes into a node and what comes out of it.

use crate::peer::PeerMessage;
use quorate_consensus::raft::{LogWrite, Role, SnapshotMeta, WriteId};
use quorate_kv::Command;
use quorate_types::{Bytes, GroupId, LogIndex, NodeId, StateHash, Term, Time};

/// A client's write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteRequest {
    /// Names the request on this node; unique over restarts, never [`crate::envelope::UNANSWERED`].
    pub sequence: u64,
    /// What to do; already checked by [`quorate_kv::validate`].
    pub command: Command,
    /// When its client stops waiting.
    pub deadline: Time,
    /// Whether it is refused at once while no leader is known.
    pub require_leader: bool,
}

/// A client's linearizable read: may be served from any view that is not older than this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadRequest {
    /// Names the request on this node.
    pub sequence: u64,
    /// When its client stops waiting.
    pub deadline: Time,
    /// Whether it is refused at once while no leader is known.
    pub require_leader: bool,
}

/// Something happened outside of the node. All but `DiskFailed` and `Tick` concern one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A peer's message.
    Peer {
        /// Who sent it.
        from: NodeId,
        /// About which group.
        group: GroupId,
        /// What.
        message: PeerMessage,
    },
    /// Clients' requests, as many as the driver has gathered.
    Requests {
        /// About which group.
        group: GroupId,
        /// Writes, in order of arrival.
        writes: Vec<WriteRequest>,
        /// Reads.
        reads: Vec<ReadRequest>,
    },
    /// The log is durable up to this write.
    Persisted {
        /// Of which group.
        group: GroupId,
        /// The last write that is on disk.
        write: WriteId,
    },
    /// The log can no longer be written.
    DiskFailed,
    /// A group's machine has stopped for good: nothing will be applied any more.
    MachineFailed {
        /// Whose machine.
        group: GroupId,
    },
    /// The machine has applied the log up to `index`, and its view says so.
    Applied {
        /// Which group's machine.
        group: GroupId,
        /// Up to and including.
        index: LogIndex,
        /// The term of that entry.
        term: Term,
        /// The requests of this node that were among the entries.
        answered: Vec<u64>,
        /// Cluster time minus this node's time, in ns.
        clock_offset_ns: i64,
    },
    /// The machine noted its state hash.
    Checkpoint {
        /// Which group's machine.
        group: GroupId,
        /// After this entry.
        index: LogIndex,
        /// The hash.
        hash: StateHash,
    },
    /// The leader's machine wants a command in the log that no client asked for. It is dropped if this node does not lead in `term`.
    Propose {
        /// In which group.
        group: GroupId,
        /// What.
        command: Command,
        /// See above.
        term: Term,
    },
    /// The machine's tables are durable up to here.
    Durable {
        /// Which group's machine.
        group: GroupId,
        /// Up to and including.
        index: LogIndex,
    },
    /// Answer to [`Effect::ReadSnapshot`]; `None` if the piece could not be read.
    SnapshotRead {
        /// Of which group.
        group: GroupId,
        /// For whom.
        to: NodeId,
        /// The piece.
        piece: Option<SnapshotPiece>,
    },
    /// Answer to [`Effect::StoreSnapshot`].
    SnapshotStored {
        /// Of which group.
        group: GroupId,
        /// Which snapshot.
        index: LogIndex,
        /// Which piece.
        sequence: u64,
    },
    /// Hand the leadership of a group over.
    TransferLeadership {
        /// Which group.
        group: GroupId,
        /// To whom.
        to: NodeId,
    },
    /// Time has passed.
    Tick,
}

/// One piece of a snapshot on its way to a follower.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotPiece {
    /// What the whole stands for.
    pub meta: SnapshotMeta,
    /// Its position: 0, 1, 2, …
    pub sequence: u64,
    /// The rows.
    pub data: Bytes,
    /// Whether it is the last.
    pub last: bool,
}

/// Why a request was refused before or instead of an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestFailure {
    /// No leader is known, and the request did not want to wait. Nothing was done.
    NoLeader,
    /// The deadline came before the request entered any log. Nothing was done.
    TimedOutUnsent,
    /// The deadline came first, or a snapshot from the leader took the entry's place in this node's log. The write **may have been done,
    /// or may still be**.
    TimedOut,
    /// A bounded queue is full. Nothing was done.
    Overloaded,
    /// This node's disk takes no more writes, or its machine has stopped. Nothing was done.
    DiskFailed,
    /// This replica's state differs from the leader's; it serves nothing. Nothing was done.
    Corrupt,
}

/// Something that the node wants done; executed in order. An [`Effect::Append`] need not be durable before the next effect starts: what
/// has to wait for it stands in its `then`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Write to the log, then answer [`Input::Persisted`].
    Append {
        /// Whose log.
        group: GroupId,
        /// Names the write.
        write: WriteId,
        /// What to write.
        log: LogWrite,
        /// What may leave the node only after this write is durable.
        then: Vec<(NodeId, PeerMessage)>,
    },
    /// Send now; it may be lost, repeated or overtaken.
    Send {
        /// To whom.
        to: NodeId,
        /// About which group.
        group: GroupId,
        /// What.
        message: PeerMessage,
    },
    /// Give these to the group's machine.
    Apply {
        /// Which group.
        group: GroupId,
        /// Committed entries, in order and without gaps.
        entries: Vec<quorate_consensus::raft::Entry>,
    },
    /// These reads may be served from the group's newest view.
    ReadReady {
        /// Their numbers.
        sequences: Vec<u64>,
    },
    /// This request ends without an outcome.
    Fail {
        /// Its number.
        sequence: u64,
        /// Why.
        failure: RequestFailure,
    },
    /// Read a piece of a snapshot, then answer [`Input::SnapshotRead`].
    ReadSnapshot {
        /// Of which group.
        group: GroupId,
        /// For whom.
        to: NodeId,
        /// The snapshot that was begun; `None` for the first piece of a new one.
        index: Option<LogIndex>,
        /// Which piece.
        sequence: u64,
    },
    /// Store a piece of a snapshot, then answer [`Input::SnapshotStored`].
    StoreSnapshot {
        /// Of which group.
        group: GroupId,
        /// The piece.
        piece: SnapshotPiece,
    },
    /// The log up to this position is not needed any more.
    CompactLog {
        /// Whose log.
        group: GroupId,
        /// Up to and including.
        upto: LogIndex,
    },
    /// Role, term or known leader of a group changed.
    Became {
        /// Which group.
        group: GroupId,
        /// What this node is now.
        role: Role,
        /// Since when.
        term: Term,
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// This replica's state differs from the leader's: it must serve nothing more.
    Diverged {
        /// Which group.
        group: GroupId,
        /// Where it was found.
        index: LogIndex,
    },
}
