//! What one side of a connection must be told.

use crate::{Allowed, Protocol, TlsError};
use std::path::PathBuf;

/// A certificate chain, leaf first, and the leaf's private key, both in PEM form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The chain.
    pub cert: PathBuf,
    /// The key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// How to accept or to dial. The default dials anybody whom the system's authorities vouch for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsOptions {
    /// Who we are. Who accepts needs one.
    pub identity: Option<Identity>,
    /// Whom we trust: certificates of authorities in PEM form. Who accepts demands client certificates once this is given.
    pub trusted_ca: Option<PathBuf>,
    /// Certificates that count no more: PEM or DER. An authority without a list here has revoked nothing.
    pub crl: Option<PathBuf>,
    /// Whether who accepts demands a certificate; needs `trusted_ca`.
    pub client_cert_auth: bool,
    /// What the other side's certificate may be called.
    pub allowed: Allowed,
    /// Whether who dials takes any certificate. The connection is then secret, but with nobody knows whom.
    pub skip_verify: bool,
    /// Versions and cipher suites.
    pub protocol: Protocol,
}

impl TlsOptions {
    /// Whether who accepts demands a certificate.
    #[must_use]
    pub fn demands_client_cert(&self) -> bool {
        self.client_cert_auth || self.trusted_ca.is_some()
    }

    /// The files that matter, in a fixed order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|identity| [&identity.cert, &identity.key]);
        identity.chain(&self.trusted_ca).chain(&self.crl).cloned().collect()
    }

    /// What must hold whatever the files say.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        if !self.allowed.common_names.is_empty() && !self.allowed.hostnames.is_empty() {
            return Err(TlsError::TwoKindsOfNames);
        }
        self.protocol.check()
    }
}
