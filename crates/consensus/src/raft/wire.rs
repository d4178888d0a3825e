//! The bytes of messages and of what the log on disk holds.
//!
//! Problem: bytes written today are read by tomorrow's program, and bytes from the network may be damaged. Idea: each value
//! starts with a byte that names its kind and, with it, its layout; a kind's layout never changes and its number is never used
//! again. Decoding checks the shape that the log asserts: entries without gaps, of terms that never fall.
//!
//! **Invariant:** decoding what was encoded gives an equal value; decoding anything else gives an error or a well-formed value.
//!
//! ```text
//! message:       kind u8 (1..=16) · term · the body's fields in the order of their declaration
//! entry:         kind u8 (1 no-op, 2 command, 3 configuration) · term · index · [command bytes | configuration]
//! hard state:    kind u8 (1) · term · vote (0 for none)
//! snapshot meta: kind u8 (1) · index · term · configuration
//! configuration: kind u8 (1) · voters · outgoing · learners, each a count and ids in rising order
//! ```
//!
//! Numbers are varints, byte strings carry their length ([`quorate_types::codec`]).

use super::configuration::Configuration;
use super::message::{
    Body, Entry, ForwardId, HardState, Message, Payload, Proposal, ProposalId, ReadId, Rejection,
    SnapshotMeta,
};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, LogIndex, NodeId, Term};

mod kind {
    pub(super) const PRE_VOTE: u8 = 1;
    pub(super) const PRE_VOTE_REPLY: u8 = 2;
    pub(super) const VOTE: u8 = 3;
    pub(super) const VOTE_REPLY: u8 = 4;
    pub(super) const APPEND: u8 = 5;
    pub(super) const APPEND_ACCEPTED: u8 = 6;
    pub(super) const APPEND_REJECTED: u8 = 7;
    pub(super) const HEARTBEAT: u8 = 8;
    pub(super) const HEARTBEAT_REPLY: u8 = 9;
    pub(super) const SNAPSHOT_CHUNK: u8 = 10;
    pub(super) const SNAPSHOT_PROGRESS: u8 = 11;
    pub(super) const FORWARD: u8 = 12;
    pub(super) const FORWARD_REJECTED: u8 = 13;
    pub(super) const READ_INDEX: u8 = 14;
    pub(super) const READ_INDEX_REPLY: u8 = 15;
    pub(super) const TIMEOUT_NOW: u8 = 16;

    pub(super) const NO_OP: u8 = 1;
    pub(super) const COMMAND: u8 = 2;
    pub(super) const CONFIGURATION_ENTRY: u8 = 3;

    pub(super) const HARD_STATE: u8 = 1;
    pub(super) const SNAPSHOT_META: u8 = 1;
    pub(super) const CONFIGURATION: u8 = 1;
}

/// Appends a message's bytes.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    out.put_u8(kind_of(&message.body));
    out.put_varint(message.term.0);
    match &message.body {
        Body::PreVote { last_index, last_term } => put_position(*last_index, *last_term, out),
        Body::PreVoteReply { granted } | Body::VoteReply { granted } => out.put_bool(*granted),
        Body::Vote { last_index, last_term, transfer } => {
            put_position(*last_index, *last_term, out);
            out.put_bool(*transfer);
        }
        Body::Append { previous_index, previous_term, entries, commit } => {
            put_position(*previous_index, *previous_term, out);
            out.put_varint(entries.len() as u64);
            for entry in entries {
                encode_entry(entry, out);
            }
            out.put_varint(commit.0);
        }
        Body::AppendAccepted { matched } => out.put_varint(matched.0),
        Body::AppendRejected { rejected, hint_index, hint_term } => {
            out.put_varint(rejected.0);
            put_position(*hint_index, *hint_term, out);
        }
        Body::Heartbeat { commit, round } => {
            out.put_varint(commit.0);
            out.put_varint(*round);
        }
        Body::HeartbeatReply { round } => out.put_varint(*round),
        Body::SnapshotChunk { meta, sequence, data, last } => {
            encode_snapshot_meta(meta, out);
            out.put_varint(*sequence);
            out.put_bytes(data);
            out.put_bool(*last);
        }
        Body::SnapshotProgress { index, next } => {
            out.put_varint(index.0);
            out.put_varint(*next);
        }
        Body::Forward { forward, proposals } => {
            put_forward(*forward, out);
            out.put_varint(proposals.len() as u64);
            for proposal in proposals {
                put_proposal_id(proposal.id, out);
                out.put_bytes(&proposal.command);
            }
        }
        Body::ForwardRejected { forward, ids, reason } => {
            put_forward(*forward, out);
            out.put_varint(ids.len() as u64);
            ids.iter().for_each(|id| put_proposal_id(*id, out));
            put_rejection(*reason, out);
        }
        Body::ReadIndex { id } => out.put_varint(id.0),
        Body::ReadIndexReply { id, index } => {
            out.put_varint(id.0);
            out.put_bool(index.is_some());
            out.put_varint(index.unwrap_or_default().0);
        }
        Body::TimeoutNow => {}
    }
}

