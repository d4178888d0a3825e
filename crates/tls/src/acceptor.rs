//! The side that accepts.

use crate::reload::Reloading;
use crate::{Allowed, HandshakeError, PeerCertificate, TlsError, TlsOptions, names, pem};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Makes TLS connections out of accepted ones. Clones share everything.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<Reloading<ServerConfig>>,
    allowed: Arc<Allowed>,
}

/// A connection that came about.
#[derive(Debug)]
pub struct Accepted<S> {
    /// The connection.
    pub stream: TlsStream<S>,
    /// Who is there, if certificates are demanded; verified.
    pub peer: Option<PeerCertificate>,
}

impl Acceptor {
    /// Reads the files. `alpn` lists the protocols that are spoken inside, the preferred one first; none leaves the choice open.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(options: &TlsOptions, alpn: &'static [&'static str]) -> Result<Self, TlsError> {
        options.check()?;
        let (files, allowed) = (options.files(), Arc::new(options.allowed.clone()));
        let options = options.clone();
        let config = Reloading::new(files, move || config(&options, alpn))?;
        Ok(Acceptor { config: Arc::new(config), allowed })
    }

    /// Does the handshake, within `limit`.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed.
    pub async fn accept<S>(&self, stream: S, limit: Duration) -> Result<Accepted<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = TlsAcceptor::from(self.config.current().await).accept(stream);
        let stream =
            tokio::time::timeout(limit, handshake).await.map_err(|_| HandshakeError::Late(limit))??;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if !self.allowed.lets_in(certificate) {
            return Err(HandshakeError::NotAllowed);
        }
        let peer = certificate.map(PeerCertificate::read);
        Ok(Accepted { stream, peer })
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

fn config(options: &TlsOptions, alpn: &[&str]) -> Result<ServerConfig, TlsError> {
    let identity = options.identity.as_ref().ok_or(TlsError::NoIdentity)?;
    let provider = options.protocol.provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&options.protocol.versions())
        .map_err(TlsError::Protocol)?;
    let builder = if options.demands_client_cert() {
        let path = options.trusted_ca.as_deref().ok_or(TlsError::NothingToVerifyBy)?;
        let authorities = Arc::new(pem::authorities(path)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider)
            .with_crls(pem::revocations(options.crl.as_deref())?)
            .allow_unknown_revocation_status()
            .build()
            .map_err(TlsError::Verifier)?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = pem::identity(identity)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|source| {
        let identity = identity.clone();
        TlsError::Pair { cert: identity.cert, key: identity.key, source }
    })?;
    config.alpn_protocols = names(alpn);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
