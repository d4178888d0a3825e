//! The byte encoding of everything that Quorate logs or sends between its nodes.
//!
//! Fields stand in a fixed order. Unsigned numbers are LEB128 varints (at most 10 bytes); signed ones are
//! zigzag varints; byte strings carry their length first. There are no tags: each message's first byte or
//! field names its kind or version, and a kind's layout never changes once it has shipped.
//!
//! Decoding never panics and never allocates more than the input's own size.

use bytes::Bytes;
use std::fmt;

/// Why bytes could not be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The input ended inside a field.
    Truncated,
    /// A varint was longer than 64 bits or a field held a value that its type does not have.
    Invalid {
        /// The field's name, for the log line.
        field: &'static str,
    },
    /// A whole message was read and bytes were left over.
    Trailing {
        /// How many.
        len_bytes: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated => write!(f, "the input ends inside a field"),
            DecodeError::Invalid { field } => write!(f, "field `{field}` holds no valid value"),
            DecodeError::Trailing { len_bytes } => write!(f, "{len_bytes} bytes follow the message"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Appends fields to a byte vector.
pub trait Write {
    /// One byte.
    fn put_u8(&mut self, value: u8);
    /// A LEB128 varint.
    fn put_varint(&mut self, value: u64);
    /// A zigzag varint.
    fn put_signed(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)) as u64);
    }
    /// True as 1, false as 0.
    fn put_bool(&mut self, value: bool) {
        self.put_u8(u8::from(value));
    }
    /// Length, then bytes.
    fn put_bytes(&mut self, bytes: &[u8]);
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}

/// Takes fields off the front of a buffer. Byte strings are slices of it, not copies.
#[derive(Clone, Debug)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Reads from the start of `input`.
    #[must_use]
    pub fn new(input: Bytes) -> Self {
        Reader { rest: input }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end of the input. Nothing was taken.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let first = *self.rest.first().ok_or(DecodeError::Truncated)?;
        let _ = self.rest.split_to(1);
        Ok(first)
    }

    /// A LEB128 varint.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or, past 64 bits, [`DecodeError::Invalid`]. Nothing was taken.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (position, byte) in self.rest.iter().enumerate() {
            let shift = 7 * position as u32;
            if shift > 63 || (shift == 63 && *byte > 1) {
                return Err(DecodeError::Invalid { field: "varint" });
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let _ = self.rest.split_to(position + 1);
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated)
    }

    /// A zigzag varint.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let raw = self.varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A flag.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Invalid`] for a byte that is neither 0 nor 1.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid { field: "flag" }),
        }
    }

    /// A byte string, sharing the input's memory.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer bytes are left than the length says.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let len = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        if len > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        Ok(self.rest.split_to(len))
    }

    /// A count of items that each take at least one byte: never more than the bytes that are left, so that a
    /// hostile count cannot make the caller reserve memory.
    ///
    /// # Errors
    /// As [`Reader::varint`]; [`DecodeError::Truncated`] if the items cannot be there.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        if count > self.rest.len() { Err(DecodeError::Truncated) } else { Ok(count) }
    }

    /// All that is left, sharing the input's memory.
    #[must_use]
    pub fn rest(self) -> Bytes {
        self.rest
    }

    /// Confirms that everything was read.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] if not.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { len_bytes: self.rest.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, Reader, Write};
    use bytes::Bytes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_round_trip(a: u64, b: i64, c: bool, d: Vec<u8>) {
            let mut out = Vec::new();
            out.put_varint(a);
            out.put_signed(b);
            out.put_bool(c);
            out.put_bytes(&d);
            let mut reader = Reader::new(Bytes::from(out));
            prop_assert_eq!(reader.varint(), Ok(a));
            prop_assert_eq!(reader.signed(), Ok(b));
            prop_assert_eq!(reader.bool(), Ok(c));
            prop_assert_eq!(reader.bytes().map(|x| x.to_vec()), Ok(d));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn noise_never_panics(noise: Vec<u8>) {
            let mut reader = Reader::new(Bytes::from(noise));
            while reader.remaining() > 0 {
                if reader.bytes().is_err() && reader.varint().is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn bounds() {
        let check =
            |input: &[u8], expect| assert_eq!(Reader::new(Bytes::copy_from_slice(input)).varint(), expect);
        check(&[], Err(DecodeError::Truncated));
        check(&[0x80], Err(DecodeError::Truncated));
        check(&[0xff; 10], Err(DecodeError::Invalid { field: "varint" }));
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Ok(u64::MAX));
        assert_eq!(Reader::new(Bytes::from_static(&[9, 1])).bytes(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(Bytes::from_static(&[9, 1])).count(), Err(DecodeError::Truncated));
    }
}
