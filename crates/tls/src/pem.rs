//! Certificates, keys and revocations out of files.

use crate::{Identity, TlsError};
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::path::Path;

const PEM_START: &[u8] = b"-----BEGIN";

/// A chain and its key.
pub(crate) fn identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let key = PrivateKeyDer::from_pem_slice(&read(&identity.key)?)
        .map_err(|source| broken(&identity.key, "private key", source))?;
    Ok((certificates(&identity.cert)?, key))
}

/// The authorities of a file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(store)
}

/// The authorities that this machine trusts.
pub(crate) fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TlsError::NoAuthority) } else { Ok(store) }
}

/// The lists of a file; none without one.
pub(crate) fn revocations(
    path: Option<&Path>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let bytes = read(path)?;
    let is_pem = bytes.windows(PEM_START.len()).any(|window| window == PEM_START);
    if !is_pem && !bytes.is_empty() {
        return Ok(vec![bytes.into()]);
    }
    all(path, &bytes, "revocation list")
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    all(path, &read(path)?, "certificate")
}

/// All objects of one kind; at least one.
fn all<T: PemObject>(path: &Path, bytes: &[u8], what: &'static str) -> Result<Vec<T>, TlsError> {
    let found: Result<Vec<T>, pem::Error> = T::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(broken(path, what, pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(source) => Err(broken(path, what, source)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn broken(path: &Path, what: &'static str, source: pem::Error) -> TlsError {
    match source {
        pem::Error::NoItemsFound => TlsError::Missing { path: path.to_owned(), what },
        source => TlsError::Damaged { path: path.to_owned(), source },
    }
}
