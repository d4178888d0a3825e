//! Lets clients in that put a URL where HTTP/2 wants an authority.
//!
//! **Problem.** The Go client of etcd 3.4, which distributions still ship, opens a connection of its own for each maintenance
//! call (`etcdctl endpoint status`, `defrag`), and sends the endpoint as it was given: `:authority: http://10.0.0.1:2379`. Go's
//! server takes that; ours resets the stream as malformed, long before a request of it could reach us. **Idea.** Such a
//! connection says so in its first HEADERS frame, as a literal. Read that far, and overwrite `://` by letters that an authority
//! may have and that take as many bits, so that no length changes and the compression state of both ends stays the same.
//!
//! **Invariants.** The bytes that are handed on are as many as came, in order, and other than they came only inside that
//! literal. Nothing is held back but an unfinished frame before the first HEADERS frame's end; that is all that a client must
//! send without an answer from us. After it, reading costs one comparison more than without.
//!
//! **Source.** RFC 9113 §3.4, §4.1, §6.2; RFC 7541 §5, §6, appendix B.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD_LEN_BYTES: usize = 9;
const HEADERS: u8 = 1;
const FLAG_PADDED: u8 = 0x8;
const FLAG_PRIORITY: u8 = 0x20;
/// Before it has heard from us a client may send no longer frame, so a longer one is not waited for.
const HELD_FRAME_MAX_LEN_BYTES: usize = 16 << 10;
const READ_LEN_BYTES: usize = 4 << 10;
/// The name `:authority` in the static table.
const AUTHORITY_INDEX: usize = 1;
/// Integers in a header block that need more bytes than this are none of ours.
const INTEGER_MAX_LEN_BYTES: usize = 4;

/// A connection whose first request may have a URL for an authority.
pub(crate) struct Lenient<S> {
    inner: S,
    opening: Opening,
}

impl<S> Lenient<S> {
    /// A connection that nothing was read from yet.
    pub(crate) fn new(inner: S) -> Self {
        Lenient { inner, opening: Opening::default() }
    }
}

/// What was read and not handed on.
#[derive(Default)]
struct Opening {
    /// At most the unfinished frame, and what was read with its beginning.
    held: Vec<u8>,
    /// So many of these bytes may be handed on.
    ready: usize,
    has_preface: bool,
    /// Nothing more will be mended.
    is_done: bool,
}

impl Opening {
    fn take(&mut self, out: &mut ReadBuf<'_>) {
        let len_bytes = out.remaining().min(self.ready);
        out.put_slice(&self.held[..len_bytes]);
        self.held.drain(..len_bytes);
        self.ready -= len_bytes;
        if self.is_done && self.held.is_empty() {
            // Never needed again.
            self.held = Vec::new();
        }
    }

    fn on_bytes(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        while !self.is_done && self.advance() {}
        if self.is_done {
            self.ready = self.held.len();
        }
    }

    /// Passes the preface or a frame. Whether one was there.
    fn advance(&mut self) -> bool {
        let rest = &mut self.held[self.ready..];
        if !self.has_preface {
            self.has_preface = rest.starts_with(PREFACE);
            self.is_done = !self.has_preface && !PREFACE.starts_with(rest);
            self.ready += if self.has_preface { PREFACE.len() } else { 0 };
            return self.has_preface;
        }
        let Some((head, rest)) = rest.split_first_chunk_mut::<FRAME_HEAD_LEN_BYTES>() else { return false };
        let len_bytes = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        self.is_done = len_bytes > HELD_FRAME_MAX_LEN_BYTES;
        let Some(payload) = rest.get_mut(..len_bytes) else { return false };
        if head[3] == HEADERS {
            // What cannot be read here is for the protocol's own implementation to refuse.
            let _ = mend_headers(head[4], payload);
            self.is_done = true;
        }
        self.ready += FRAME_HEAD_LEN_BYTES + len_bytes;
        true
    }
}

