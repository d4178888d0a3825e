//! The options of a node for TLS with its clients and with its peers, named as etcd's.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_tls::{Allowed, Identity, Protocol, TlsOptions, self_signed};
use serde::Deserialize;

use crate::failure::Failure;

/// Where generated certificates lie, below a node's data.
const CLIENT_FIXTURES: &str = "fixtures/client";
const PEER_FIXTURES: &str = "fixtures/peer";

/// On the command line or in the file.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "TLS")]
pub(crate) struct ServerTlsArgs {
    /// Speak TLS with clients and show them this certificate, with its chain
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Demand certificates of clients, issued by one of these authorities
    #[arg(long, value_name = "FILE")]
    trusted_ca_file: Option<PathBuf>,
    /// Demand certificates of clients; needs --trusted-ca-file, which means the same
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    client_cert_auth: Option<bool>,
    /// Client certificates on this list count no more
    #[arg(long, value_name = "FILE")]
    client_crl_file: Option<PathBuf>,
    /// Only clients whose certificates are good for one of these hosts
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    client_cert_allowed_hostname: Option<Vec<String>>,
    /// Speak TLS with clients by a certificate that the node makes itself, below its data
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    auto_tls: Option<bool>,
    /// Speak TLS with peers and show them this certificate, with its chain
    #[arg(long, value_name = "FILE")]
    peer_cert_file: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE")]
    peer_key_file: Option<PathBuf>,
    /// Believe peers, both ways, whose certificates one of these authorities issued
    #[arg(long, value_name = "FILE")]
    peer_trusted_ca_file: Option<PathBuf>,
    /// Demand certificates of peers; needs --peer-trusted-ca-file, which means the same
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    peer_client_cert_auth: Option<bool>,
    /// Peer certificates on this list count no more
    #[arg(long, value_name = "FILE")]
    peer_crl_file: Option<PathBuf>,
    /// Only peers whose certificates have one of these common names
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    peer_cert_allowed_cn: Option<Vec<String>>,
    /// Only peers whose certificates are good for one of these hosts
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    peer_cert_allowed_hostname: Option<Vec<String>>,
    /// Speak TLS with peers by certificates that the nodes make themselves: secret, but anybody may take part
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    peer_auto_tls: Option<bool>,
    /// The oldest version of TLS, TLS1.2 or TLS1.3 [default: TLS1.2]
    #[arg(long, value_name = "VERSION")]
    tls_min_version: Option<String>,
    /// The newest version of TLS [default: the newest that is known]
    #[arg(long, value_name = "VERSION")]
    tls_max_version: Option<String>,
    /// Cipher suites for TLS1.2 [default: all that are safe]
    #[arg(long, value_name = "SUITE,…", value_delimiter = ',')]
    cipher_suites: Option<Vec<String>>,
}

/// One port's share of the options.
struct Port<'a> {
    /// What its options begin with.
    prefix: &'a str,
    cert: Option<&'a Path>,
    key: Option<&'a Path>,
    trusted_ca: Option<&'a Path>,
    client_cert_auth: bool,
    crl: Option<&'a Path>,
    allowed: Allowed,
    /// Where a certificate is to be made, if one may be.
    fixtures: Option<PathBuf>,
}

