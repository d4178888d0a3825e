//! Who the other side is, by its certificate.
//!
//! ```text
//! Name ::= SEQUENCE OF SET OF SEQUENCE { OBJECT IDENTIFIER, some string }
//! ```
//!
//! Source: RFC 5280 §4.1.2.4; X.690 for the encoding. Of several common names the last one counts, as in Go.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// What a certificate says of its holder. As trustworthy as the verification that went before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerCertificate {
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The DNS names that it is good for.
    pub dns_names: Vec<String>,
    /// The URIs that it is good for.
    pub uris: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// UTF8String, PrintableString, TeletexString and IA5String.
const STRINGS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];

impl PeerCertificate {
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Self {
        let Ok(parsed) = EndEntityCert::try_from(certificate) else { return PeerCertificate::default() };
        PeerCertificate {
            common_name: common_name(parsed.subject()),
            dns_names: parsed.valid_dns_names().map(str::to_owned).collect(),
            uris: parsed.valid_uri_names().map(str::to_owned).collect(),
        }
    }
}

/// The last common name in the content of a subject.
fn common_name(subject: &[u8]) -> Option<String> {
    let mut found = None;
    let mut sets = subject;
    while let Some((SET, mut attributes)) = take(&mut sets) {
        while let Some((SEQUENCE, mut attribute)) = take(&mut attributes) {
            let is_common_name = take(&mut attribute) == Some((OBJECT_IDENTIFIER, COMMON_NAME));
            if let Some((tag, text)) = take(&mut attribute).filter(|_| is_common_name)
                && STRINGS.contains(&tag)
            {
                found = String::from_utf8(text.to_vec()).ok();
            }
        }
    }
    found
}

/// Takes one element off the front: its tag and its content. `None` at the end, or if it is cut or longer than a name can be.
fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (tag, after) = rest.split_first()?;
    let (first, after) = after.split_first()?;
    let (len_bytes, after) = match first {
        0..=0x7f => (usize::from(*first), after),
        0x81 => after.split_first().map(|(len, after)| (usize::from(*len), after))?,
        0x82 => {
            after.split_first_chunk().map(|(len, after)| (usize::from(u16::from_be_bytes(*len)), after))?
        }
        _ => return None,
    };
    let (content, after) = after.split_at_checked(len_bytes)?;
    *rest = after;
    Some((*tag, content))
}

#[cfg(test)]
mod tests {
    use super::{PeerCertificate, common_name};
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn check(names: &[(DnType, &str)], expect: Option<&str>) {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI(Ia5String::try_from("spiffe://x/y").unwrap()));
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expect = PeerCertificate {
            common_name: expect.map(str::to_owned),
            dns_names: vec!["a.example".to_owned()],
            uris: vec!["spiffe://x/y".to_owned()],
        };
        assert_eq!(PeerCertificate::read(certificate.der()), expect, "{names:?}");
    }

    #[test]
    fn names_are_read() {
        let long = "n".repeat(300);
        check(&[], None);
        check(&[(DnType::OrganizationName, "only this")], None);
        check(&[(DnType::CommonName, "root")], Some("root"));
        check(&[(DnType::CountryName, "FR"), (DnType::CommonName, "Zoé")], Some("Zoé"));
        check(&[(DnType::CommonName, &long), (DnType::LocalityName, "x")], Some(&long));
    }

    #[test]
    fn the_last_common_name_counts_and_cut_ones_do_not() {
        let name = |text: &[u8]| {
            let attribute = [&[0x06, 3, 0x55, 4, 3, 0x0c, text.len() as u8], text].concat();
            let sequence = [&[0x30, attribute.len() as u8], &attribute[..]].concat();
            [&[0x31, sequence.len() as u8], &sequence[..]].concat()
        };
        let both = [name(b"first"), name(b"last")].concat();
        assert_eq!(common_name(&both).as_deref(), Some("last"));
        for cut in 0..both.len() {
            let expect = Some("first").filter(|_| cut >= name(b"first").len());
            assert_eq!(common_name(&both[..cut]).as_deref(), expect, "cut at {cut}");
        }
        assert_eq!(common_name(&name(&[0xff])), None);
    }
}
