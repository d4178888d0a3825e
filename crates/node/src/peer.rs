//! What nodes say to one another, in bytes.
//!
//! ```text
//! ┌───────────────┬─────────┬─────────────────────────────────────────────┐
//! │ varint: group │ 1: kind │ 1 → Raft message                            │
//! │               │         │ 2 → varint index, 16 B LE state hash        │
//! └───────────────┴─────────┴─────────────────────────────────────────────┘
//! ```

use quorate_consensus::raft::{self, wire};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, GroupId, LogIndex, StateHash};

const KIND_RAFT: u8 = 1;
const KIND_CHECKPOINT: u8 = 2;

/// A message between two nodes about one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerMessage {
    /// Between the Raft cores.
    Raft(raft::Message),
    /// The leader's state hash at a log position.
    Checkpoint {
        /// The position.
        index: LogIndex,
        /// The hash of the state after that entry.
        hash: StateHash,
    },
}

/// How soon a message must leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Small; decides elections and reads, and never waits behind a bulk message.
    Urgent,
    /// May be large.
    Bulk,
}

impl PeerMessage {
    /// The lane that it travels on.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            PeerMessage::Raft(message) => match &message.body {
                raft::Body::Append { .. } | raft::Body::SnapshotChunk { .. } | raft::Body::Forward { .. } => {
                    Lane::Bulk
                }
                _ => Lane::Urgent,
            },
            PeerMessage::Checkpoint { .. } => Lane::Urgent,
        }
    }

    /// Appends the message's bytes.
    pub fn encode(&self, group: GroupId, out: &mut Vec<u8>) {
        out.put_varint(u64::from(group.0));
        match self {
            PeerMessage::Raft(message) => {
                out.put_u8(KIND_RAFT);
                wire::encode(message, out);
            }
            PeerMessage::Checkpoint { index, hash } => {
                out.put_u8(KIND_CHECKPOINT);
                out.put_varint(index.0);
                out.extend_from_slice(&hash.0.to_le_bytes());
            }
        }
    }

    /// Reads what [`PeerMessage::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn decode(bytes: Bytes) -> Result<(GroupId, PeerMessage), DecodeError> {
        let mut reader = Reader::new(bytes);
        let group = u32::try_from(reader.varint()?).map_err(|_| DecodeError::Invalid { field: "group" })?;
        let message = match reader.u8()? {
            KIND_RAFT => PeerMessage::Raft(wire::decode(reader.rest())?),
            KIND_CHECKPOINT => {
                let index = LogIndex(reader.varint()?);
                let rest = reader.rest();
                let hash: [u8; 16] = rest.as_ref().try_into().map_err(|_| DecodeError::Truncated)?;
                PeerMessage::Checkpoint { index, hash: StateHash(u128::from_le_bytes(hash)) }
            }
            _ => return Err(DecodeError::Invalid { field: "peer message kind" }),
        };
        Ok((GroupId(group), message))
    }
}
