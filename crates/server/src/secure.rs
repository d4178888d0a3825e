//! A connection's TLS handshake, and who the client is by its certificate.
//!
//! A handshake costs a signature and waits for a stranger. So it is done in the connection's own task, never where connections are accepted;
//! no more than [`MAX_HANDSHAKES`] are under way at once, and who does not get through in [`HANDSHAKE_TIMEOUT`], waiting for its turn included, is
//! closed. Whoever speaks plain text here is closed, too.

use quorate_tls::{Accepted, AcceptedStream, Acceptor, HandshakeError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Handshakes under way.
const MAX_HANDSHAKES: usize = 1024;
/// From the connection to its first request.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The common name of the client's verified certificate, beside each request of its connection. Absent where none is demanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PeerIdentity(pub(crate) Option<String>);

/// All handshakes of a port.
pub(crate) struct Handshakes {
    acceptor: Acceptor,
    turns: Semaphore,
}

impl Handshakes {
    pub(crate) fn new(acceptor: Acceptor) -> Self {
        Handshakes { acceptor, turns: Semaphore::new(MAX_HANDSHAKES) }
    }

    /// The connection inside, and who is there.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed.
    pub(crate) async fn accept(
        &self,
        socket: TcpStream,
    ) -> Result<(AcceptedStream<TcpStream>, PeerIdentity), HandshakeError> {
        let accept = async {
            let _turn = self.turns.acquire().await;
            self.acceptor.accept(socket, HANDSHAKE_TIMEOUT).await
        };
        let Accepted { stream, peer } = tokio::time::timeout(HANDSHAKE_TIMEOUT, accept)
            .await
            .map_err(|_| HandshakeError::Late(HANDSHAKE_TIMEOUT))??;
        let common_name = peer.and_then(|peer| peer.common_name).filter(|name| !name.is_empty());
        Ok((stream, PeerIdentity(common_name)))
    }
}
