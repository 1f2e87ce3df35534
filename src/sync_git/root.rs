//! The places inside the volume, one name each.
//!
//! In: `--root` as the user wrote it. Out: the absolute, link-free directory and the paths below it that this program owns:
//! `.git` (the store), `.worktrees/<hash>` (the trees). Everything else in the root belongs to somebody else.

use std::path::{Component, Path, PathBuf};

use git2::Oid;

use super::files::{At, FileError, make_dirs, names_in, remove, unique_name};

/// The directory that `--root` names.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    path: PathBuf,
}

impl Root {
    /// Makes the directory if need be, resolves links in its path, and proves that it can be written.
    ///
    /// # Errors
    /// The volume's: the path is a file, may not be made or may not be written.
    pub(crate) fn prepare(path: &Path) -> Result<Self, FileError> {
        let path = normal(&std::path::absolute(path).at("find", path)?);
        make_dirs(&path)?;
        let path = std::fs::canonicalize(&path).at("resolve", &path)?;
        let probe = path.join(unique_name());
        std::fs::create_dir(&probe).at("write in", &path)?;
        std::fs::remove_dir(&probe).at("write in", &path)?;
        Ok(Self { path })
    }

    /// Removes everything from the root but the store, the trees, and what leads to the places in `ours`. Answers with what
    /// would not go (`lost+found`).
    ///
    /// # Errors
    /// When the root cannot be listed.
    pub(crate) fn wipe(&self, ours: &[PathBuf]) -> Result<Vec<FileError>, FileError> {
        let first =
            |path: &Path| path.strip_prefix(&self.path).ok()?.components().next().map(|c| c.as_os_str().to_owned());
        let mut kept: Vec<_> = ours.iter().filter_map(|path| first(path)).collect();
        kept.extend([".git".into(), ".worktrees".into()]);
        let names = names_in(&self.path)?.into_iter().filter(|name| !kept.contains(name));
        Ok(names.filter_map(|name| remove(&self.path.join(name)).err()).collect())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The git directory: objects, and what makes each tree a git worktree.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(".git")
    }

    pub(crate) fn trees(&self) -> PathBuf {
        self.path.join(".worktrees")
    }

    /// Where the tree of `commit` stands when it is whole.
    pub(crate) fn tree(&self, commit: Oid) -> PathBuf {
        self.trees().join(commit.to_string())
    }

    /// A path that a flag gives: absolute, or relative to the root.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        normal(&self.path.join(path))
    }
}

/// `path` without `.` and `..`, resolved by name alone, as a shell's `cd` shows it.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The path that leads from the directory `from` to `to`; both absolute and link-free.
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_by_name() {
        assert_eq!(normal(Path::new("/a/../../b/./c//d")), Path::new("/b/c/d"));
    }

    #[test]
    fn relative_paths_climb_to_what_is_shared() {
        let lead = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(lead("/root", "/root/.worktrees/x"), ".worktrees/x");
        assert_eq!(lead("/root/a/b", "/root/.worktrees/x"), "../../.worktrees/x");
        assert_eq!(lead("/other/dir", "/root/.worktrees/x"), "../../root/.worktrees/x");
    }

    #[test]
    fn a_root_reached_through_a_link_is_the_real_directory() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        let root = Root::prepare(&dir.path().join("link/../link/sub")).unwrap();
        assert_eq!(root.path(), real.join("sub"));
        assert_eq!(root.resolve(Path::new("x/../y")), real.join("sub/y"));
    }
}
