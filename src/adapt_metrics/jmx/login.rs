//! Name and password for a JMX server. The password is read when it is used, and shown to nobody else.

use crate::core::secret::{Secret, SecretFile};

/// Who we are to the server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub user: String,
    /// Where the password comes from.
    pub password: PasswordSource,
}

/// Where a password comes from.
#[derive(Debug, Clone)]
pub enum PasswordSource {
    /// Read again at each login, so that a rotated secret is picked up.
    File(SecretFile),
    /// As a jmx_exporter file may hold it.
    Literal(Secret),
}

impl Login {
    pub(crate) fn password(&self) -> anyhow::Result<Secret> {
        match &self.password {
            PasswordSource::Literal(password) => Ok(password.clone()),
            PasswordSource::File(file) => file.read(),
        }
    }
}
