//! Settings of trust: whose signature a commit needs before its tree is written.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::super::trust::{Rule, Trust};
use crate::core::fault::Fault;

/// Which signatures are asked for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Signatures")]
pub(crate) struct TrustSettings {
    /// What must carry a good signature of a key in the files below; without one nothing is published, and what is published
    /// stays
    #[arg(long, value_name = "WHAT", default_value = "off")]
    pub verify_signatures: Rule,

    /// The keys of SSH signatures: allowed signers as in ssh-keygen(1), read again at each sync. A line's times are compared
    /// with the time that the commit or tag states, as git does; take a key that is lost out of the file
    #[arg(long, value_name = "FILE")]
    pub allowed_signers_file: Option<PathBuf>,

    /// The keys of OpenPGP signatures: public keys as `gpg --export` writes them, armoured or not, read again at each sync. A
    /// key that has expired or is revoked does not count, whenever the signature was made
    #[arg(long, value_name = "FILE")]
    pub openpgp_keyring_file: Option<PathBuf>,
}

impl TrustSettings {
    /// Refuses what would verify nothing, or could never succeed.
    ///
    /// # Errors
    /// A usage fault.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let has_keys = self.allowed_signers_file.is_some() || self.openpgp_keyring_file.is_some();
        match (self.verify_signatures, has_keys) {
            (Rule::Off, true) => Err(Fault::usage(anyhow!(
                "--allowed-signers-file and --openpgp-keyring-file have no effect without --verify-signatures"
            ))),
            (Rule::Commit | Rule::Tag | Rule::Either, false) => {
                Err(Fault::usage(anyhow!("--verify-signatures needs --allowed-signers-file or --openpgp-keyring-file")))
            }
            _ => Ok(()),
        }
    }

    /// The judge.
    pub(crate) fn trust(self) -> Trust {
        Trust::new(self.verify_signatures, self.allowed_signers_file, self.openpgp_keyring_file)
    }
}
