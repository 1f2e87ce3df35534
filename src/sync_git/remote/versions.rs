//! The newest release among tags: `--ref 'semver:^1.2'`.
//!
//! In: a requirement in Cargo's grammar (`^1.2`, `~1.2.3`, `>=1, <3`, `1.*`, `*`), the names of tags. Out: the tag of the
//! highest version that meets it. A tag is a version with or without a leading `v`; missing numbers are zero (`v2` is
//! 2.0.0); anything else is no version and is passed over. A pre-release counts only where the requirement names one. It
//! does no I/O.

use semver::{Version, VersionReq};

use super::refs::Ref;

/// Which versions are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    text: String,
    wanted: VersionReq,
}

/// Where tags are.
pub(super) const TAGS: &str = "refs/tags/";

impl Versions {
    /// Reads a requirement.
    ///
    /// # Errors
    /// The reason for which it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match VersionReq::parse(text) {
            Ok(wanted) => Ok(Self { text: text.to_owned(), wanted }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The requirement as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The tag of the highest version that is wanted. Of two names for one version the one with a `v` wins.
    pub(super) fn newest<'a>(&self, refs: &'a [Ref]) -> Option<&'a Ref> {
        let versions = refs.iter().filter_map(|r| Some((version(r.name.strip_prefix(TAGS)?)?, r)));
        let wanted = versions.filter(|(version, _)| self.wanted.matches(version));
        wanted.max_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name))).map(|(_, r)| r)
    }
}

fn version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    // Where the numbers end and a pre-release or build begins.
    let numbers = text.find(['-', '+']).unwrap_or(text.len());
    let missing = match text[..numbers].matches('.').count() {
        0 => ".0.0",
        1 => ".0",
        _ => "",
    };
    Version::parse(&format!("{}{missing}{}", &text[..numbers], &text[numbers..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(wanted: &str, tags: &[&str]) -> Option<String> {
        let refs: Vec<Ref> = tags
            .iter()
            .map(|tag| Ref {
                name: format!("{TAGS}{tag}"),
                oid: git2::Oid::from_bytes(&[1; 20]).unwrap(),
                peeled: None,
                symref_target: None,
            })
            .collect();
        Some(Versions::parse(wanted).unwrap().newest(&refs)?.name.strip_prefix(TAGS)?.to_owned())
    }

    #[test]
    fn the_highest_version_that_is_wanted_wins_and_not_the_longest_name() {
        let tags = ["v1.9.0", "v1.10.0", "v1.2.10", "v2.0.0", "1.10.1-rc.1", "latest", "v1.x", "nightly-2026", "v3"];
        assert_eq!(newest("^1.2", &tags).unwrap(), "v1.10.0");
        assert_eq!(newest("~1.2", &tags).unwrap(), "v1.2.10");
        assert_eq!(newest("*", &tags).unwrap(), "v3");
        assert_eq!(newest(">=1, <2", &tags).unwrap(), "v1.10.0");
        assert_eq!(newest("=2.0.0", &tags).unwrap(), "v2.0.0");
        assert_eq!(newest("^4", &tags), None);
    }

    #[test]
    fn a_pre_release_counts_only_where_it_is_named() {
        let tags = ["v1.0.0", "v1.1.0-rc.1", "v1.1.0-rc.2"];
        assert_eq!(newest("^1", &tags).unwrap(), "v1.0.0");
        assert_eq!(newest(">=1.1.0-rc.0", &tags).unwrap(), "v1.1.0-rc.2");
        assert_eq!(newest("^1", &["1.0.0", "v1.0.0"]).unwrap(), "v1.0.0");
    }
}