/// Mends the authority in a HEADERS frame's payload. `None` if it has none to mend.
fn mend_headers(flags: u8, payload: &mut [u8]) -> Option<()> {
    let mut at = usize::from(flags & FLAG_PADDED != 0);
    at += if flags & FLAG_PRIORITY != 0 { 5 } else { 0 };
    loop {
        let first = *payload.get(at)?;
        let (prefix_bits, is_literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let name = integer(payload, &mut at, prefix_bits)?;
        if !is_literal {
            continue;
        }
        if name == 0 {
            string(payload, &mut at)?;
        }
        let (value, is_huffman) = string(payload, &mut at)?;
        if name == AUTHORITY_INDEX {
            mend_value(value, is_huffman);
            return Some(());
        }
    }
}

/// An integer whose first byte has `prefix_bits` of it. RFC 7541 §5.1.
fn integer(bytes: &[u8], at: &mut usize, prefix_bits: u32) -> Option<usize> {
    let full = (1 << prefix_bits) - 1;
    let mut number = usize::from(*bytes.get(*at)?) & full;
    *at += 1;
    if number < full {
        return Some(number);
    }
    for place in 0..INTEGER_MAX_LEN_BYTES {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number += usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A string, and whether it is compressed. RFC 7541 §5.2.
fn string<'a>(bytes: &'a mut [u8], at: &mut usize) -> Option<(&'a mut [u8], bool)> {
    let is_huffman = bytes.get(*at)? & 0x80 != 0;
    let len_bytes = integer(bytes, at, 7)?;
    let start = *at;
    *at += len_bytes;
    Some((bytes.get_mut(start..*at)?, is_huffman))
}

/// A letter's code and its length in bits. RFC 7541, appendix B.
type Letter = (u64, u32);
const H: Letter = (0x27, 6);
const T: Letter = (0x9, 5);
const P: Letter = (0x2b, 6);
const S: Letter = (0x8, 5);
const COLON: Letter = (0x5c, 7);
const SLASH: Letter = (0x18, 6);
const X: Letter = (0x79, 7);
const DASH: Letter = (0x16, 6);

/// What an authority must not begin with, and what it begins with instead: letter by letter of the same length, compressed or not.
const MENDED: [(&[u8], &[u8]); 2] = [(b"http://", b"httpx--"), (b"https://", b"httpsx--")];
const MENDED_HUFFMAN: [(Bits, Bits); 2] = [
    (Bits::of(&[H, T, T, P, COLON, SLASH, SLASH]), Bits::of(&[H, T, T, P, X, DASH, DASH])),
    (Bits::of(&[H, T, T, P, S, COLON, SLASH, SLASH]), Bits::of(&[H, T, T, P, S, X, DASH, DASH])),
];

/// Up to 64 bits, of which `len` count, from the highest on.
struct Bits {
    word: u64,
    len: u32,
}

impl Bits {
    const fn of(letters: &[Letter]) -> Bits {
        let mut bits = Bits { word: 0, len: 0 };
        let mut at = 0;
        while at < letters.len() {
            let (code, len) = letters[at];
            bits.len += len;
            bits.word |= code << (u64::BITS - bits.len);
            at += 1;
        }
        bits
    }

    const fn mask(&self) -> u64 {
        u64::MAX << (u64::BITS - self.len)
    }
}

fn mend_value(value: &mut [u8], is_huffman: bool) {
    if !is_huffman {
        let found = MENDED.iter().find(|(wrong, _)| value.starts_with(wrong));
        found.into_iter().for_each(|(wrong, right)| value[..wrong.len()].copy_from_slice(right));
        return;
    }
    let len_bytes = value.len().min(size_of::<u64>());
    let mut first = [0; size_of::<u64>()];
    first[..len_bytes].copy_from_slice(&value[..len_bytes]);
    let word = u64::from_be_bytes(first);
    let begins = |wrong: &Bits| len_bytes * 8 >= wrong.len as usize && word & wrong.mask() == wrong.word;
    if let Some((wrong, right)) = MENDED_HUFFMAN.iter().find(|(wrong, _)| begins(wrong)) {
        let mended = (word & !wrong.mask() | right.word).to_be_bytes();
        value[..len_bytes].copy_from_slice(&mended[..len_bytes]);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.opening.is_done && this.opening.held.is_empty() {
                return Pin::new(&mut this.inner).poll_read(context, out);
            }
            if this.opening.ready > 0 {
                this.opening.take(out);
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; READ_LEN_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut read))?;
            this.opening.is_done |= read.filled().is_empty();
            this.opening.on_bytes(read.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD_FRAME_MAX_LEN_BYTES, Lenient, PREFACE, mend_value};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    /// `:method: POST`, `:scheme: http`, `:path: /a`, then the authority's name as etcd 3.4's client compresses it.
    const BEFORE: &[u8] = b"\x83\x86\x45\x02/a\x41";
    /// `http://127.0.0.1:23950`, compressed.
    const URL: &[u8] = b"\x90\x9d\x29\xae\xe3\x0c\x04\x4e\xae\x05\xc0\xb8\x6e\x09\x97\xdb\x07";
    /// `httpx--127.0.0.1:23950`, compressed.
    const AUTHORITY: &[u8] = b"\x90\x9d\x29\xaf\xca\xcb\x04\x4e\xae\x05\xc0\xb8\x6e\x09\x97\xdb\x07";

    fn headers(flags: u8, parts: &[&[u8]]) -> Vec<u8> {
        let payload = parts.concat();
        let len_bytes = u8::try_from(payload.len()).unwrap();
        [&[0, 0, len_bytes, 1, flags, 0, 0, 0, 1], &payload[..]].concat()
    }

    /// Sends `sent` in pieces of `piece_len_bytes`, and returns what is read.
    async fn read(sent: &[u8], piece_len_bytes: usize) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(piece_len_bytes);
        let sent = sent.to_vec();
        tokio::spawn(async move { client.write_all(&sent).await });
        let mut got = Vec::new();
        Lenient::new(server).read_to_end(&mut got).await.unwrap();
        got
    }

    async fn check(sent: &[&[u8]], expect: &[&[u8]]) {
        let (sent, expect) = (sent.concat(), expect.concat());
        for piece_len_bytes in [1, 2, 7, 25, 40, 1 << 20] {
            assert_eq!(read(&sent, piece_len_bytes).await, expect, "in pieces of {piece_len_bytes}");
        }
    }

    #[tokio::test]
    async fn a_url_becomes_an_authority_however_it_arrives() {
        let sent = headers(4, &[BEFORE, URL, b"\x86"]);
        let expect = headers(4, &[BEFORE, AUTHORITY, b"\x86"]);
        check(&[PREFACE, SETTINGS, &sent, b"more"], &[PREFACE, SETTINGS, &expect, b"more"]).await;
        let sent = headers(0x2c, &[b"\x03pppp", b"\x09", BEFORE, URL, b"\0\0\0"]);
        let expect = headers(0x2c, &[b"\x03pppp", b"\x09", BEFORE, AUTHORITY, b"\0\0\0"]);
        check(&[PREFACE, &sent], &[PREFACE, &expect]).await;
    }

    #[tokio::test]
    async fn everything_else_passes_as_it_is() {
        let well_formed = headers(4, &[BEFORE, b"\x0elocalhost:2379"]);
        let second = headers(4, &[BEFORE, URL]);
        let cut = headers(4, &[BEFORE, b"\x7f"]);
        let long = [&[0, 0x7f, 0xff, 1, 4, 0, 0, 0, 1][..], &[b'x'; HELD_FRAME_MAX_LEN_BYTES + 1]].concat();
        for sent in [
            &[&b"GET /health HTTP/1.1\r\n\r\n"[..]][..],
            &[b"P"],
            &[],
            &[PREFACE, SETTINGS],
            &[PREFACE, &well_formed, &second],
            &[PREFACE, &cut, &second],
            &[PREFACE, &long],
        ] {
            check(sent, sent).await;
        }
    }

    #[tokio::test]
    async fn what_asks_for_an_answer_is_not_held_back() {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut server = Lenient::new(server);
        client.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
        let mut got = vec![0; PREFACE.len() + SETTINGS.len()];
        server.read_exact(&mut got).await.unwrap();
        assert!(got.ends_with(SETTINGS));
    }

    #[tokio::test]
    async fn a_client_that_never_asks_holds_no_memory() {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut server = Lenient::new(server);
        client.write_all(PREFACE).await.unwrap();
        let mut got = [0; 64];
        for _ in 0..100 {
            client.write_all(SETTINGS).await.unwrap();
            assert!(server.read(&mut got).await.unwrap() > 0);
        }
        assert!(server.opening.held.capacity() < 1 << 10);
    }

    #[test]
    fn only_the_scheme_is_overwritten() {
        let check = |value: &[u8], is_huffman: bool, expect: &[u8]| {
            let mut mended = value.to_vec();
            mend_value(&mut mended, is_huffman);
            assert_eq!(mended, expect);
        };
        check(b"http://a:1", false, b"httpx--a:1");
        check(b"https://a:1", false, b"httpsx--a:1");
        check(b"http:80", false, b"http:80");
        check(b"", false, b"");
        check(&URL[1..], true, &AUTHORITY[1..]);
        check(&URL[1..6], true, &URL[1..6]);
        check(b"", true, b"");
    }
}
