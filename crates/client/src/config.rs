//! What a client has to be told.

use std::time::Duration;

use quorate_tls::TlsOptions;
use tonic::transport::Endpoint;

use crate::Error;

/// How calls are spread over the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// Stay with one endpoint until it fails.
    #[default]
    Sticky,
    /// Begin each call at the next endpoint.
    RoundRobin,
}

/// A name and a password to log in with.
#[derive(Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A client's settings. Change the public fields before [`crate::Client::connect`].
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port`, `http://host:port` or `https://host:port` each; at least one.
    pub endpoints: Vec<String>,
    /// How calls are spread over them.
    pub routing: Routing,
    /// The longest that a call may take, its retries included.
    pub timeout: Duration,
    /// The longest that connecting to one endpoint may take.
    pub connect_timeout: Duration,
    /// The keyspace that the calls are about; `None` is the default one.
    pub keyspace: Option<String>,
    /// A session token from earlier, so that reads see at least what that session saw.
    pub session: Option<String>,
    /// Whether a write that got no answer is sent again. Servers that keep numbered writes do it once; others are sent it once.
    pub exactly_once: bool,
    /// How to connect by TLS. With it, endpoints without a scheme are `https://` ones; without it, `https://` endpoints are verified by the
    /// system's authorities.
    pub tls: Option<TlsOptions>,
    /// Whom to log in as; `None` where the cluster does not ask.
    pub user: Option<User>,
}

impl Config {
    /// The defaults, for these endpoints.
    pub fn new<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Self {
        Config {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            routing: Routing::default(),
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            keyspace: None,
            session: None,
            exactly_once: true,
            tls: None,
            user: None,
        }
    }
}

/// How often an unused moment on a busy connection is checked for a dead peer; etcd cuts clients that ping more
/// often than every 5 s.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads an endpoint's address; `scheme` is for one that names none.
pub(crate) fn endpoint(text: &str, scheme: &str, connect_timeout: Duration) -> Result<Endpoint, Error> {
    let bad = || Error::BadEndpoint { endpoint: text.to_owned() };
    let uri = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    let endpoint = Endpoint::from_shared(uri).map_err(|_| bad())?;
    let is_known = matches!(endpoint.uri().scheme_str(), Some("http" | "https"));
    if !is_known || endpoint.uri().port().is_none() {
        return Err(bad());
    }
    Ok(endpoint
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    fn check(text: &str, expect: Option<&str>) {
        let found = super::endpoint(text, "http", Duration::from_secs(1)).ok().map(|e| e.uri().to_string());
        assert_eq!(found.as_deref(), expect, "{text}");
    }

    #[test]
    fn endpoints_are_host_and_port() {
        check("127.0.0.1:2379", Some("http://127.0.0.1:2379/"));
        check("http://db.example:1", Some("http://db.example:1/"));
        check("https://db.example:1", Some("https://db.example:1/"));
        check("[::1]:2379", Some("http://[::1]:2379/"));
        check("localhost", None);
        check("ftp://x:1", None);
        check("", None);
        check("a b:1", None);
    }
}
