//! Which names a good certificate may have.

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use crate::PeerCertificate;

/// Names of certificates that are let in; with none, all are. Either common names or host names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowed {
    /// The subject's common name must be one of these.
    pub common_names: Vec<String>,
    /// The certificate must be good for one of these hosts.
    pub hostnames: Vec<String>,
}

impl Allowed {
    /// Whether a verified certificate may come in.
    pub(crate) fn lets_in(&self, certificate: Option<&CertificateDer<'_>>) -> bool {
        if self.common_names.is_empty() && self.hostnames.is_empty() {
            return true;
        }
        let Some(certificate) = certificate else { return false };
        let common_name = PeerCertificate::read(certificate).common_name;
        if common_name.is_some_and(|name| self.common_names.contains(&name)) {
            return true;
        }
        let Ok(parsed) = EndEntityCert::try_from(certificate) else { return false };
        let is_good_for = |host: &String| {
            ServerName::try_from(host.as_str())
                .is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok())
        };
        self.hostnames.iter().any(is_good_for)
    }
}

#[cfg(test)]
mod tests {
    use super::Allowed;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    #[test]
    fn common_name_or_host_decides() {
        let mut params = CertificateParams::new(["n1.db.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "member");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let check = |common_names: &[&str], hostnames: &[&str], expect: bool| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let allowed = Allowed { common_names: owned(common_names), hostnames: owned(hostnames) };
            assert_eq!(allowed.lets_in(Some(certificate.der())), expect, "{allowed:?}");
            let nobody = common_names.is_empty() && hostnames.is_empty();
            assert_eq!(allowed.lets_in(None), nobody, "{allowed:?}");
        };
        check(&[], &[], true);
        check(&["other", "member"], &[], true);
        check(&["Member"], &[], false);
        check(&["n1.db.example"], &[], false);
        check(&[], &["n1.db.example"], true);
        check(&[], &["10.0.0.1"], true);
        check(&[], &["n2.db.example", "10.0.0.2", "no host!"], false);
        check(&[], &["member"], false);
    }
}
