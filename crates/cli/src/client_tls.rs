//! The options of every command that may talk to a cluster by TLS, named as etcdctl's.

use std::path::PathBuf;

use clap::Args;
use quorate_tls::{Identity, TlsOptions};

/// Whom to trust, and who asks. With any of these, endpoints without a scheme are taken for `https://` ones.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct ClientTlsArgs {
    /// Verify servers by this bundle of authorities instead of the system's
    #[arg(long, global = true, env = "QUORATE_CACERT", value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Show this certificate to servers that demand one
    #[arg(
        id = "client_cert",
        long = "cert",
        global = true,
        env = "QUORATE_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    cert: Option<PathBuf>,
    /// The certificate's private key
    #[arg(
        id = "client_key",
        long = "key",
        global = true,
        env = "QUORATE_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    key: Option<PathBuf>,
    /// Take any certificate: nobody else can read along, but nobody knows who answers
    #[arg(long, global = true)]
    insecure_skip_tls_verify: bool,
}

impl ClientTlsArgs {
    /// What was asked for; nothing if none of the options was given.
    pub(crate) fn options(&self) -> Option<TlsOptions> {
        let identity = self.cert.clone().zip(self.key.clone()).map(|(cert, key)| Identity { cert, key });
        let options = TlsOptions {
            identity,
            trusted_ca: self.cacert.clone(),
            skip_verify: self.insecure_skip_tls_verify,
            ..TlsOptions::default()
        };
        Some(options).filter(|options| *options != TlsOptions::default())
    }
}
