//! A certificate that vouches for itself, made at the first start.
//!
//! It keeps a conversation secret from who only listens. It proves nothing, unless its file is carried to the clients and given to
//! them as the authority to trust.

use crate::{Identity, TlsError};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_YEAR: u64 = 31_556_952;
/// How long it is good. It is not renewed by itself: remove the files, and the next start makes others.
const GOOD_FOR_YEARS: i32 = 10;

/// The certificate in `dir`, made for `hosts` (DNS names and addresses) if there is none. Only the owner may read its key.
///
/// # Errors
/// [`TlsError`]; half of a pair may have been written, and is made again the next time.
pub fn self_signed(dir: &Path, hosts: &[String]) -> Result<Identity, TlsError> {
    let identity = Identity { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    if identity.cert.exists() && identity.key.exists() {
        return Ok(identity);
    }
    let mut params = CertificateParams::new(hosts).map_err(TlsError::Make)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "quorate");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let year = this_year();
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + GOOD_FOR_YEARS, 1, 1);
    let key = KeyPair::generate().map_err(TlsError::Make)?;
    let certificate = params.self_signed(&key).map_err(TlsError::Make)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Write { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    // The certificate last: it says that the pair is whole.
    remove_if_there(&identity.cert).map_err(failed(&identity.cert))?;
    write(&identity.key, &key.serialize_pem()).map_err(failed(&identity.key))?;
    write(&identity.cert, &certificate.pem()).map_err(failed(&identity.cert))?;
    Ok(identity)
}

fn this_year() -> i32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1970 + i32::try_from(since.as_secs() / SECONDS_PER_YEAR).unwrap_or_default()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    remove_if_there(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::self_signed;

    #[test]
    fn a_pair_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("fixtures/client");
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let first = self_signed(&dir, &hosts).unwrap();
        let text = std::fs::read(&first.cert).unwrap();
        assert_eq!(self_signed(&dir, &hosts).unwrap(), first);
        assert_eq!(std::fs::read(&first.cert).unwrap(), text);
        std::fs::remove_file(&first.cert).unwrap();
        self_signed(&dir, &hosts).unwrap();
        assert_ne!(std::fs::read(&first.cert).unwrap(), text);
        crate::pem::identity(&first).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&first.key).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
