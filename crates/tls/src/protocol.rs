//! Versions and cipher suites.

use crate::TlsError;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedProtocolVersion};
use std::str::FromStr;
use std::sync::Arc;

/// A version of TLS; older ones are not spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl FromStr for Version {
    type Err = TlsError;

    fn from_str(name: &str) -> Result<Self, TlsError> {
        match name {
            "TLS1.2" => Ok(Version::Tls12),
            "TLS1.3" => Ok(Version::Tls13),
            _ => Err(TlsError::UnknownVersion { name: name.to_owned() }),
        }
    }
}

/// A cipher suite, by its name in IANA's registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suite(CipherSuite);

impl FromStr for Suite {
    type Err = TlsError;

    fn from_str(name: &str) -> Result<Self, TlsError> {
        // Go's older names of two suites lack their hash.
        let is_it = |known: &CipherSuite| {
            let known = name_of(*known);
            known == name || name.contains("CHACHA20") && known.strip_suffix("_SHA256") == Some(name)
        };
        let mut suites = ring::ALL_CIPHER_SUITES.iter().map(|suite| suite.suite());
        suites.clone().find(is_it).map(Suite).ok_or_else(|| {
            let first = suites.next().map(name_of).unwrap_or_default();
            let known = suites.map(name_of).fold(first, |list, name| list + ", " + &name);
            TlsError::UnknownSuite { name: name.to_owned(), known }
        })
    }
}

fn name_of(suite: CipherSuite) -> String {
    format!("{suite:?}").replace("TLS13_", "TLS_")
}

/// Versions and cipher suites of one side. The default is whatever is safe.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Protocol {
    /// The oldest version; TLS 1.2 without.
    pub min: Option<Version>,
    /// The newest version; the newest that is known without.
    pub max: Option<Version>,
    /// The cipher suites of TLS 1.2 that may be chosen; all safe ones if empty. TLS 1.3 has few, all of them safe and allowed.
    pub suites: Vec<Suite>,
}

impl Protocol {
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        if self.min == Some(Version::Tls13) && self.max == Some(Version::Tls12) {
            return Err(TlsError::Versions);
        }
        if self.min == Some(Version::Tls13) && !self.suites.is_empty() {
            return Err(TlsError::NoSuiteToChoose);
        }
        Ok(())
    }

    pub(crate) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let known = [(Version::Tls12, &rustls::version::TLS12), (Version::Tls13, &rustls::version::TLS13)];
        let is_wanted = |version: Version| {
            self.min.is_none_or(|min| min <= version) && self.max.is_none_or(|max| version <= max)
        };
        known.into_iter().filter(|(version, _)| is_wanted(*version)).map(|(_, known)| known).collect()
    }

    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = ring::default_provider();
        if !self.suites.is_empty() {
            provider
                .cipher_suites
                .retain(|suite| suite.tls13().is_some() || self.suites.contains(&Suite(suite.suite())));
        }
        Arc::new(provider)
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol, Suite, Version, name_of};

    #[test]
    fn versions_are_known_by_their_names() {
        let check = |name: &str, expect: Option<Version>| assert_eq!(name.parse().ok(), expect, "{name}");
        check("TLS1.2", Some(Version::Tls12));
        check("TLS1.3", Some(Version::Tls13));
        check("TLS1.1", None);
        check("", None);
        let error = "1.3".parse::<Version>().unwrap_err().to_string();
        assert_eq!(error, r#"unexpected TLS version "1.3" (must be one of: TLS1.2, TLS1.3)"#);
    }

    #[test]
    fn suites_are_known_by_their_names() {
        let check = |name: &str, expect: Option<&str>| {
            let found = name.parse::<Suite>().ok().map(|suite| name_of(suite.0));
            assert_eq!(found.as_deref(), expect, "{name}");
        };
        let same = |name: &str| check(name, Some(name));
        same("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        same("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
        same("TLS_AES_128_GCM_SHA256");
        same("TLS_CHACHA20_POLY1305_SHA256");
        check("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", Some("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"));
        check("TLS_RSA_WITH_AES_128_CBC_SHA", None);
        check("TLS_AES_128_GCM", None);
        check("", None);
    }

    #[test]
    fn what_is_left_is_what_was_asked_for() {
        let check =
            |min: Option<Version>, max: Option<Version>, suites: &str, expect: Option<(usize, usize)>| {
                let suites =
                    suites.split(',').filter(|name| !name.is_empty()).map(|name| name.parse().unwrap());
                let protocol = Protocol { min, max, suites: suites.collect() };
                let left = (protocol.versions().len(), protocol.provider().cipher_suites.len());
                assert_eq!(protocol.check().is_ok().then_some(left), expect, "{protocol:?}");
            };
        let (old, new) = (Some(Version::Tls12), Some(Version::Tls13));
        check(None, None, "", Some((2, 9)));
        check(old, new, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some((2, 4)));
        check(new, None, "", Some((1, 9)));
        check(None, old, "", Some((1, 9)));
        check(new, old, "", None);
        check(new, None, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", None);
    }
}
