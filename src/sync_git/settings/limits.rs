//! Settings of safety: what a repository may cost, and what its links may point at.

use clap::{Args, ValueEnum};

use super::super::attributes::LineEnds;
use super::super::pack;
use crate::core::values::ByteSize;

/// What a repository may do to the volume and to its consumers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitSettings {
    /// What symbolic links in the repository may point at
    #[arg(long, value_name = "POLICY", default_value = "keep")]
    pub symlinks: Symlinks,

    /// The largest pack to receive
    #[arg(long, value_name = "SIZE", default_value = "8GiB")]
    pub max_pack_bytes: ByteSize,

    /// The most objects in one pack
    #[arg(long, value_name = "COUNT", default_value = "20000000", value_parser = super::numbers::unsigned)]
    pub max_objects: u32,

    /// The largest single object, unpacked
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub max_object_bytes: ByteSize,

    /// The largest tree: all its files together, unpacked
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub max_tree_bytes: ByteSize,

    /// The most directories on a path
    #[arg(long, value_name = "COUNT", default_value = "128", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub max_path_depth: u16,
}

/// What symbolic links may point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Symlinks {
    /// Anything, as git has it; a link may lead a consumer to its own files
    Keep,
    /// Only what lies in the tree; a commit with another link is refused
    InsideOnly,
    /// Nothing; a commit with a link is refused
    Reject,
}

impl LimitSettings {
    /// The part that the reader of packs enforces.
    pub(crate) fn of_packs(&self) -> pack::Limits {
        pack::Limits {
            pack_bytes: self.max_pack_bytes.0,
            objects: self.max_objects,
            object_bytes: self.max_object_bytes.0,
            ..pack::Limits::default()
        }
    }

    /// The part that the writer of trees enforces.
    pub(crate) fn of_trees(&self) -> TreeLimits {
        let depth = usize::from(self.max_path_depth);
        TreeLimits { symlinks: self.symlinks, bytes: self.max_tree_bytes.0, depth, ..TreeLimits::default() }
    }
}

/// What a tree may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeLimits {
    pub symlinks: Symlinks,
    pub bytes: u64,
    pub depth: usize,
    /// How text ends its lines, which is no limit, but goes wherever a tree is written.
    pub line_ends: LineEnds,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { symlinks: Symlinks::Keep, bytes: 64 << 30, depth: 128, line_ends: LineEnds::default() }
    }
}

impl Symlinks {
    /// Why a link at `path` (from the top of the tree) may not point at `target`.
    pub(crate) fn objection(self, path: &[u8], target: &[u8]) -> Option<&'static str> {
        match self {
            Self::Keep => None,
            Self::Reject => Some("it is a symbolic link, and --symlinks=reject"),
            Self::InsideOnly if stays_inside(path, target) => None,
            Self::InsideOnly => Some("it is a symbolic link that may lead out of the tree, and --symlinks=inside-only"),
        }
    }
}

/// Whether following the link cannot leave the tree. `..` counts only at the beginning of a target: the link's own directory
/// is a real one, but behind any other name there may be a further link.
fn stays_inside(path: &[u8], target: &[u8]) -> bool {
    let depth = path.iter().filter(|byte| **byte == b'/').count();
    let mut up = 0;
    let mut first_below = None;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if first_below.is_none() => up += 1,
            b".." => return false,
            name => {
                first_below.get_or_insert(name);
            }
        }
    }
    let is_git = up == depth && first_below.is_some_and(|name| name.eq_ignore_ascii_case(b".git"));
    !target.starts_with(b"/") && up <= depth && !is_git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_leave_the_tree_are_told_from_those_that_stay() {
        let inside = |path: &str, target: &str| stays_inside(path.as_bytes(), target.as_bytes());
        for (path, target) in
            [("l", "file"), ("l", "./d/x"), ("d/l", "../x"), ("d/e/l", "../../a/b"), ("l", "."), ("d/l", "..")]
        {
            assert!(inside(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("l", "/etc/passwd"),
            ("l", ".."),
            ("l", "../x"),
            ("d/l", "../../x"),
            ("l", "d/../../x"),
            ("l", "d/.."),
            ("l", ".git/config"),
            ("d/l", "../.GIT"),
        ] {
            assert!(!inside(path, target), "{path} -> {target}");
        }
    }
}
