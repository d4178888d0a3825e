//! Frames: a message with its length and checksum.

use quorate_node::PeerMessage;
use quorate_types::{Bytes, GroupId};
use tokio_util::bytes::{Buf, BytesMut};

/// No message is longer; a frame that says so is damage or another protocol.
pub const MAX_MESSAGE_LEN_BYTES: usize = 64 << 20;
const HEADER_LEN_BYTES: usize = 8;

/// Why the bytes of a connection cannot be understood. The connection is given up.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// See [`MAX_MESSAGE_LEN_BYTES`].
    #[error("a frame of {len_bytes} bytes is over the limit of {MAX_MESSAGE_LEN_BYTES}")]
    TooLong {
        /// What the frame says.
        len_bytes: usize,
    },
    /// The checksum does not fit.
    #[error("a frame's checksum does not fit its bytes")]
    Damaged,
}

/// Appends one frame. False, and nothing appended, if the message is too long.
pub fn append(group: GroupId, message: &PeerMessage, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN_BYTES]);
    message.encode(group, out);
    let body = &out[start + HEADER_LEN_BYTES..];
    let len_bytes = body.len();
    if len_bytes > MAX_MESSAGE_LEN_BYTES {
        out.truncate(start);
        return false;
    }
    let checksum = crc32c::crc32c(body);
    out[start..start + 4].copy_from_slice(&(len_bytes as u32).to_le_bytes());
    out[start + 4..start + HEADER_LEN_BYTES].copy_from_slice(&checksum.to_le_bytes());
    true
}

/// Takes one message off the front; `None` if it is not there whole yet.
///
/// # Errors
/// [`FrameError`]; the buffer is of no more use.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER_LEN_BYTES>() else { return Ok(None) };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let len_bytes = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len_bytes > MAX_MESSAGE_LEN_BYTES {
        return Err(FrameError::TooLong { len_bytes });
    }
    if buffer.len() < HEADER_LEN_BYTES + len_bytes {
        buffer.reserve(HEADER_LEN_BYTES + len_bytes - buffer.len());
        return Ok(None);
    }
    buffer.advance(HEADER_LEN_BYTES);
    let body = buffer.split_to(len_bytes).freeze();
    if crc32c::crc32c(&body) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(FrameError::Damaged);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::{FrameError, append, take};
    use quorate_node::PeerMessage;
    use quorate_types::{GroupId, LogIndex, StateHash};
    use tokio_util::bytes::BytesMut;

    fn message() -> PeerMessage {
        PeerMessage::Checkpoint { index: LogIndex(7), hash: StateHash(9) }
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let mut bytes = Vec::new();
        assert!(append(GroupId(1), &message(), &mut bytes) && append(GroupId(2), &message(), &mut bytes));
        let mut buffer = BytesMut::new();
        let mut groups = Vec::new();
        for byte in bytes {
            buffer.extend_from_slice(&[byte]);
            while let Some(body) = take(&mut buffer).expect("whole frames") {
                groups.push(PeerMessage::decode(body).expect("our own message"));
            }
        }
        assert_eq!(groups, [(GroupId(1), message()), (GroupId(2), message())]);
    }

    #[test]
    fn damage_and_excess_are_refused() {
        let mut bytes = Vec::new();
        assert!(append(GroupId(1), &message(), &mut bytes));
        *bytes.last_mut().expect("not empty") ^= 1;
        assert_eq!(take(&mut BytesMut::from(&bytes[..])), Err(FrameError::Damaged));
        assert!(matches!(take(&mut BytesMut::from(&[0xff; 8][..])), Err(FrameError::TooLong { .. })));
    }
}
