//! The prefix before each message: `compressed u8 | length u32 BE | message`.

use super::Status;
use bytes::{BufMut, BytesMut};
use prost::Message;
use quorate_types::Bytes;

/// The prefix's length.
pub(super) const PREFIX_LEN_BYTES: usize = 5;
/// The longest message that clients take, however they are configured.
const MESSAGE_MAX_LEN_BYTES: usize = i32::MAX as usize;

/// One message with its prefix, in a buffer of exactly its length.
pub(crate) fn encode(message: &impl Message) -> Result<Bytes, Status> {
    let mut out = BytesMut::new();
    encode_into(message, &mut out)?;
    Ok(out.freeze())
}

/// Appends one message with its prefix.
///
/// # Errors
/// `Internal`, which leaves open whether a write was done, for a message that no client could take. Nothing was appended.
pub(crate) fn encode_into(message: &impl Message, out: &mut BytesMut) -> Result<(), Status> {
    let len_bytes = message.encoded_len();
    if len_bytes > MESSAGE_MAX_LEN_BYTES {
        let text = format!("the answer is too large to be sent ({len_bytes} bytes): read it in parts");
        return Err(Status::internal(text));
    }
    out.reserve(PREFIX_LEN_BYTES + len_bytes);
    out.put_u8(0);
    out.put_u32(u32::try_from(len_bytes).expect("it is below 2 GiB"));
    message.encode(out).expect("the room was reserved");
    Ok(())
}

/// Reads one message.
pub(crate) fn decode<Q: Message + Default>(bytes: Bytes) -> Result<Q, Status> {
    Q::decode(bytes).map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))
}
