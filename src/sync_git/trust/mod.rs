//! Trust: whether a commit, or the tag that led to it, was signed by somebody whom the operator trusts.
//!
//! In: the raw commit and tag objects, the operator's files of keys, the time. Out: who signed, or why it is not trusted.
//! Closed by default: no signature, a key that is not in the files, an expired or revoked key, a signature that does not fit,
//! a file that cannot be read: all of them mean no. The files are read again at each judgement, so that a key that is taken
//! out counts no more from then on. Nothing here asks the network, and no program runs.

mod allowed_signers;
mod openpgp;
mod signed;
mod ssh;

use std::path::{Path, PathBuf};

use git2::Oid;

use self::allowed_signers::AllowedSigners;
use self::openpgp::Keyring;
use self::signed::{Format, Signed};
use super::files::read_small;

/// A file of keys of this size holds tens of thousands.
const LARGEST_KEYS: u64 = 16 << 20;

/// Which object must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rule {
    /// Nothing is asked
    Off,
    /// The commit
    Commit,
    /// The annotated tag that --ref names
    Tag,
    /// The tag if it carries a signature, else the commit
    Either,
}

/// The operator's rule, and the keys that count.
pub(crate) struct Trust {
    rule: Rule,
    signers: Option<KeyFile<AllowedSigners>>,
    keyring: Option<KeyFile<Keyring>>,
}

/// The tag that led to a commit.
pub(crate) struct TagObject<'a> {
    pub oid: Oid,
    pub data: &'a [u8],
    /// The full name under which the remote lists it.
    pub name: Option<&'a str>,
}

/// Whose signature was found good, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer(pub String);

/// Why an object is not trusted. Trying again helps once the object or the keys are others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of the {what} {oid} is not trusted: {why}")]
pub(crate) struct Distrust {
    pub what: &'static str,
    pub oid: Oid,
    pub why: Why,
}

/// The reason, with what a person needs to act upon it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    #[error("it has none")]
    Unsigned,
    #[error("{0}")]
    UnknownKey(String),
    #[error("{0}")]
    Expired(String),
    #[error("{0}")]
    Revoked(String),
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("the tag calls itself {0:?}, but was found as {1}")]
    OtherName(String, String),
    #[error("the keys cannot be read: {0}")]
    Keys(String),
}

impl Why {
    /// Every label that [`Why::label`] gives.
    pub(crate) const LABELS: [&'static str; 8] = [
        "unsigned",
        "unknown_key",
        "expired",
        "revoked",
        "bad_signature",
        "unsupported",
        "other_name",
        "keys_unreadable",
    ];

    /// The reason as a metric's label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::UnknownKey(_) => "unknown_key",
            Self::Expired(_) => "expired",
            Self::Revoked(_) => "revoked",
            Self::Bad(_) => "bad_signature",
            Self::Unsupported(_) => "unsupported",
            Self::OtherName(..) => "other_name",
            Self::Keys(_) => "keys_unreadable",
        }
    }
}

impl Trust {
    pub(crate) fn new(rule: Rule, signers: Option<PathBuf>, keyring: Option<PathBuf>) -> Self {
        Self { rule, signers: signers.map(KeyFile::new), keyring: keyring.map(KeyFile::new) }
    }

    /// Whether nothing is asked.
    pub(crate) fn is_off(&self) -> bool {
        self.rule == Rule::Off
    }

    /// Whether the tag object takes part in the judgement, where there is one.
    pub(crate) fn wants_tag(&self) -> bool {
        matches!(self.rule, Rule::Tag | Rule::Either)
    }

    /// Judges what led to the tree of `commit`, whose raw object is `data`. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub(crate) fn judge(
        &mut self,
        commit: Oid,
        data: &[u8],
        tag: Option<&TagObject<'_>>,
        now: i64,
    ) -> Result<Signer, Distrust> {
        let tag = tag.filter(|_| self.wants_tag());
        if let Some(tag) = tag {
            let distrust = |why| Distrust { what: "tag", oid: tag.oid, why };
            match signed::tag(tag.data).map_err(distrust)? {
                Some(signed) => {
                    let signer = self.verify(&signed, now).map_err(distrust)?;
                    has_its_name(tag).map_err(distrust)?;
                    return Ok(signer);
                }
                None if self.rule == Rule::Tag => return Err(distrust(Why::Unsigned)),
                None => {}
            }
        }
        let distrust = |why| Distrust { what: "commit", oid: commit, why };
        if self.rule == Rule::Tag {
            let why = "--verify-signatures=tag needs a --ref that names an annotated tag, and this is none";
            return Err(distrust(Why::Bad(why.to_owned())));
        }
        let signed = signed::commit(data).map_err(distrust)?.ok_or_else(|| distrust(Why::Unsigned))?;
        self.verify(&signed, now).map_err(distrust)
    }

    fn verify(&mut self, signed: &Signed, now: i64) -> Result<Signer, Why> {
        let missing = |kind, flag| Why::UnknownKey(format!("it is an {kind} signature, and there is no {flag}"));
        match signed.format {
            Format::Ssh => {
                let file = self.signers.as_mut().ok_or_else(|| missing("SSH", "--allowed-signers-file"))?;
                ssh::verify(signed, file.read(AllowedSigners::parse)?)
            }
            Format::OpenPgp => {
                let file = self.keyring.as_mut().ok_or_else(|| missing("OpenPGP", "--openpgp-keyring-file"))?;
                openpgp::verify(signed, file.read(Keyring::parse)?, now)
            }
        }
    }
}

/// A signed tag that is served under another name is an old release under a new one's name.
fn has_its_name(tag: &TagObject<'_>) -> Result<(), Why> {
    let Some(found) = tag.name.and_then(|name| name.strip_prefix("refs/tags/")) else { return Ok(()) };
    let own = signed::tag_name(tag.data).unwrap_or_default();
    if own == found { Ok(()) } else { Err(Why::OtherName(own, found.to_owned())) }
}

/// A file of keys, parsed anew when its content is another.
struct KeyFile<T> {
    path: PathBuf,
    bytes: Vec<u8>,
    parsed: Option<T>,
}

impl<T> KeyFile<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, bytes: Vec::new(), parsed: None }
    }

    fn read(&mut self, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<&T, Why> {
        let shown = |path: &Path, why: &dyn std::fmt::Display| Why::Keys(format!("{}: {why}", path.display()));
        let bytes = match read_small(&self.path, LARGEST_KEYS) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(shown(&self.path, &"it is not there, or too large")),
            Err(error) => return Err(Why::Keys(error.to_string())),
        };
        if self.parsed.is_none() || bytes != self.bytes {
            self.parsed = None;
            self.parsed = Some(parse(&bytes).map_err(|why| shown(&self.path, &why))?);
            self.bytes = bytes;
        }
        self.parsed.as_ref().ok_or_else(|| shown(&self.path, &"it was not parsed"))
    }
}
