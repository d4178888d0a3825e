//! What an entry's command looks like in the log: the group's clock, who proposed it, and the machine's command.
//!
//! ```text
//! ┌─────────┬─────────────────┬────────────────┬──────────────────┬────────────────────────────┐
//! │ 1: kind │ 8 B LE: time ns │ varint: origin │ 8 B LE: sequence │ kv command with the time 0 │
//! └─────────┴─────────────────┴────────────────┴──────────────────┴────────────────────────────┘
//! ```
//!
//! Only the leader knows the group's clock. So a command is proposed with the time 0, and [`stamp`] sets it in its fixed place when the
//! leader takes the command into its log. Origin and sequence let the node that proposed a command find the request which waits for its
//! outcome.

use quorate_consensus::raft::ProposalId;
use quorate_kv::{Command, Operation, Stamped};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, NodeId};
use std::ops::Range;

const KIND_KV: u8 = 1;
/// Where the time stands.
const TIME: Range<usize> = 1..9;

/// The sequence of a command that nobody waits for.
pub const UNANSWERED: u64 = 0;

/// Room for all but keys and values.
const HEAD_LEN_BYTES: usize = 64;

/// About how much a frequent command's keys and values take; a wrong guess costs an allocation.
fn payload_len_bytes(command: &Command) -> usize {
    match command {
        Command::Put(put) => put.key.len() + put.value.len(),
        Command::Txn(txn) => {
            let puts = txn.success.iter().chain(&txn.failure).map(|operation| match operation {
                Operation::Put(put) => HEAD_LEN_BYTES + put.key.len() + put.value.len(),
                _ => HEAD_LEN_BYTES,
            });
            HEAD_LEN_BYTES * txn.compare.len() + puts.sum::<usize>()
        }
        _ => 0,
    }
}

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
    pub fn encode(mut self) -> Bytes {
        let time_ns = std::mem::take(&mut self.command.cluster_time_ns);
        let mut out = Vec::with_capacity(HEAD_LEN_BYTES + payload_len_bytes(&self.command.command));
        out.put_u8(KIND_KV);
        out.extend_from_slice(&time_ns.to_le_bytes());
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
        let cluster_time_ns = u64_le(&mut reader)?;
        let origin = NodeId(reader.varint()?);
        let id = ProposalId { origin, sequence: u64_le(&mut reader)? };
        let Stamped { command, .. } = Stamped::decode(&mut reader)?;
        reader.finish()?;
        Ok(Envelope { id, command: Stamped { cluster_time_ns, command } })
    }
}

fn u64_le(reader: &mut Reader) -> Result<u64, DecodeError> {
    let mut bytes = [0u8; 8];
    for byte in &mut bytes {
        *byte = reader.u8()?;
    }
    Ok(u64::from_le_bytes(bytes))
}

/// Sets the time of an encoded envelope, in place if nobody else holds its bytes. What is too short to be one stays as it is: whoever
/// decodes it will say so.
#[must_use]
pub fn stamp(envelope: Bytes, cluster_time_ns: u64) -> Bytes {
    if envelope.len() < TIME.end {
        return envelope;
    }
    let mut envelope = Vec::from(envelope);
    envelope[TIME].copy_from_slice(&cluster_time_ns.to_le_bytes());
    Bytes::from(envelope)
}

#[cfg(test)]
mod tests {
    use super::{Envelope, stamp};
    use quorate_consensus::raft::ProposalId;
    use quorate_kv::{Command, PutRequest, Stamped};
    use quorate_types::{Bytes, NodeId};

    #[test]
    fn a_stamp_changes_the_time_and_nothing_else() {
        let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
        let envelope = |cluster_time_ns| Envelope {
            id: ProposalId { origin: NodeId(300), sequence: u64::MAX },
            command: Stamped { cluster_time_ns, command: Command::Put(put.clone()) },
        };
        let unstamped = envelope(0).encode();
        let held = unstamped.clone();
        let stamped = stamp(unstamped, u64::MAX - 1);
        assert_eq!(Envelope::decode(stamped.clone()), Ok(envelope(u64::MAX - 1)));
        assert_eq!(stamped, envelope(u64::MAX - 1).encode());
        assert_eq!(Envelope::decode(held), Ok(envelope(0)), "a shared envelope is copied");
        assert_eq!(stamp(Bytes::from_static(b"short"), 1), "short");
    }
}
