//! Who asks for a document: the `Authorization` header, from a file that is read when it is sent or from a text.

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::core::secret::{Secret, SecretFile};

/// A credential of one of the two usual kinds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Credentials {
    /// A user's name and password.
    Basic(String, Phrase),
    /// A scheme, mostly `Bearer`, and what follows it.
    Token(String, Phrase),
}

/// Where a secret is.
#[derive(Debug, Clone)]
pub(super) enum Phrase {
    /// In a file.
    File(SecretFile),
    /// It was written where the credential is configured.
    Written(Secret),
}

impl Credentials {
    /// The header's value, marked so that nobody logs it.
    ///
    /// # Errors
    /// The file cannot be read, or what it holds is no header's value.
    pub(super) fn header(&self) -> Result<HeaderValue> {
        let text = match self {
            Self::Basic(user, password) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.read()?.expose())))
            }
            Self::Token(scheme, token) => format!("{scheme} {}", token.read()?.expose()),
        };
        let mut value =
            HeaderValue::try_from(text).map_err(|_| anyhow!("the credential holds characters that no header can"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Phrase {
    fn read(&self) -> Result<Secret> {
        match self {
            Self::File(file) => file.read(),
            Self::Written(secret) => Ok(Secret::new(secret.expose())),
        }
    }
}

impl PartialEq for Phrase {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Written(one), Self::Written(two)) => one.expose() == two.expose(),
            _ => false,
        }
    }
}
