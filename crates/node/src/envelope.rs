//! What an entry's command looks like in the log: who proposed it, and the machine's command.
//!
//! ```text
//! ┌─────────┬────────────────┬──────────────────┬─────────────────────┐
//! │ 1: kind │ varint: origin │ 8 B LE: sequence │ kv command, stamped │
//! └─────────┴────────────────┴──────────────────┴─────────────────────┘
//! ```
//!
//! Origin and sequence let the node that proposed a command find the request which waits for its outcome.

use quorate_consensus::raft::ProposalId;
use quorate_kv::Stamped;
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, NodeId};

const KIND_KV: u8 = 1;

/// The sequence of a command that nobody waits for.
pub const UNANSWERED: u64 = 0;

/// A command as it stands in an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Who proposed it, and under which number.
    pub id: ProposalId,
    /// What to do.
    pub command: Stamped,
}

impl Envelope {
    /// The entry's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64);
        out.put_u8(KIND_KV);
        out.put_varint(self.id.origin.0);
        out.extend_from_slice(&self.id.sequence.to_le_bytes());
        self.command.encode(&mut out);
        Bytes::from(out)
    }

    /// Reads an entry's bytes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that [`Envelope::encode`] did not write.
    pub fn decode(bytes: Bytes) -> Result<Envelope, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != KIND_KV {
            return Err(DecodeError::Invalid { field: "envelope kind" });
        }
        let origin = NodeId(reader.varint()?);
        let mut sequence = [0u8; 8];
        for byte in &mut sequence {
            *byte = reader.u8()?;
        }
        let id = ProposalId { origin, sequence: u64::from_le_bytes(sequence) };
        let command = Stamped::decode(&mut reader)?;
        reader.finish()?;
        Ok(Envelope { id, command })
    }
}
