//! References of a remote repository, and which of them a `--ref` means.
//!
//! In: the text of `--ref`; the references that a server listed. Out: the prefixes to ask for (so that a poll costs the same with
//! six references as with seventeen thousand), then the one tip. Refused: names that git would not accept, revision expressions.

use git2::Oid;

use super::error::RemoteError;
use super::versions::{TAGS, Versions};

/// One reference of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// In full: `refs/heads/main`, `HEAD`.
    pub name: String,
    /// What it points at; for an annotated tag the tag object.
    pub oid: Oid,
    /// What an annotated tag finally points at.
    pub peeled: Option<Oid>,
    /// The reference that this one is a name for (`HEAD`).
    pub symref_target: Option<String>,
}

/// The references that a server listed for some prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    /// In the server's order.
    pub refs: Vec<Ref>,
    /// `HEAD` names this branch, which does not exist yet.
    pub unborn_head: Option<String>,
}

impl Refs {
    /// The reference of that full name.
    pub fn find(&self, name: &str) -> Option<&Ref> {
        self.refs.iter().find(|r| r.name == name)
    }
}

/// What a `--ref` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A full object name: nothing to look up.
    Oid(Oid),
    /// `HEAD`, a branch, a tag, or a full or partial reference name.
    Name(String),
    /// The tag of the highest version that is wanted (`semver:^1.2`).
    Newest(Versions),
}

/// What a [`Selector`] resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The full name of the reference, unless an object was named.
    pub name: Option<String>,
    /// What to want from the server: the reference's own value, which may be an annotated tag.
    pub oid: Oid,
    /// `oid` peeled by the server. `None`: it is not a tag, or nobody knows before the object is here.
    pub peeled: Option<Oid>,
}

impl Tip {
    /// The commit as far as it is known before fetching.
    pub fn target(&self) -> Oid {
        self.peeled.unwrap_or(self.oid)
    }
}

/// git-rev-parse(1)'s order: where a short name is looked for, first match wins.
const RULES: [(&str, &str); 6] = [
    ("", ""),
    ("refs/", ""),
    ("refs/tags/", ""),
    ("refs/heads/", ""),
    ("refs/remotes/", ""),
    ("refs/remotes/", "/HEAD"),
];

impl Selector {
    /// Reads a `--ref`.
    ///
    /// # Errors
    /// [`RemoteError::UnknownRef`] when no reference can have that name.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let unknown = |why| RemoteError::UnknownRef { name: super::pktline::printable(text.as_bytes()), why };
        if let Some(oid) = parse_oid(text.as_bytes()) {
            return Ok(Self::Oid(oid));
        }
        // No reference can hold a colon, so that this means no reference that exists.
        if let Some(wanted) = text.strip_prefix("semver:") {
            return Versions::parse(wanted).map(Self::Newest).map_err(|_| {
                unknown(
                    ": after semver: stands no range of versions; write semver:^1.2, semver:~1.2.3 or semver:>=1, <3",
                )
            });
        }
        // `git fetch` takes `@` for HEAD.
        let name = if text == "@" { "HEAD" } else { text };
        if name.is_empty() {
            return Err(unknown(": the reference is empty"));
        }
        if name.starts_with('-') {
            return Err(unknown(": a reference cannot start with '-'"));
        }
        if name.contains("@{") || name.contains("..") || name.contains(['~', '^', ':', '?', '*', '[', '\\', ' ']) {
            return Err(unknown(
                ": revision expressions are not references; give a branch, a tag or a full object name",
            ));
        }
        let is_component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        if name.chars().any(char::is_control) || name.ends_with('.') || !name.split('/').all(is_component) {
            return Err(unknown(": not a valid reference name"));
        }
        Ok(Self::Name(name.to_owned()))
    }

    /// The names under which the reference may exist, best first, or the prefix of all that may be it. Empty for an object
    /// name: there is nothing to list.
    pub fn candidates(&self) -> Vec<String> {
        match self {
            Self::Oid(_) => Vec::new(),
            Self::Newest(_) => vec![TAGS.to_owned()],
            Self::Name(name) => RULES.iter().map(|(before, after)| format!("{before}{name}{after}")).collect(),
        }
    }

    /// Picks the tip out of what the server listed for [`candidates`](Self::candidates).
    ///
    /// # Errors
    /// [`RemoteError::UnknownRef`] when none of them is there.
    pub fn pick(&self, refs: &Refs) -> Result<Tip, RemoteError> {
        let name = match self {
            Self::Oid(oid) => {
                return Ok(Tip { name: None, oid: *oid, peeled: None });
            }
            Self::Newest(versions) => {
                let found = versions.newest(&refs.refs).ok_or_else(|| RemoteError::UnknownRef {
                    name: format!("semver:{}", versions.text()),
                    why: ": no tag is a version that is wanted",
                })?;
                return Ok(Tip { name: Some(found.name.clone()), oid: found.oid, peeled: found.peeled });
            }
            Self::Name(name) => name,
        };
        let found = self.candidates().iter().find_map(|candidate| refs.find(candidate));
        if let Some(found) = found {
            return Ok(Tip { name: Some(found.name.clone()), oid: found.oid, peeled: found.peeled });
        }
        let why = match &refs.unborn_head {
            Some(_) if name == "HEAD" => ": the repository has no commit yet",
            _ => "",
        };
        Err(RemoteError::UnknownRef { name: name.clone(), why })
    }
}

