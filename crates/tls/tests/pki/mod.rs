//! An authority for tests, and what it issues.

use quorate_tls::{Identity, TlsOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber,
};
use std::path::{Path, PathBuf};

/// Signs certificates and lists of revoked ones, and writes them as files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
    /// Its own certificate.
    pub file: PathBuf,
}

/// What a certificate is to say.
pub struct Wish {
    pub common_name: &'static str,
    pub hosts: &'static [&'static str],
    pub serial: u64,
    /// The last year in which it is good.
    pub until_year: i32,
}

impl Default for Wish {
    fn default() -> Self {
        Wish { common_name: "someone", hosts: &["localhost", "127.0.0.1"], serial: 1, until_year: 4000 }
    }
}

impl Authority {
    /// A new one; its files go to `dir` and begin with its name.
    pub fn new(dir: &Path, name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("ca.pem");
        std::fs::write(&file, issuer.pem()).unwrap();
        Authority { issuer, dir, file }
    }

    /// Writes a certificate and its key as `NAME.pem` and `NAME-key.pem`, over older ones.
    pub fn issue(&self, name: &str, wish: &Wish) -> Identity {
        let mut params = params(wish.common_name);
        params.subject_alt_names =
            CertificateParams::new(wish.hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
                .unwrap()
                .subject_alt_names;
        params.serial_number = Some(SerialNumber::from(wish.serial));
        params.not_after = rcgen::date_time_ymd(wish.until_year, 12, 31);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |ending: &str| self.dir.join(format!("{name}{ending}"));
        let identity = Identity { cert: path(".pem"), key: path("-key.pem") };
        std::fs::write(&identity.cert, certificate.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    /// Writes the list of the serial numbers that count no more.
    pub fn revoke(&self, serials: &[u64]) -> PathBuf {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.dir.join("crl.pem");
        std::fs::write(&path, list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        path
    }
}

/// Who has `identity` and trusts `authority`.
pub fn side(identity: Option<Identity>, authority: &Authority) -> TlsOptions {
    TlsOptions { identity, trusted_ca: Some(authority.file.clone()), ..TlsOptions::default() }
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params
}
