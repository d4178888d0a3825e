//! The side that dials.

use crate::reload::Reloading;
use crate::{Allowed, HandshakeError, TlsError, TlsOptions, names, pem};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Makes TLS connections out of dialled ones. Clones share everything.
#[derive(Clone)]
pub struct Connector {
    config: Arc<Reloading<ClientConfig>>,
    allowed: Arc<Allowed>,
}

impl Connector {
    /// Reads the files. `alpn` lists the protocols to offer, the preferred one first; none offers nothing.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(options: &TlsOptions, alpn: &'static [&'static str]) -> Result<Self, TlsError> {
        options.check()?;
        let (files, allowed) = (options.files(), Arc::new(options.allowed.clone()));
        let options = options.clone();
        let config = Reloading::new(files, move || config(&options, alpn))?;
        Ok(Connector { config: Arc::new(config), allowed })
    }

    /// Does the handshake with `host`, a DNS name or an address, which the certificate there must be good for. Has no deadline of its own.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed.
    pub async fn connect<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| HandshakeError::BadHost { host: host.to_owned() })?;
        let stream = TlsConnector::from(self.config.current().await).connect(name, stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if !self.allowed.lets_in(certificate) {
            return Err(HandshakeError::NotAllowed);
        }
        Ok(stream)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

fn config(options: &TlsOptions, alpn: &[&str]) -> Result<ClientConfig, TlsError> {
    let provider = options.protocol.provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&options.protocol.versions())
        .map_err(TlsError::Protocol)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier(options, provider)?);
    let mut config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = pem::identity(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|source| {
                let identity = identity.clone();
                TlsError::Pair { cert: identity.cert, key: identity.key, source }
            })?
        }
    };
    config.alpn_protocols = names(alpn);
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn verifier(
    options: &TlsOptions,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if options.skip_verify {
        return Ok(Arc::new(AnyCertificate { provider }));
    }
    let authorities = match &options.trusted_ca {
        Some(path) => pem::authorities(path)?,
        None => pem::system_authorities()?,
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
        .with_crls(pem::revocations(options.crl.as_deref())?)
        .allow_unknown_revocation_status()
        .build()
        .map_err(TlsError::Verifier)?;
    Ok(verifier)
}

/// Lets every certificate pass whose holder has its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
