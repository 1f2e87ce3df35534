//! TLS towards a git server.
//!
//! In: a CA bundle or the system's, and whether to verify at all. Out: a client configuration (rustls, ring).
//! Refused: a CA bundle that holds no certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::super::error::RemoteError;
use super::super::options::{Options, Verification};

/// Builds the configuration; reads files, so off the reactor.
pub(super) fn client_config(options: &Options) -> Result<Arc<ClientConfig>, RemoteError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| RemoteError::local("preparing TLS", error))?;
    let mut config = match options.verification {
        Verification::Off => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider))).with_no_client_auth()
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

/// `http.sslVerify=false`: any certificate will do, but the handshake must still be signed by it.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
