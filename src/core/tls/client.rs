//! A client's side: whom it trusts, and what it shows of itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ClientConfig;
use rustls::crypto::ring;

use super::{Identity, Verifier, certificates, roots};

/// How much of a server's certificate is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Verify {
    /// It leads to a trusted authority, and carries the server's name
    #[default]
    Full,
    /// It leads to a trusted authority, whatever name it carries
    Authority,
    /// Nothing: whoever answers is believed. For tests
    None,
}

/// The files of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Authorities to trust (PEM); the machine's where there is none.
    pub authorities: Option<PathBuf>,
    /// What is shown to a server that asks for a certificate.
    pub identity: Option<Identity>,
    /// How much is checked.
    pub verify: Verify,
}

impl ClientFiles {
    /// Every file that it reads.
    pub fn paths(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|identity| [&identity.certificate, &identity.key]);
        self.authorities.iter().chain(identity).cloned().collect()
    }
}

/// The configuration of a client that trusts the authorities in `authorities` (PEM), or else the machine's.
///
/// # Errors
/// The file cannot be read or holds no certificate; the machine has no authorities (an image without a CA bundle).
pub fn client(authorities: Option<&Path>) -> Result<Arc<ClientConfig>> {
    client_from(&ClientFiles { authorities: authorities.map(Path::to_owned), ..ClientFiles::default() })
}

/// The configuration of a client, read from its files.
///
/// # Errors
/// A file cannot be read or is of no use; the machine has no authorities where none are given.
pub fn client_from(files: &ClientFiles) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let authorities = files.authorities.as_deref();
    let builder = match files.verify {
        Verify::Full => builder.with_root_certificates(roots(authorities)?),
        Verify::Authority => {
            let pinned = authorities.map(certificates).transpose()?.unwrap_or_default();
            let verifier = Verifier::by_authority(roots(authorities)?, pinned, provider)?;
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
        Verify::None => builder.dangerous().with_custom_certificate_verifier(Verifier::anyone(provider)),
    };
    Ok(Arc::new(match &files.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.read()?;
            builder.with_client_auth_cert(chain, key).with_context(|| identity.names())?
        }
    }))
}
