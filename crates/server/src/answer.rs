//! One call: from its HTTP request to its HTTP response.

use crate::call::Call;
use crate::counters::Method;
use crate::grpc::{
    Body, Code, Handled, Messages, Reply, Status, Streamed, decode, ok_trailers, write_status,
};
use crate::numbered;
use crate::server::Server;
use crate::session;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
/// An answer under way.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

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
        let call = Call::new(server, &parts.headers, bytes.len())?.of_peer(&parts.extensions);
        handler(call, decode(bytes)?).await
    };
    match answer.await {
        Ok(Reply { frame, session, write_session, permit }) => {
            handled.sent(frame.len());
            handled.with(Code::Ok);
            let body = Body::Unary { frame: Some(frame), trailers: Some(ok_trailers()), _permit: permit };
            let mut response = respond(body, session);
            if let Some(id) = write_session {
                response.headers_mut().insert(numbered::HEADER, id);
            }
            response
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
    let answer = async {
        let call = Call::new(server, &parts.headers, 0)?.of_peer(&parts.extensions);
        handler(call, messages).await
    };
    match answer.await {
        Ok(streamed) => respond(streamed.into_body(handled), None),
        Err(status) => {
            handled.with(status.code());
            refuse(&status)
        }
    }
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
        headers.insert(session::HEADER, session);
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}
