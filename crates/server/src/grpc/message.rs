//! A request body's messages, one after the other.

use super::frame::PREFIX_LEN_BYTES;
use super::{Code, Status};
use bytes::{Buf, BytesMut};
use http_body::Body;
use quorate_types::Bytes;
use std::future::poll_fn;
use std::pin::Pin;

/// Cuts a body into messages. A message that lies in one HTTP/2 frame shares that frame's memory.
pub(crate) struct Messages<B> {
    body: B,
    /// The unread rest of the newest frame.
    chunk: Bytes,
    /// The start of a message that goes over frames; if not empty, `chunk` continues it.
    partial: BytesMut,
    limit_len_bytes: usize,
    received_len_bytes: u64,
}

impl<B: Body<Data = Bytes> + Unpin> Messages<B> {
    /// Messages of at most `limit_len_bytes` each.
    pub(crate) fn new(body: B, limit_len_bytes: usize) -> Self {
        Messages {
            body,
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            limit_len_bytes,
            received_len_bytes: 0,
        }
    }

    /// Bytes received so far.
    pub(crate) fn received_len_bytes(&self) -> u64 {
        self.received_len_bytes
    }

    /// The next message's bytes; `None` when the client has ended its side. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                None if self.partial.is_empty() => return Ok(None),
                None => return Err(Status::internal("the request ends inside a message")),
                Some(Err(_)) => return Err(Status::cancelled("context canceled")),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.received_len_bytes += data.len() as u64;
                        self.chunk = data;
                    }
                }
            }
        }
    }

    /// The only message of a unary call.
    pub(crate) async fn only(&mut self) -> Result<Bytes, Status> {
        let message = self.next().await?.ok_or_else(|| Status::internal("the request holds no message"))?;
        if !self.body.is_end_stream() && self.next().await?.is_some() {
            return Err(Status::internal("the request holds more than one message"));
        }
        Ok(message)
    }

    /// Takes a whole message off what was received; otherwise leaves `chunk` empty.
    fn take(&mut self) -> Result<Option<Bytes>, Status> {
        if self.partial.is_empty()
            && let Some(len_bytes) = self.message_len_bytes(&self.chunk)?
            && self.chunk.len() >= PREFIX_LEN_BYTES + len_bytes
        {
            self.chunk.advance(PREFIX_LEN_BYTES);
            return Ok(Some(self.chunk.split_to(len_bytes)));
        }
        self.fill(PREFIX_LEN_BYTES);
        let Some(len_bytes) = self.message_len_bytes(&self.partial)? else { return Ok(None) };
        self.fill(PREFIX_LEN_BYTES + len_bytes);
        if self.partial.len() < PREFIX_LEN_BYTES + len_bytes {
            return Ok(None);
        }
        let mut message = std::mem::take(&mut self.partial).freeze();
        message.advance(PREFIX_LEN_BYTES);
        Ok(Some(message))
    }

    /// Moves bytes from `chunk` to `partial` until that has `len_bytes`.
    fn fill(&mut self, len_bytes: usize) {
        let wanted = len_bytes.saturating_sub(self.partial.len());
        if wanted > 0 && !self.chunk.is_empty() {
            self.partial.reserve(wanted);
            let taken = self.chunk.split_to(wanted.min(self.chunk.len()));
            self.partial.extend_from_slice(&taken);
        }
    }

    /// The length of the message that begins at `start`, if its prefix is there.
    fn message_len_bytes(&self, start: &[u8]) -> Result<Option<usize>, Status> {
        let Some((prefix, _)) = start.split_first_chunk::<PREFIX_LEN_BYTES>() else { return Ok(None) };
        let [compressed, length @ ..] = *prefix;
        if compressed != 0 {
            return Err(Status::new(Code::Unimplemented, "grpc: compressed messages are not supported"));
        }
        let len_bytes = u32::from_be_bytes(length) as usize;
        if len_bytes > self.limit_len_bytes {
            let limit = self.limit_len_bytes;
            let text = format!("grpc: received message larger than max ({len_bytes} vs. {limit})");
            return Err(Status::resource_exhausted(text));
        }
        Ok(Some(len_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Messages;
    use crate::grpc::Code;
    use http_body::Frame;
    use quorate_types::Bytes;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body that comes in given pieces.
    struct Pieces(VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn in_pieces(body: &[u8], len_bytes: usize) -> Messages<Pieces> {
        Messages::new(Pieces(body.chunks(len_bytes).map(Bytes::copy_from_slice).collect()), 300)
    }

    #[tokio::test]
    async fn messages_come_out_whole_however_the_body_is_cut() {
        let sent: Vec<Vec<u8>> = [0, 1, 4, 5, 6, 300].map(|len| vec![len as u8; len]).into();
        let mut body = Vec::new();
        for message in &sent {
            body.push(0);
            body.extend_from_slice(&(message.len() as u32).to_be_bytes());
            body.extend_from_slice(message);
        }
        for len_bytes in 1..=body.len() {
            let mut messages = in_pieces(&body, len_bytes);
            let mut found = Vec::new();
            while let Some(message) = messages.next().await.unwrap() {
                found.push(message.to_vec());
            }
            assert_eq!(found, sent, "in pieces of {len_bytes}");
            assert_eq!(messages.received_len_bytes(), body.len() as u64);
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        let check = async |body: &[u8], expect| {
            let mut messages = in_pieces(body, 3);
            assert_eq!(messages.only().await.unwrap_err().code(), expect, "{body:?}");
        };
        check(&[], Code::Internal).await;
        check(&[0, 0, 0, 0], Code::Internal).await;
        check(&[0, 0, 0, 0, 2, 7], Code::Internal).await;
        check(&[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0], Code::Internal).await;
        check(&[1, 0, 0, 0, 1, 7], Code::Unimplemented).await;
        check(&[0, 0, 0, 1, 45, 7], Code::ResourceExhausted).await;
    }
}