/// A full object name: 40 hex digits, of either case.
pub fn parse_oid(text: &[u8]) -> Option<Oid> {
    if text.len() != 40 || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    Oid::from_str(std::str::from_utf8(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(names: &[&str]) -> Refs {
        let oid = |at: usize| Oid::from_bytes(&[at as u8 + 1; 20]).unwrap();
        let one = |(at, name): (usize, &&str)| Ref {
            name: (*name).to_owned(),
            oid: oid(at),
            peeled: None,
            symref_target: None,
        };
        Refs { refs: names.iter().enumerate().map(one).collect(), unborn_head: None }
    }

    fn picked(text: &str, names: &[&str]) -> Option<String> {
        Selector::parse(text).ok()?.pick(&refs(names)).ok()?.name
    }

    #[test]
    fn names_resolve_in_the_order_of_rev_parse() {
        let all = ["refs/heads/v1", "refs/tags/v1", "HEAD", "refs/heads/heads/v1"];
        assert_eq!(picked("v1", &all).unwrap(), "refs/tags/v1");
        assert_eq!(picked("heads/v1", &all).unwrap(), "refs/heads/v1");
        assert_eq!(picked("tags/v1", &all).unwrap(), "refs/tags/v1");
        assert_eq!(picked("refs/heads/v1", &all).unwrap(), "refs/heads/v1");
        assert_eq!(picked("HEAD", &all).unwrap(), "HEAD");
        assert_eq!(picked("@", &all).unwrap(), "HEAD");
        assert_eq!(picked("origin", &["refs/remotes/origin/HEAD"]).unwrap(), "refs/remotes/origin/HEAD");
    }

    #[test]
    fn a_prefix_is_not_a_match() {
        assert_eq!(picked("v1", &["refs/heads/v1-fix", "refs/heads/v12"]), None);
    }

    #[test]
    fn an_unknown_reference_is_named_the_way_git_names_it() {
        let error = Selector::parse("nope").unwrap().pick(&refs(&[])).unwrap_err();
        assert_eq!(error.to_string(), "couldn't find remote ref nope");
        for bad in ["", "--upload-pack=id", "v1~1", "v1^{tree}", "a..b", "a b", "a/.b", "a//b", "a.lock", "x\u{1b}"] {
            assert!(Selector::parse(bad).unwrap_err().to_string().starts_with("couldn't find remote ref"), "{bad}");
        }
    }

    #[test]
    fn only_a_full_object_name_is_one() {
        let full = "0123456789abcdef0123456789ABCDEF01234567";
        assert!(matches!(Selector::parse(full), Ok(Selector::Oid(_))));
        assert!(matches!(Selector::parse(&full[..39]), Ok(Selector::Name(_))));
        assert!(Selector::parse(full).unwrap().candidates().is_empty());
    }
}
