//! What an answer's body is made of.

use super::{Code, Status};
use crate::counters::{Counters, Method};
use http::{HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use quorate_types::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// A response body.
pub(crate) enum Body {
    /// No frames beyond the headers, or one.
    Whole(Option<Bytes>),
    /// A unary call's message; its status follows.
    Unary {
        /// With its prefix, until it was sent.
        frame: Option<Bytes>,
        /// The status, until it was sent.
        trailers: Option<HeaderMap>,
        /// What a large answer takes of the budget until it is gone.
        _permit: Option<OwnedSemaphorePermit>,
    },
    /// A stream's messages as a task sends them; its status follows.
    Stream {
        /// Messages, each with its prefix; an error is the status.
        frames: mpsc::Receiver<Result<Bytes, Status>>,
        /// Counts the end; taken when the status was sent.
        handled: Option<Handled>,
    },
}

/// Counts a call when it ends. Dropped without a status, it was canceled by the client.
pub(crate) struct Handled {
    counters: Arc<Counters>,
    method: Method,
    code: Code,
}

impl Handled {
    pub(crate) fn new(counters: Arc<Counters>, method: Method) -> Self {
        Handled { counters, method, code: Code::Cancelled }
    }

    pub(crate) fn with(mut self, code: Code) {
        self.code = code;
    }

    pub(crate) fn sent(&self, len_bytes: usize) {
        self.counters.sent(len_bytes);
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.counters.handled(self.method, self.code);
    }
}

/// The trailers of a call that ended well.
pub(crate) fn ok_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

fn trailers(status: Result<(), Status>) -> HeaderMap {
    let Err(status) = status else { return ok_trailers() };
    let mut trailers = HeaderMap::new();
    write_status(&status, &mut trailers);
    trailers
}

/// Writes how a call failed into its headers or trailers.
pub(crate) fn write_status(status: &Status, headers: &mut HeaderMap) {
    if status.add_header(headers).is_err() {
        // The text cannot stand in a header. The code alone can.
        headers.insert("grpc-status", HeaderValue::from(status.code() as i32));
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.get_mut() {
            Body::Whole(bytes) => bytes.take().map(Frame::data),
            Body::Unary { frame, trailers, .. } => {
                frame.take().map(Frame::data).or_else(|| trailers.take().map(Frame::trailers))
            }
            Body::Stream { handled: None, .. } => None,
            Body::Stream { frames, handled } => match ready!(frames.poll_recv(context)) {
                Some(Ok(bytes)) => {
                    handled.iter().for_each(|handled| handled.sent(bytes.len()));
                    Some(Frame::data(bytes))
                }
                end => {
                    let status = end.map_or(Ok(()), |end| end.map(drop));
                    if let Some(handled) = handled.take() {
                        handled.with(status.as_ref().map_or_else(Status::code, |()| Code::Ok));
                    }
                    Some(Frame::trailers(trailers(status)))
                }
            },
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.is_none(),
            Body::Unary { trailers, .. } => trailers.is_none(),
            Body::Stream { handled, .. } => handled.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}
