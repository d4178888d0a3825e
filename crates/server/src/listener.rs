//! One port: gRPC over HTTP/2, and HTTP/1.1 beside it.

use crate::answer::{Answering, refuse};
use crate::authority::Lenient;
use crate::counters::Method;
use crate::etcd;
use crate::grpc::{Body, Status};
use crate::http_api;
use crate::options::ServerOptions;
use crate::secure::{Handshakes, PeerIdentity};
use crate::server::Server;
use http::{Request, Response, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use quorate_driver::Handle;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Open connections; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// Calls that one connection may have open; etcd sets no limit.
const MAX_STREAMS: u32 = 1 << 16;
/// What a client may send of one call before we took any of it.
const STREAM_WINDOW_LEN_BYTES: u32 = 2 << 20;
/// The same for all of a connection's calls.
const CONNECTION_WINDOW_LEN_BYTES: u32 = 16 << 20;
const FRAME_LEN_BYTES: u32 = 64 << 10;
/// A silent connection is asked for a sign of life after so long, as etcd's server does,
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
/// and closed when none has come after so long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long accepting pauses after it failed, mostly for want of file descriptors,
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// and how often in a row it may fail.
const MAX_ACCEPT_FAILURES: usize = 1200;

/// Why a front end ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No connection could be accepted for a minute.
    #[error("no connection can be accepted: {0}")]
    Accept(#[source] std::io::Error),
}

/// Serves clients on `listener` until `shutdown` ends; then open calls get [`ServerOptions::shutdown_grace`] to end.
///
/// # Errors
/// [`ServeError`]; all connections are closed.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut tasks = JoinSet::new();
    let handshakes = options.tls.clone().map(|acceptor| Arc::new(Handshakes::new(acceptor)));
    let server = Server::new(handle, options, &mut tasks);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut failures = 0;
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((socket, _)) => {
                    failures = 0;
                    connections.spawn(connection(server.clone(), handshakes.clone(), socket));
                }
                Err(error) if failures == MAX_ACCEPT_FAILURES => return Err(ServeError::Accept(error)),
                Err(error) => {
                    tracing::warn!("a connection cannot be accepted: {error}");
                    failures += 1;
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    server.stop();
    let all_closed = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(server.options.shutdown_grace, all_closed).await.is_err() {
        tracing::info!(connections = connections.len(), "closing connections whose calls have not ended");
    }
    Ok(())
}

async fn connection(server: Arc<Server>, handshakes: Option<Arc<Handshakes>>, socket: TcpStream) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!("a connection was lost at once: {error}");
        return;
    }
    let Some(handshakes) = handshakes else {
        return converse(server, socket, PeerIdentity(None)).await;
    };
    let mut stopping = server.stopping();
    let shaken = tokio::select! {
        shaken = handshakes.accept(socket) => shaken,
        () = stopping.raised() => return,
    };
    match shaken {
        Ok((stream, peer)) => converse(server, stream, peer).await,
        Err(error) => tracing::debug!("a connection was refused: {error}"),
    }
}

/// Answers a connection's requests until it ends or the server is told to stop.
async fn converse<S>(server: Arc<Server>, stream: S, peer: PeerIdentity)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stopping = server.stopping();
    let front = Front { server, peer };
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Lenient::new(stream)), front));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.raised() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_LEN_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_LEN_BYTES)
        .max_frame_size(FRAME_LEN_BYTES)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}

/// Takes one connection's requests.
struct Front {
    server: Arc<Server>,
    peer: PeerIdentity,
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Infallibly;

    fn call(&self, mut request: Request<Incoming>) -> Infallibly {
        if self.peer.0.is_some() {
            request.extensions_mut().insert(self.peer.clone());
        }
        let server = self.server.clone();
        let is_grpc = request.version() == Version::HTTP_2
            && request
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        Infallibly(match Method::of(request.uri().path()) {
            Some(method) if is_grpc => etcd::dispatch(server, method, request),
            None if is_grpc => {
                let text =
                    format!("quorate does not have {} yet", request.uri().path().trim_start_matches('/'));
                Box::pin(async move { refuse(&Status::unimplemented(text)) })
            }
            _ => Box::pin(http_api::answer(server, request)),
        })
    }
}

/// An answer that cannot fail: failures are answers too.
struct Infallibly(Answering);

impl Future for Infallibly {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(context).map(Ok)
    }
}
