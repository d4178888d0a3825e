//! What a client carries from answer to answer so that it never sees the past of what it has seen.
//!
//! A token names a keyspace and the log position that its client has seen; a read with the token waits until its node has
//! applied that much. So read-your-writes, monotonic reads, monotonic writes and writes-follow-reads hold whichever
//! nodes serve the client. Clients must not look inside:
//!
//! ```text
//! base64url( version u8 = 1 | cluster varint | position varint | keyspace | crc32c of all before u32 LE )
//! ```

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use http::HeaderValue;
use quorate_types::codec::{Reader, Write};
use quorate_types::{Bytes, ClusterId, LogIndex};
use std::fmt;

/// Carries the token, both ways. An empty one asks for the first token.
pub(crate) const HEADER: &str = "quorate-session";

const VERSION: u8 = 1;
const CHECKSUM_LEN_BYTES: usize = 4;

/// Why a token is no token here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum BadToken {
    /// It was not made by this code, or not brought back whole.
    Malformed,
    /// It is another cluster's.
    OtherCluster,
    /// It is another keyspace's.
    OtherKeyspace(String),
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadToken::Malformed => {
                write!(f, "{HEADER}: this is not a token; begin a session with an empty one")
            }
            BadToken::OtherCluster => write!(f, "{HEADER}: the token is of another cluster"),
            BadToken::OtherKeyspace(name) => write!(f, "{HEADER}: the token is of keyspace {name:?}"),
        }
    }
}

/// The token of a client that has seen `position`.
pub(crate) fn token(cluster: ClusterId, keyspace: &str, position: LogIndex) -> HeaderValue {
    let mut bytes = Vec::with_capacity(32 + keyspace.len());
    bytes.put_u8(VERSION);
    bytes.put_varint(cluster.0);
    bytes.put_varint(position.0);
    bytes.extend_from_slice(keyspace.as_bytes());
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    HeaderValue::try_from(BASE64.encode(bytes)).expect("base64 has only characters that a header may have")
}

/// The position that the bearer of `token` has seen; 0 for an empty one.
pub(crate) fn position(token: &[u8], cluster: ClusterId, keyspace: &str) -> Result<LogIndex, BadToken> {
    if token.is_empty() {
        return Ok(LogIndex(0));
    }
    let bytes = BASE64.decode(token).map_err(|_| BadToken::Malformed)?;
    let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN_BYTES>().ok_or(BadToken::Malformed)?;
    if crc32c::crc32c(bytes) != u32::from_le_bytes(*checksum) {
        return Err(BadToken::Malformed);
    }
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let mut fields = || Ok((reader.u8()?, reader.varint()?, reader.varint()?));
    let (version, of_cluster, position) =
        fields().map_err(|_: quorate_types::codec::DecodeError| BadToken::Malformed)?;
    if version != VERSION {
        return Err(BadToken::Malformed);
    }
    let of_keyspace = reader.rest();
    if of_cluster != cluster.0 {
        return Err(BadToken::OtherCluster);
    }
    if of_keyspace != keyspace.as_bytes() {
        return Err(BadToken::OtherKeyspace(String::from_utf8_lossy(&of_keyspace).into_owned()));
    }
    Ok(LogIndex(position))
}

#[cfg(test)]
mod tests {
    use super::{BadToken, position, token};
    use quorate_types::{ClusterId, LogIndex};

    const CLUSTER: ClusterId = ClusterId(u64::MAX >> 1);

    #[test]
    fn a_token_comes_back_as_it_was() {
        for at in [0, 1, 300, u64::MAX].map(LogIndex) {
            let token = token(CLUSTER, "orders", at);
            assert_eq!(position(token.as_bytes(), CLUSTER, "orders"), Ok(at));
        }
        assert_eq!(position(b"", CLUSTER, "orders"), Ok(LogIndex(0)));
    }

    #[test]
    fn a_token_of_elsewhere_says_so() {
        let token = token(CLUSTER, "orders", LogIndex(7));
        let found = position(token.as_bytes(), CLUSTER, "carts");
        assert_eq!(found, Err(BadToken::OtherKeyspace("orders".into())));
        assert_eq!(position(token.as_bytes(), ClusterId(1), "orders"), Err(BadToken::OtherCluster));
    }

    #[test]
    fn a_changed_token_is_malformed() {
        let whole = token(CLUSTER, "orders", LogIndex(7)).as_bytes().to_vec();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(position(&changed, CLUSTER, "orders"), Err(BadToken::Malformed), "character {at}");
            assert_eq!(
                position(&whole[..at.max(1)], CLUSTER, "orders"),
                Err(BadToken::Malformed),
                "cut at {at}"
            );
        }
        assert_eq!(position(b"\xff", CLUSTER, "orders"), Err(BadToken::Malformed));
    }
}