fn kind_of(body: &Body) -> u8 {
    match body {
        Body::PreVote { .. } => kind::PRE_VOTE,
        Body::PreVoteReply { .. } => kind::PRE_VOTE_REPLY,
        Body::Vote { .. } => kind::VOTE,
        Body::VoteReply { .. } => kind::VOTE_REPLY,
        Body::Append { .. } => kind::APPEND,
        Body::AppendAccepted { .. } => kind::APPEND_ACCEPTED,
        Body::AppendRejected { .. } => kind::APPEND_REJECTED,
        Body::Heartbeat { .. } => kind::HEARTBEAT,
        Body::HeartbeatReply { .. } => kind::HEARTBEAT_REPLY,
        Body::SnapshotChunk { .. } => kind::SNAPSHOT_CHUNK,
        Body::SnapshotProgress { .. } => kind::SNAPSHOT_PROGRESS,
        Body::Forward { .. } => kind::FORWARD,
        Body::ForwardRejected { .. } => kind::FORWARD_REJECTED,
        Body::ReadIndex { .. } => kind::READ_INDEX,
        Body::ReadIndexReply { .. } => kind::READ_INDEX_REPLY,
        Body::TimeoutNow => kind::TIMEOUT_NOW,
    }
}

/// Reads a whole message.
///
/// # Errors
/// If the bytes are not exactly one well-formed message.
pub fn decode(input: Bytes) -> Result<Message, DecodeError> {
    whole(input, |reader| {
        let kind = reader.u8()?;
        let term = Term(reader.varint()?);
        let body = read_body(kind, term, reader)?;
        Ok(Message { term, body })
    })
}

fn read_body(kind: u8, term: Term, reader: &mut Reader) -> Result<Body, DecodeError> {
    Ok(match kind {
        kind::PRE_VOTE => {
            let (last_index, last_term) = read_position(reader)?;
            Body::PreVote { last_index, last_term }
        }
        kind::PRE_VOTE_REPLY => Body::PreVoteReply { granted: reader.bool()? },
        kind::VOTE => {
            let (last_index, last_term) = read_position(reader)?;
            Body::Vote { last_index, last_term, transfer: reader.bool()? }
        }
        kind::VOTE_REPLY => Body::VoteReply { granted: reader.bool()? },
        kind::APPEND => read_append(term, reader)?,
        kind::APPEND_ACCEPTED => Body::AppendAccepted { matched: read_index(reader)? },
        kind::APPEND_REJECTED => {
            let rejected = read_index(reader)?;
            let (hint_index, hint_term) = read_position(reader)?;
            Body::AppendRejected { rejected, hint_index, hint_term }
        }
        kind::HEARTBEAT => Body::Heartbeat { commit: read_index(reader)?, round: reader.varint()? },
        kind::HEARTBEAT_REPLY => Body::HeartbeatReply { round: reader.varint()? },
        kind::SNAPSHOT_CHUNK => Body::SnapshotChunk {
            meta: read_snapshot_meta(reader)?,
            sequence: reader.varint()?,
            data: reader.bytes()?,
            last: reader.bool()?,
        },
        kind::SNAPSHOT_PROGRESS => {
            Body::SnapshotProgress { index: read_index(reader)?, next: reader.varint()? }
        }
        kind::FORWARD => read_forward(reader)?,
        kind::FORWARD_REJECTED => read_forward_rejected(reader)?,
        kind::READ_INDEX => Body::ReadIndex { id: ReadId(reader.varint()?) },
        kind::READ_INDEX_REPLY => {
            let id = ReadId(reader.varint()?);
            let is_some = reader.bool()?;
            let index = read_index(reader)?;
            Body::ReadIndexReply { id, index: is_some.then_some(index) }
        }
        kind::TIMEOUT_NOW => Body::TimeoutNow,
        _ => return Err(DecodeError::Invalid { field: "message kind" }),
    })
}