impl ServerTlsArgs {
    /// These options, and those of `file` where there are none.
    pub(crate) fn or(self, file: Self) -> Self {
        ServerTlsArgs {
            cert_file: self.cert_file.or(file.cert_file),
            key_file: self.key_file.or(file.key_file),
            trusted_ca_file: self.trusted_ca_file.or(file.trusted_ca_file),
            client_cert_auth: self.client_cert_auth.or(file.client_cert_auth),
            client_crl_file: self.client_crl_file.or(file.client_crl_file),
            client_cert_allowed_hostname: self
                .client_cert_allowed_hostname
                .or(file.client_cert_allowed_hostname),
            auto_tls: self.auto_tls.or(file.auto_tls),
            peer_cert_file: self.peer_cert_file.or(file.peer_cert_file),
            peer_key_file: self.peer_key_file.or(file.peer_key_file),
            peer_trusted_ca_file: self.peer_trusted_ca_file.or(file.peer_trusted_ca_file),
            peer_client_cert_auth: self.peer_client_cert_auth.or(file.peer_client_cert_auth),
            peer_crl_file: self.peer_crl_file.or(file.peer_crl_file),
            peer_cert_allowed_cn: self.peer_cert_allowed_cn.or(file.peer_cert_allowed_cn),
            peer_cert_allowed_hostname: self.peer_cert_allowed_hostname.or(file.peer_cert_allowed_hostname),
            peer_auto_tls: self.peer_auto_tls.or(file.peer_auto_tls),
            tls_min_version: self.tls_min_version.or(file.tls_min_version),
            tls_max_version: self.tls_max_version.or(file.tls_max_version),
            cipher_suites: self.cipher_suites.or(file.cipher_suites),
        }
    }

    /// How to speak with clients; nothing means plain text. A certificate is made, for the hosts of `addresses`, if one is wanted.
    ///
    /// # Errors
    /// [`Failure`] that names the option.
    pub(crate) fn for_clients(&self, data: &Path, addresses: &[&str]) -> Result<Option<TlsOptions>, Failure> {
        let allowed = Allowed {
            common_names: Vec::new(),
            hostnames: self.client_cert_allowed_hostname.clone().unwrap_or_default(),
        };
        let port = Port {
            prefix: "--",
            cert: self.cert_file.as_deref(),
            key: self.key_file.as_deref(),
            trusted_ca: self.trusted_ca_file.as_deref(),
            client_cert_auth: self.client_cert_auth.unwrap_or_default(),
            crl: self.client_crl_file.as_deref(),
            allowed,
            fixtures: self.auto_tls.unwrap_or_default().then(|| data.join(CLIENT_FIXTURES)),
        };
        port.options(self.protocol()?, addresses)
    }

    /// The same for peers.
    ///
    /// # Errors
    /// [`Failure`] that names the option.
    pub(crate) fn for_peers(&self, data: &Path, addresses: &[&str]) -> Result<Option<TlsOptions>, Failure> {
        let allowed = Allowed {
            common_names: self.peer_cert_allowed_cn.clone().unwrap_or_default(),
            hostnames: self.peer_cert_allowed_hostname.clone().unwrap_or_default(),
        };
        let port = Port {
            prefix: "--peer-",
            cert: self.peer_cert_file.as_deref(),
            key: self.peer_key_file.as_deref(),
            trusted_ca: self.peer_trusted_ca_file.as_deref(),
            client_cert_auth: self.peer_client_cert_auth.unwrap_or_default(),
            crl: self.peer_crl_file.as_deref(),
            allowed,
            fixtures: self.peer_auto_tls.unwrap_or_default().then(|| data.join(PEER_FIXTURES)),
        };
        port.options(self.protocol()?, addresses)
    }

    fn protocol(&self) -> Result<Protocol, Failure> {
        let version = |name: &Option<String>| {
            let name = name.as_deref().filter(|name| !name.is_empty());
            name.map(str::parse).transpose().map_err(|error| in_words(&error))
        };
        let suites = self.cipher_suites.iter().flatten().filter(|name| !name.is_empty());
        Ok(Protocol {
            min: version(&self.tls_min_version)?,
            max: version(&self.tls_max_version)?,
            suites: suites
                .map(|name| name.parse())
                .collect::<Result<_, _>>()
                .map_err(|error| in_words(&error))?,
        })
    }
}

