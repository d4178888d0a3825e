//! TLS for the connections of clients and of peers, with certificates from files.
//!
//! **Problem.** Certificates live shorter than servers. Who must restart a node for each new certificate, or for each revoked one, does so
//! too late; and who reads two files while they are being replaced gets halves that do not fit. **Idea.** What the files say becomes one
//! immutable configuration. Each handshake takes the current one; at most once a second it looks whether a file has changed
//! and builds the next one from all of them.
//!
//! **Invariants.** A configuration is whole: its key fits its certificate. Files that make none leave the last one in force, with a warning.
//! No session is resumed, so every connection is judged by the certificates and revocations of its own time.
//!
//! **Source.** RFC 8446, RFC 5246, RFC 5280 (by `rustls`); the options and their meaning are those of etcd's `TLSInfo`.

#![forbid(unsafe_code)]

mod acceptor;
mod allowed;
mod connector;
mod error;
mod options;
mod peer;
mod pem;
mod protocol;
mod reload;
mod self_signed;

pub use acceptor::{Accepted, Acceptor};
pub use allowed::Allowed;
pub use connector::Connector;
pub use error::{HandshakeError, TlsError};
pub use options::{Identity, TlsOptions};
pub use peer::PeerCertificate;
pub use protocol::{Protocol, Suite, Version};
pub use rustls::ClientConnection;
pub use self_signed::self_signed;
pub use tokio_rustls::{client::TlsStream as DialledStream, server::TlsStream as AcceptedStream};

/// What a client's port speaks inside TLS, the preferred one first.
pub const HTTP: &[&str] = &["h2", "http/1.1"];
/// What a client that only knows gRPC speaks.
pub const HTTP_2: &[&str] = &["h2"];

fn names(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}
