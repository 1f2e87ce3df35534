//! TLS towards a git server.
//!
//! In: a CA bundle or the system's, and whether to verify at all. Out: a client configuration (rustls, ring).
//! Refused: a CA bundle that holds no certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::super::error::RemoteError;
use super::super::options::{Options, Verification};
use crate::core::tls::Verifier;

/// Builds the configuration; reads files, so off the reactor.
pub(super) fn client_config(options: &Options) -> Result<Arc<ClientConfig>, RemoteError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| RemoteError::local("preparing TLS", error))?;
    let mut config = match options.verification {
        // `http.sslVerify=false`
        Verification::Off => {
            builder.dangerous().with_custom_certificate_verifier(Verifier::anyone(provider)).with_no_client_auth()
        }
        Verification::Required => {
            builder.with_root_certificates(roots(options.ca_file.as_deref())?).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, RemoteError> {
    let mut store = RootCertStore::empty();
    if let Some(path) = ca_file {
        let doing = || format!("reading the CA bundle {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| RemoteError::local(doing(), error))? {
            let certificate = certificate.map_err(|error| RemoteError::local(doing(), error))?;
            store.add(certificate).map_err(|error| RemoteError::local(doing(), error))?;
        }
        if store.is_empty() {
            return Err(RemoteError::local(doing(), "it holds no certificate"));
        }
        return Ok(store);
    }
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        // A scratch image has no certificates of its own.
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(store)
}
