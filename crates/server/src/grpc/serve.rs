//! One call: from its HTTP request to its HTTP response.

use super::body::{Body, Handled, ok_trailers, write_status};
use super::{Code, Messages, Status, encode};
use crate::call::Call;
use crate::counters::Method;
use crate::server::Server;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use prost::Message;
use quorate_types::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
/// So many messages of a stream may stand between its task and the connection.
const STREAM_QUEUE_LEN: usize = 4;

/// A unary call's answer, ready to be sent.
pub(crate) struct Reply {
    /// The message with its prefix.
    pub(crate) frame: Bytes,
    /// The session's new token, if the client keeps a session.
    pub(crate) session: Option<HeaderValue>,
    /// What the answer takes of the budget for large reads.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// An answer that says nothing about a session.
    pub(crate) fn new(message: &impl Message) -> Result<Self, Status> {
        Ok(Reply { frame: encode(message)?, session: None, permit: None })
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
}

/// Answers a call that has one message each way.
pub(crate) async fn unary<Q, F, R>(
    server: Arc<Server>,
    method: Method,
    request: Request<Incoming>,
    handler: F,
) -> Response<Body>
where
    Q: Message + Default,
    F: FnOnce(Call, Q) -> R,
    R: Future<Output = Result<Reply, Status>>,
{
    let handled = Handled::new(server.counters.clone(), method);
    let (parts, body) = request.into_parts();
    let mut messages = Messages::new(body, server.options.receive_limit_len_bytes());
    let answer = async {
        let bytes = messages.only().await?;
        server.counters.received(messages.received_len_bytes());
        let call = Call::new(server, &parts.headers, bytes.len())?;
        handler(call, decode(bytes)?).await
    };
    match answer.await {
        Ok(Reply { frame, session, permit }) => {
            handled.sent(frame.len());
            handled.with(Code::Ok);
            let body = Body::Unary { frame: Some(frame), trailers: Some(ok_trailers()), _permit: permit };
            respond(body, session)
        }
        Err(status) => {
            handled.with(status.code());
            refuse(&status)
        }
    }
}

/// Answers a call whose answers, and perhaps questions, are streams. `handler` starts a task for it.
pub(crate) async fn streaming<F, R>(
    server: Arc<Server>,
    method: Method,
    request: Request<Incoming>,
    handler: F,
) -> Response<Body>
where
    F: FnOnce(Call, Messages<Incoming>) -> R,
    R: Future<Output = Result<Streamed, Status>>,
{
    let handled = Handled::new(server.counters.clone(), method);
    let (parts, body) = request.into_parts();
    let messages = Messages::new(body, server.options.receive_limit_len_bytes());
    let answer = async { handler(Call::new(server, &parts.headers, 0)?, messages).await };
    match answer.await {
        Ok(Streamed { frames }) => respond(Body::Stream { frames, handled: Some(handled) }, None),
        Err(status) => {
            handled.with(status.code());
            refuse(&status)
        }
    }
}

/// Reads one message.
pub(crate) fn decode<Q: Message + Default>(bytes: Bytes) -> Result<Q, Status> {
    Q::decode(bytes).map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))
}

/// The answer of a call that ends before it has a message: a status alone.
pub(crate) fn refuse(status: &Status) -> Response<Body> {
    let mut response = respond(Body::Whole(None), None);
    write_status(status, response.headers_mut());
    response
}

fn respond(body: Body, session: Option<HeaderValue>) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    if let Some(session) = session {
        headers.insert(crate::session::HEADER, session);
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}
