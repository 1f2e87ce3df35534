//! A server's side: the certificate that it shows, and which certificates of clients it wants to see.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;

use super::{Identity, roots};

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClientCertificates {
    /// No connection without one
    Required,
    /// One that is shown must be right; none is fine too
    Optional,
}

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// What is shown to clients.
    pub identity: Identity,
    /// The authorities of the clients' certificates (PEM), if those are asked for.
    pub clients: Option<(PathBuf, ClientCertificates)>,
}

impl ServerFiles {
    /// Every file that it reads.
    pub fn paths(&self) -> Vec<PathBuf> {
        let own = [&self.identity.certificate, &self.identity.key].into_iter();
        own.chain(self.clients.iter().map(|(authorities, _)| authorities)).cloned().collect()
    }
}

/// The configuration of a server, read from its files.
///
/// # Errors
/// A file cannot be read or is of no use, or the key is not the certificate's.
pub fn server(files: &ServerFiles) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some((authorities, wanted)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(Some(authorities))?), provider);
            let verifier = match wanted {
                ClientCertificates::Required => verifier,
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let (chain, key) = files.identity.read()?;
    Ok(Arc::new(builder.with_single_cert(chain, key).with_context(|| files.identity.names())?))
}
