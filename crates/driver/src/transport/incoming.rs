//! The receiving side: accepts peers' connections and turns their frames into messages.

use super::frame;
use super::handshake::{HandshakeError, welcome};
use quorate_node::PeerMessage;
use quorate_tls::Acceptor;
use quorate_types::{ClusterId, GroupId, NodeId};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::bytes::BytesMut;

/// A peer that connects has so long to introduce itself.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// So many connections may be open at once: two from each executor of each peer, and room for reconnects.
const MAX_CONNECTIONS: usize = 1024;
/// How much is asked of the socket at once.
const READ_LEN_BYTES: usize = 128 << 10;

/// Where messages go and whom to let in.
pub struct Accepted<F> {
    /// This cluster.
    pub cluster: ClusterId,
    /// This node.
    pub me: NodeId,
    /// Demands TLS; plain text without.
    pub tls: Option<Acceptor>,
    /// The other members.
    pub peers: Vec<NodeId>,
    /// Learns where a member's clients reach it, each time the member connects.
    pub learn: Box<dyn Fn(NodeId, Vec<String>)>,
    /// Takes a message; waits while there is no room, so that a flood is slowed down at its source.
    pub deliver: F,
}

/// Accepts connections until the task is dropped. Must run inside a `LocalSet`.
pub async fn accept_peers<F>(listener: TcpListener, accepted: Accepted<F>)
where
    F: AsyncFn(NodeId, GroupId, PeerMessage) + 'static,
{
    let accepted = Rc::new(accepted);
    let permits = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, address)) => {
                let accepted = accepted.clone();
                tokio::task::spawn_local(async move {
                    if let Err(error) = serve(stream, &accepted).await {
                        tracing::warn!(%address, "a peer's connection ended: {error}");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("peers cannot connect for the moment: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("no handshake within {HANDSHAKE_TIMEOUT:?}")]
    Silent,
    #[error(transparent)]
    Tls(#[from] quorate_tls::HandshakeError),
    #[error("handshake: {0}")]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    #[error("a message cannot be read: {0}")]
    Message(#[from] quorate_types::codec::DecodeError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

async fn serve<F>(stream: TcpStream, accepted: &Accepted<F>) -> Result<(), ServeError>
where
    F: AsyncFn(NodeId, GroupId, PeerMessage),
{
    stream.set_nodelay(true)?;
    match &accepted.tls {
        None => listen(stream, accepted).await,
        Some(acceptor) => {
            let inside = acceptor.accept(stream, HANDSHAKE_TIMEOUT).await?;
            listen(inside.stream, accepted).await
        }
    }
}

async fn listen<S, F>(mut stream: S, accepted: &Accepted<F>) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: AsyncFn(NodeId, GroupId, PeerMessage),
{
    let knows = |node| accepted.peers.contains(&node);
    let hello =
        tokio::time::timeout(HANDSHAKE_TIMEOUT, welcome(&mut stream, accepted.cluster, accepted.me, knows))
            .await
            .map_err(|_| ServeError::Silent)??;
    (accepted.learn)(
        hello.from,
        hello.client_urls.split(',').filter(|url| !url.is_empty()).map(str::to_owned).collect(),
    );
    let mut buffer = BytesMut::with_capacity(READ_LEN_BYTES);
    loop {
        buffer.reserve(READ_LEN_BYTES / 4);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => return Ok(()),
            // A session that ends without a word of farewell: the frames tell what came whole.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        };
        while let Some(body) = frame::take(&mut buffer)? {
            let (group, message) = PeerMessage::decode(body)?;
            (accepted.deliver)(hello.from, group, message).await;
        }
    }
}