/// Entries are checked to be contiguous and of terms that never fall: the log asserts it.
fn read_append(term: Term, reader: &mut Reader) -> Result<Body, DecodeError> {
    let (previous_index, previous_term) = read_position(reader)?;
    let count = reader.count()?;
    let mut entries = Vec::new();
    let (mut last_index, mut last_term) = (previous_index, previous_term);
    for _ in 0..count {
        let entry = read_entry(reader)?;
        let follows = last_index.0.checked_add(1) == Some(entry.index.0) && entry.term >= last_term;
        if !follows || entry.term > term {
            return Err(DecodeError::Invalid { field: "entries" });
        }
        (last_index, last_term) = (entry.index, entry.term);
        entries.push(entry);
    }
    Ok(Body::Append { previous_index, previous_term, entries, commit: read_index(reader)? })
}

fn read_forward(reader: &mut Reader) -> Result<Body, DecodeError> {
    let forward = ForwardId { life: reader.varint()?, number: reader.varint()? };
    let count = reader.count()?;
    let mut proposals = Vec::new();
    for _ in 0..count {
        proposals.push(Proposal { id: read_proposal_id(reader)?, command: reader.bytes()? });
    }
    Ok(Body::Forward { forward, proposals })
}

fn read_forward_rejected(reader: &mut Reader) -> Result<Body, DecodeError> {
    let forward = ForwardId { life: reader.varint()?, number: reader.varint()? };
    let count = reader.count()?;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(read_proposal_id(reader)?);
    }
    Ok(Body::ForwardRejected { forward, ids, reason: read_rejection(reader)? })
}

/// Appends an entry's bytes.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.put_u8(match entry.payload {
        Payload::NoOp => kind::NO_OP,
        Payload::Command(_) => kind::COMMAND,
        Payload::Configuration(_) => kind::CONFIGURATION_ENTRY,
    });
    out.put_varint(entry.term.0);
    out.put_varint(entry.index.0);
    match &entry.payload {
        Payload::NoOp => {}
        Payload::Command(command) => out.put_bytes(command),
        Payload::Configuration(configuration) => encode_configuration(configuration, out),
    }
}

/// Reads one entry off the front.
///
/// # Errors
/// If no well-formed entry is there.
pub fn read_entry(reader: &mut Reader) -> Result<Entry, DecodeError> {
    let kind = reader.u8()?;
    let (term, index) = (Term(reader.varint()?), read_index(reader)?);
    let payload = match kind {
        kind::NO_OP => Payload::NoOp,
        kind::COMMAND => Payload::Command(reader.bytes()?),
        kind::CONFIGURATION_ENTRY => Payload::Configuration(read_configuration(reader)?),
        _ => return Err(DecodeError::Invalid { field: "entry kind" }),
    };
    Ok(Entry { term, index, payload })
}

/// Reads a whole entry.
///
/// # Errors
/// If the bytes are not exactly one well-formed entry.
pub fn decode_entry(input: Bytes) -> Result<Entry, DecodeError> {
    whole(input, read_entry)
}

/// Appends a term and vote.
pub fn encode_hard_state(hard_state: &HardState, out: &mut Vec<u8>) {
    out.put_u8(kind::HARD_STATE);
    out.put_varint(hard_state.term.0);
    out.put_varint(hard_state.vote.unwrap_or_default().0);
}

/// Reads one term and vote off the front.
///
/// # Errors
/// If no well-formed one is there.
pub fn read_hard_state(reader: &mut Reader) -> Result<HardState, DecodeError> {
    expect_kind(reader, kind::HARD_STATE, "hard state kind")?;
    let (term, vote) = (Term(reader.varint()?), NodeId(reader.varint()?));
    Ok(HardState { term, vote: (vote != NodeId(0)).then_some(vote) })
}

/// Reads a whole term and vote.
///
/// # Errors
/// If the bytes are not exactly one.
pub fn decode_hard_state(input: Bytes) -> Result<HardState, DecodeError> {
    whole(input, read_hard_state)
}

/// Appends what a snapshot stands for.
pub fn encode_snapshot_meta(meta: &SnapshotMeta, out: &mut Vec<u8>) {
    out.put_u8(kind::SNAPSHOT_META);
    put_position(meta.index, meta.term, out);
    encode_configuration(&meta.configuration, out);
}

