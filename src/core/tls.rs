//! TLS as a client: rustls with the machine's certificate authorities, or with those of one file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The configuration of a client that trusts the authorities in `authorities` (PEM), or else the machine's.
///
/// # Errors
/// The file cannot be read or holds no certificate; the machine has no authorities (an image without a CA bundle).
pub fn client(authorities: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let roots = match authorities {
        Some(path) => from_file(path)?,
        None => from_machine()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn from_file(path: &Path) -> Result<RootCertStore> {
    let shown = path.display();
    let pem = std::fs::read(path).with_context(|| format!("cannot read the certificate authorities in {shown}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate
            .map_err(|error| io::Error::other(format!("{error:?}")))
            .with_context(|| format!("{shown} is not PEM"))?;
        roots.add(certificate).with_context(|| format!("{shown} holds a certificate that cannot be an authority"))?;
    }
    if roots.is_empty() {
        bail!("{shown} holds no certificate; it must be a PEM file with BEGIN CERTIFICATE");
    }
    Ok(roots)
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
