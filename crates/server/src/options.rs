//! What a front end must be told.

use quorate_tls::Acceptor;
use std::time::Duration;

/// The etcd release whose behaviour the front end shows, in `Status` and at `/version`. Clients choose what they dare to ask by
/// it: Kubernetes asks for progress on watch streams only from 3.5.13 on.
pub const COMPATIBILITY_VERSION: &str = "3.6.14";
/// The same, as the cluster's and the storage's version, which have no patch level.
pub(crate) const COMPATIBILITY_LEVEL: &str = "3.6.0";

/// A request may be larger than the largest write by so much, for what stands around the write.
const RECEIVE_SLACK_LEN_BYTES: usize = 512 << 10;

/// A front end's settings.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// URLs at which clients reach this node, for `MemberList`; empty leaves what the member list says.
    pub advertise_client_urls: Vec<String>,
    /// The longest write, as the client encoded it.
    pub max_request_len_bytes: usize,
    /// How much memory the answers to large reads may take together, roughly; further ones wait.
    pub read_budget_len_bytes: usize,
    /// Makes the port speak TLS and nothing else; plain text without.
    pub tls: Option<Acceptor>,
    /// How long open calls may go on once the server is told to stop.
    pub shutdown_grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            advertise_client_urls: Vec::new(),
            max_request_len_bytes: 3 << 19,
            read_budget_len_bytes: 256 << 20,
            tls: None,
            shutdown_grace: Duration::from_secs(2),
        }
    }
}

impl ServerOptions {
    /// The longest message that is read at all.
    pub(crate) fn receive_limit_len_bytes(&self) -> usize {
        self.max_request_len_bytes + RECEIVE_SLACK_LEN_BYTES
    }
}
