//! What a handler hands back: one message, or where a stream's messages will come from.

use super::body::Handled;
use super::frame::encode;
use super::{Body, Status};
use http::HeaderValue;
use prost::Message;
use quorate_types::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// So many messages of a stream may stand between its task and the connection.
const STREAM_QUEUE_LEN: usize = 4;

/// A unary call's answer, ready to be sent.
pub(crate) struct Reply {
    /// The message with its prefix.
    pub(crate) frame: Bytes,
    /// The session's new token, if the client keeps a session.
    pub(crate) session: Option<HeaderValue>,
    /// The session for numbered writes that the client asked for.
    pub(crate) write_session: Option<HeaderValue>,
    /// What the answer takes of the budget for large reads.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// An answer that says nothing about a session.
    ///
    /// # Errors
    /// As [`encode`].
    pub(crate) fn new(message: &impl Message) -> Result<Self, Status> {
        Ok(Reply { frame: encode(message)?, session: None, write_session: None, permit: None })
    }
}

/// Where a stream's task puts its messages, and at last a status if it is not `Ok`.
pub(crate) type Responses = mpsc::Sender<Result<Bytes, Status>>;

/// A stream that was accepted.
pub(crate) struct Streamed {
    frames: mpsc::Receiver<Result<Bytes, Status>>,
}

impl Streamed {
    /// Both ends of a stream's answers.
    pub(crate) fn channel() -> (Responses, Streamed) {
        let (responses, frames) = mpsc::channel(STREAM_QUEUE_LEN);
        (responses, Streamed { frames })
    }

    /// The body that brings them to the client.
    pub(crate) fn into_body(self, handled: Handled) -> Body {
        Body::Stream { frames: self.frames, handled: Some(handled) }
    }
}