impl Port<'_> {
    fn options(self, protocol: Protocol, addresses: &[&str]) -> Result<Option<TlsOptions>, Failure> {
        let Port { prefix, trusted_ca, client_cert_auth, crl, allowed, .. } = &self;
        let (identity, is_made) = match (self.cert, self.key, &self.fixtures) {
            (Some(cert), Some(key), fixtures) => {
                if fixtures.is_some() {
                    tracing::warn!("{prefix}auto-tls has no effect beside {prefix}cert-file");
                }
                (Identity { cert: cert.to_owned(), key: key.to_owned() }, false)
            }
            (None, None, Some(fixtures)) => {
                let hosts: Vec<String> = addresses.iter().filter_map(|address| host(address)).collect();
                (self_signed(fixtures, &hosts).map_err(|error| in_words(&error))?, true)
            }
            (None, None, None) => {
                let is_vain = trusted_ca.is_some() || *client_cert_auth || crl.is_some();
                return match is_vain || *allowed != Allowed::default() {
                    true => Err(Failure::Usage(format!(
                        "give {prefix}cert-file and {prefix}key-file, too: without them there is no TLS"
                    ))),
                    false => Ok(None),
                };
            }
            _ => {
                return Err(Failure::Usage(format!(
                    "{prefix}key-file and {prefix}cert-file must both be present"
                )));
            }
        };
        Ok(Some(TlsOptions {
            identity: Some(identity),
            trusted_ca: trusted_ca.map(Path::to_owned),
            crl: crl.map(Path::to_owned),
            client_cert_auth: *client_cert_auth,
            allowed: allowed.clone(),
            // Nobody vouches for certificates that nodes make themselves.
            skip_verify: is_made,
            protocol,
        }))
    }
}

fn in_words(error: &quorate_tls::TlsError) -> Failure {
    Failure::new(format!("TLS: {error}"))
}

/// The host of `host:port`, or of a URL, if it names one.
fn host(address: &str) -> Option<String> {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/');
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Some(host.trim_start_matches('[').trim_end_matches(']'))
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{ServerTlsArgs, host};
    use std::path::Path;

    fn check(text: &str, expect: Result<Option<bool>, &str>) {
        let args: ServerTlsArgs = toml::from_str(text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let found = args.for_clients(dir.path(), &["localhost:1"]);
        let found = found.map(|options| options.map(|options| options.demands_client_cert()));
        match (found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{text}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expect) => panic!("{text}: {found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn options_go_together_or_are_refused() {
        check("", Ok(None));
        check("cert-file = 'a'\nkey-file = 'b'", Ok(Some(false)));
        check("cert-file = 'a'\nkey-file = 'b'\ntrusted-ca-file = 'c'", Ok(Some(true)));
        check("cert-file = 'a'", Err("must both be present"));
        check("trusted-ca-file = 'c'", Err("give --cert-file and --key-file"));
        check("client-cert-auth = true", Err("give --cert-file and --key-file"));
        check("client-cert-auth = false", Ok(None));
        check("auto-tls = true", Ok(Some(false)));
        check("peer-cert-file = 'a'\npeer-key-file = 'b'", Ok(None));
        check("tls-min-version = 'TLS1.1'", Err("unexpected TLS version"));
        check("cipher-suites = ['NONE']", Err("unexpected TLS cipher suite"));
    }

    #[test]
    fn peers_have_options_of_their_own() {
        let text = "peer-auto-tls = true\npeer-cert-allowed-cn = ['a']";
        let args: ServerTlsArgs = toml::from_str(text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = args.for_peers(dir.path(), &["[::1]:2380"]).unwrap().unwrap();
        assert!(options.skip_verify && options.allowed.common_names == ["a"]);
        assert!(dir.path().join("fixtures/peer/key.pem").exists());
        let flags = ServerTlsArgs { peer_cert_file: Some("x".into()), ..ServerTlsArgs::default() }.or(args);
        assert_eq!(flags.peer_cert_file.as_deref(), Some(Path::new("x")));
        assert!(flags.for_peers(dir.path(), &[]).is_err());
    }

    #[test]
    fn hosts_are_found_in_addresses_and_urls() {
        let check = |address: &str, expect: Option<&str>| assert_eq!(host(address).as_deref(), expect);
        check("10.0.0.1:2379", Some("10.0.0.1"));
        check("https://db.example:1/", Some("db.example"));
        check("[::1]:1", Some("::1"));
        check(":1", None);
        check("", None);
    }
}
