//! What can be wrong with files and options, and with a handshake.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why no configuration can be made of the files and options. Nothing changed: one that was in force still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds nothing of what is looked for.
    #[error("{path} holds no {what} in PEM form", path = path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A file is not PEM.
    #[error("{path} is damaged: {source}", path = path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key cannot be used together.
    #[error("{cert} and {key} cannot be used together: {source}", cert = cert.display(), key = key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A certificate of an authority cannot be used.
    #[error("{path} holds an authority that cannot be trusted: {source}", path = path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Authorities and revocations make no verifier.
    #[error("certificates cannot be verified: {0}")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
    /// The system has no list of authorities.
    #[error("the system trusts no authority; name one's certificate")]
    NoAuthority,
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[source] rcgen::Error),
    /// No common ground is left.
    #[error("these TLS versions and cipher suites cannot be used: {0}")]
    Protocol(#[source] rustls::Error),
    /// A version's name is not known.
    #[error("unexpected TLS version {name:?} (must be one of: TLS1.2, TLS1.3)")]
    UnknownVersion {
        /// What was given.
        name: String,
    },
    /// The versions are the wrong way round.
    #[error("min version (TLS1.3) is greater than max version (TLS1.2)")]
    Versions,
    /// A cipher suite's name is not known.
    #[error("unexpected TLS cipher suite {name:?} (must be one of: {known})")]
    UnknownSuite {
        /// What was given.
        name: String,
        /// Those that are known.
        known: String,
    },
    /// TLS 1.3 has suites of its own, which are always allowed.
    #[error("cipher suites cannot be configured when only TLS1.3 is enabled")]
    NoSuiteToChoose,
    /// A server needs a certificate.
    #[error("a certificate and its key are needed to accept connections")]
    NoIdentity,
    /// Certificates are demanded, and nothing tells which are good.
    #[error("client certificates are demanded but no authority is trusted: name a CA file")]
    NothingToVerifyBy,
    /// A name can be judged in one way only.
    #[error("allowed common names and allowed host names are mutually exclusive")]
    TwoKindsOfNames,
}

/// Why a connection did not come about. It is closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The other side took too long.
    #[error("no TLS handshake within {0:?}")]
    Late(Duration),
    /// The handshake failed: the other side does not speak TLS, or one of the two does not trust the other.
    #[error("TLS: {0}")]
    Failed(#[from] io::Error),
    /// The certificate is good and its name is not among the allowed ones.
    #[error("client certificate authentication failed: its name is not among those that are allowed")]
    NotAllowed,
    /// Not a name that a certificate could be issued for.
    #[error("{host:?} is neither a DNS name nor an IP address")]
    BadHost {
        /// What was given.
        host: String,
    },
}
