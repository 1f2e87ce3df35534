//! TLS to a JVM, trusting as Java does it.
//!
//! Java's own RMI client checks that a certificate leads to its trust store, and never whose name is in it; JMX
//! certificates are made accordingly. So with a trust file of the user's own the chain decides, and a certificate that
//! lies in that file is trusted as it is. Without one the system's roots apply, and then the name must be right.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::JmxError;
use crate::core::tls::Verifier;

/// What the user says about TLS. Files are PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// Certificates to trust; the system's where there is none.
    pub trust: Option<PathBuf>,
    /// Our own certificate and key, for servers that ask for one.
    pub identity: Option<Identity>,
    /// The name that the server's certificate must carry, if it is checked at all.
    pub server_name: Option<String>,
}

/// Our own certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, and behind it those that lead to its authority.
    pub certificate: PathBuf,
    /// The private key, not encrypted.
    pub key: PathBuf,
}

/// Settings that have been read and are ready to dial with.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl Tls {
    /// # Errors
    /// A file cannot be read, or holds something else than PEM. The user's to mend.
    pub(crate) fn load(settings: &TlsSettings) -> Result<Tls, JmxError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |problem: String| JmxError::TlsSettings { what: "the certificates".to_owned(), problem };
        let mut roots = RootCertStore::empty();
        let mut pinned = Vec::new();
        match &settings.trust {
            Some(path) => {
                pinned = certificates(path)?;
                roots.add_parsable_certificates(pinned.iter().cloned());
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let unusable_roots = |problem: rustls::client::VerifierBuilderError| unusable(problem.to_string());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|problem| unusable(problem.to_string()))?;
        let config = match (&settings.trust, &settings.server_name) {
            (Some(_), None) => config.dangerous().with_custom_certificate_verifier(
                Verifier::by_authority(roots, pinned, provider).map_err(unusable_roots)?,
            ),
            _ => config.with_webpki_verifier(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(unusable_roots)?,
            ),
        };
        let config = match &settings.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|problem| JmxError::TlsSettings {
                    what: identity.key.display().to_string(),
                    problem: hint(&identity.key, problem.to_string()),
                })?;
                config
                    .with_client_auth_cert(certificates(&identity.certificate)?, key)
                    .map_err(|problem| unusable(problem.to_string()))?
            }
        };
        Ok(Tls { config: Arc::new(config), server_name: settings.server_name.clone() })
    }

    /// # Errors
    /// The server does not speak TLS, or is not the one that we trust.
    pub(crate) async fn wrap(
        &self,
        host: &str,
        peer: &str,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, JmxError> {
        let failed = |source| JmxError::Tls { peer: peer.to_owned(), source };
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|problem| failed(io::Error::other(problem)))?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await.map_err(failed)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, JmxError> {
    let wrong = |problem| JmxError::TlsSettings { what: path.display().to_string(), problem: hint(path, problem) };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|problem| wrong(problem.to_string()))?;
    match certificates.is_empty() {
        true => Err(wrong("there is no certificate in it".to_owned())),
        false => Ok(certificates),
    }
}

/// Java's own key stores are what people have at hand.
fn hint(path: &Path, problem: String) -> String {
    let mut start = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut start));
    let store = match (read, start) {
        (Ok(()), [0xfe, 0xed, 0xfe, 0xed]) => "a JKS key store",
        (Ok(()), [0x30, ..]) => "a PKCS#12 key store",
        _ => return problem,
    };
    let path = path.display();
    format!("it is {store}; write its certificates as PEM: keytool -list -rfc -keystore {path} > trust.pem")
}