/// Reads off the front what a snapshot stands for.
///
/// # Errors
/// If no well-formed one is there.
pub fn read_snapshot_meta(reader: &mut Reader) -> Result<SnapshotMeta, DecodeError> {
    expect_kind(reader, kind::SNAPSHOT_META, "snapshot kind")?;
    let (index, term) = read_position(reader)?;
    Ok(SnapshotMeta { index, term, configuration: read_configuration(reader)? })
}

/// Reads what a snapshot stands for.
///
/// # Errors
/// If the bytes are not exactly that.
pub fn decode_snapshot_meta(input: Bytes) -> Result<SnapshotMeta, DecodeError> {
    whole(input, read_snapshot_meta)
}

/// Appends the members of a group.
pub fn encode_configuration(configuration: &Configuration, out: &mut Vec<u8>) {
    out.put_u8(kind::CONFIGURATION);
    for ids in [configuration.voters(), configuration.outgoing(), configuration.learners()] {
        out.put_varint(ids.len() as u64);
        ids.iter().for_each(|id| out.put_varint(id.0));
    }
}

/// Reads the members of a group off the front.
///
/// # Errors
/// If no well-formed list is there.
pub fn read_configuration(reader: &mut Reader) -> Result<Configuration, DecodeError> {
    expect_kind(reader, kind::CONFIGURATION, "configuration kind")?;
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for ids in &mut lists {
        for _ in 0..reader.count()? {
            let id = NodeId(reader.varint()?);
            if id == NodeId(0) || ids.last().is_some_and(|last| *last >= id) {
                return Err(DecodeError::Invalid { field: "members" });
            }
            ids.push(id);
        }
    }
    let [voters, outgoing, learners] = lists;
    Ok(Configuration::new(voters, outgoing, learners))
}

/// Reads the members of a group.
///
/// # Errors
/// If the bytes are not exactly that.
pub fn decode_configuration(input: Bytes) -> Result<Configuration, DecodeError> {
    whole(input, read_configuration)
}

fn whole<T>(
    input: Bytes,
    read: impl FnOnce(&mut Reader) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(input);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

fn expect_kind(reader: &mut Reader, kind: u8, field: &'static str) -> Result<(), DecodeError> {
    if reader.u8()? == kind { Ok(()) } else { Err(DecodeError::Invalid { field }) }
}

/// The largest position; beyond it, "the next one" would overflow.
const MAX_INDEX: u64 = u64::MAX / 2;

fn read_index(reader: &mut Reader) -> Result<LogIndex, DecodeError> {
    let index = reader.varint()?;
    if index <= MAX_INDEX { Ok(LogIndex(index)) } else { Err(DecodeError::Invalid { field: "index" }) }
}

fn put_position(index: LogIndex, term: Term, out: &mut Vec<u8>) {
    out.put_varint(index.0);
    out.put_varint(term.0);
}

fn read_position(reader: &mut Reader) -> Result<(LogIndex, Term), DecodeError> {
    Ok((read_index(reader)?, Term(reader.varint()?)))
}

fn put_forward(forward: ForwardId, out: &mut Vec<u8>) {
    out.put_varint(forward.life);
    out.put_varint(forward.number);
}

fn put_proposal_id(id: ProposalId, out: &mut Vec<u8>) {
    out.put_varint(id.origin.0);
    out.put_varint(id.sequence);
}

fn read_proposal_id(reader: &mut Reader) -> Result<ProposalId, DecodeError> {
    Ok(ProposalId { origin: NodeId(reader.varint()?), sequence: reader.varint()? })
}

fn put_rejection(reason: Rejection, out: &mut Vec<u8>) {
    let (kind, leader) = match reason {
        Rejection::NotLeader { leader } => (1, leader),
        Rejection::Overloaded => (2, None),
        Rejection::Transferring => (3, None),
        Rejection::DiskFailed => (4, None),
    };
    out.put_u8(kind);
    out.put_varint(leader.unwrap_or_default().0);
}

fn read_rejection(reader: &mut Reader) -> Result<Rejection, DecodeError> {
    let (kind, leader) = (reader.u8()?, NodeId(reader.varint()?));
    Ok(match kind {
        1 => Rejection::NotLeader { leader: (leader != NodeId(0)).then_some(leader) },
        2 => Rejection::Overloaded,
        3 => Rejection::Transferring,
        4 => Rejection::DiskFailed,
        _ => return Err(DecodeError::Invalid { field: "rejection" }),
    })
}
