//! Where connections go.

use std::net::{SocketAddr, ToSocketAddrs};

use quorate_tls::{Connector, HTTP_2};

use super::{BenchError, Options};

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// With TLS: the name that its certificate must be good for, and how to find out.
    pub(super) secure: Option<(String, Connector)>,
}

impl Target {
    /// The scheme of its URLs.
    pub(super) fn scheme(&self) -> &'static str {
        if self.secure.is_some() { "https" } else { "http" }
    }
}

/// The endpoints' addresses; certificates are read if one of them wants TLS.
///
/// # Errors
/// [`BenchError::BadEndpoint`], [`BenchError::Tls`].
pub(super) fn resolve(options: &Options) -> Result<Vec<Target>, BenchError> {
    let mut connector = None;
    let mut targets = Vec::new();
    for endpoint in &options.endpoints {
        let bad = || BenchError::BadEndpoint { endpoint: endpoint.clone() };
        let (is_secure, text) = match endpoint.split_once("://") {
            Some(("https", text)) => (true, text),
            Some(("http", text)) => (false, text),
            Some(_) => return Err(bad()),
            None => (options.tls.is_some(), endpoint.as_str()),
        };
        let address =
            text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(bad)?;
        let mut secure = None;
        if is_secure {
            let connector = match &connector {
                Some(connector) => connector,
                None => connector.insert(Connector::new(&options.tls.clone().unwrap_or_default(), HTTP_2)?),
            };
            let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
            secure = Some((host.to_owned(), connector.clone()));
        }
        targets.push(Target { address, secure });
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use quorate_tls::TlsOptions;

    use super::{Options, resolve};

    #[test]
    fn tls_is_chosen_by_scheme_or_by_its_options() {
        let check = |endpoint: &str, has_options: bool, expect: Option<&str>| {
            let tls = has_options.then(|| TlsOptions { skip_verify: true, ..TlsOptions::default() });
            let options = Options { endpoints: vec![endpoint.to_owned()], tls, ..Options::default() };
            let found = resolve(&options).ok().map(|targets| targets[0].scheme());
            assert_eq!(found, expect, "{endpoint}");
        };
        check("127.0.0.1:1", false, Some("http"));
        check("127.0.0.1:1", true, Some("https"));
        check("http://127.0.0.1:1", true, Some("http"));
        check("https://127.0.0.1:1", true, Some("https"));
        check("ftp://127.0.0.1:1", false, None);
        check("nonsense", false, None);
    }
}
