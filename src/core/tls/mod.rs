//! TLS on both sides, with rustls: whom a client trusts, what a server shows, and the files behind both.
//!
//! PEM files come in, configurations go out. Refused, with the file's name: what cannot be read, what is no PEM, and a key that is
//! not the certificate's.

mod client;
mod server;
mod verifier;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub use client::{ClientFiles, Verify, client, client_from};
pub use server::{ClientCertificates, ServerFiles, server};
pub use verifier::Verifier;

/// A certificate and its key, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and behind it those that lead to its authority (PEM).
    pub certificate: PathBuf,
    /// The private key, not encrypted (PEM).
    pub key: PathBuf,
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| anyhow!("{error}")).with_context(|| {
            format!("{} holds no private key that can be read (PEM, not encrypted)", self.key.display())
        })?;
        Ok((certificates(&self.certificate)?, key))
    }

    fn names(&self) -> String {
        format!("{} and {} cannot be used together", self.certificate.display(), self.key.display())
    }
}

/// The authorities in a PEM file, or else the machine's.
fn roots(authorities: Option<&Path>) -> Result<RootCertStore> {
    let Some(path) = authorities else { return from_machine() };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let shown = path.display();
        roots.add(certificate).with_context(|| format!("{shown} holds a certificate that cannot be an authority"))?;
    }
    Ok(roots)
}

/// The certificates in a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let shown = path.display();
    let pem = std::fs::read(path).with_context(|| format!("cannot read the certificates in {shown}"))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| io::Error::other(format!("{error:?}")))
        .with_context(|| format!("{shown} is not PEM"))?;
    if found.is_empty() {
        bail!("{shown} holds no certificate; it must be a PEM file with BEGIN CERTIFICATE");
    }
    Ok(found)
}

fn from_machine() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        bail!(
            "this machine has no certificate authorities; install ca-certificates, or point SSL_CERT_FILE at a PEM bundle"
        );
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(client(Some(&path)).unwrap_err().to_string().contains("ca.pem"));
        std::fs::write(&path, "not a certificate").unwrap();
        assert!(client(Some(&path)).unwrap_err().to_string().contains("BEGIN CERTIFICATE"));
    }
}
