//! Retire: trees that are no longer published go away when their grace is over.
//!
//! In: the directory of trees, which is all ours, the commits that must stay, and the grace of `--stale-worktree-timeout`.
//! Out: fewer directories. A tree is first renamed and then removed, so that no half-removed tree carries a commit's name.
//! What will not go (a busy file on NFS) is reported and tried again at the next pass; it never fails a sync.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::{At, FileError, names_in, remove, unique_name};
use super::publish::commit_of;
use super::root::Root;
use super::spare;
use super::submodules::DEEPEST as DEEPEST_SUBMODULE;
use super::worktree::Worktree;

/// What a pass of retirement did.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    /// How many trees (or strange things in their place) went away.
    pub removed: usize,
    /// What would not go.
    pub refused: Vec<FileError>,
}

/// Which replaced trees stay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stay {
    /// Those that were replaced less long ago than this.
    pub grace: Duration,
    /// At least so many, the newest.
    pub least: usize,
}

/// Starts the grace of a tree that has just been replaced. Its age is kept in its own time stamp, so that it outlives us.
///
/// # Errors
/// When the tree is there and its time cannot be set.
pub(crate) fn begin_grace(tree: &Path) -> Result<(), FileError> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    rustix::fs::utimensat(rustix::fs::CWD, tree, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .at("mark as replaced", tree)
}

/// Removes everything among the trees that is not `current` (a path that ends in the published commit) and need not stay, and metadata without a tree. The newest tree
/// of which `heir` knows a worktree becomes the spare.
///
/// # Errors
/// When the directory of trees cannot be listed.
pub(crate) fn retire(
    root: &Root,
    current: &Path,
    stay: Stay,
    heir: impl Fn(&Path) -> Option<Worktree>,
) -> Result<Retired, FileError> {
    let mut retired = Retired::default();
    let now = SystemTime::now();
    let paths = names_in(&root.trees())?.into_iter().map(|name| root.trees().join(name));
    let mut replaced: Vec<PathBuf> = paths.filter(|path| path != current).collect();
    let age = |path: &PathBuf| std::fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok();
    replaced.sort_by_key(|path| std::cmp::Reverse(age(path)));
    if stay.least > 0 {
        let mut kept = 0;
        replaced.retain(|path| {
            let is_kept = kept < stay.least && commit_of(path).is_some() && path.is_dir();
            kept += usize::from(is_kept);
            !is_kept
        });
    }
    let mut is_spared = false;
    for path in replaced.iter().filter(|path| is_older_than(path, stay.grace, now)) {
        if !is_spared && let Some(worktree) = heir(path) {
            // A tree that cannot be the spare goes like the others.
            is_spared = spare::keep(&root.store(), &worktree).is_ok();
        }
        if is_spared && std::fs::symlink_metadata(path).is_err() {
            retired.removed += 1;
            continue;
        }
        match discard(path) {
            Ok(()) => retired.removed += 1,
            Err(error) => retired.refused.push(error),
        }
    }
    let current = commit_of(current).map(|commit| commit.to_string());
    forget(root, &root.store(), current.as_deref(), 0, &mut retired)?;
    Ok(retired)
}

/// Removes metadata of worktrees without a tree, in this store and in those of its submodules. The current one may stand
/// elsewhere than among the trees.
fn forget(
    root: &Root,
    store: &Path,
    current: Option<&str>,
    level: usize,
    retired: &mut Retired,
) -> Result<(), FileError> {
    let metadata = store.join("worktrees");
    for name in names_in(&metadata)? {
        let is_current = name.to_str().is_some_and(|name| Some(name) == current);
        if !is_current && std::fs::symlink_metadata(root.trees().join(&name)).is_err() {
            retired.refused.extend(discard_to(store, &metadata.join(&name)).err());
        }
    }
    if level < DEEPEST_SUBMODULE {
        for name in names_in(&store.join("modules"))? {
            forget(root, &store.join("modules").join(name), current, level + 1, retired)?;
        }
    }
    Ok(())
}

/// Removes a tree of ours from whatever place it has.
///
/// # Errors
/// When it cannot be renamed or removed.
pub(crate) fn discard(path: &Path) -> Result<(), FileError> {
    discard_to(path.parent().unwrap_or(Path::new("/")), path)
}

/// The same, where a half-removed directory must not be met beside the others: it is taken apart in `dir`. Git calls a
/// repository broken for a worktree that lacks some of its files.
fn discard_to(dir: &Path, path: &Path) -> Result<(), FileError> {
    let aside: PathBuf = dir.join(unique_name());
    std::fs::rename(path, &aside).at("set aside", path)?;
    remove(&aside)
}

fn is_older_than(path: &Path, grace: Duration, now: SystemTime) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|meta| meta.modified());
    // A time in the future (a clock that jumped) counts as new; something without a time as old.
    modified.map_or(true, |modified| grace.is_zero() || now.duration_since(modified).is_ok_and(|age| age > grace))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Stay = Stay { grace: Duration::from_secs(60), least: 0 };

    #[test]
    fn the_newest_replaced_trees_stay_whatever_their_age() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::prepare(dir.path()).unwrap();
        for (age, digit) in ["a", "b", "c"].iter().enumerate() {
            let tree = root.trees().join(digit.repeat(40));
            std::fs::create_dir_all(&tree).unwrap();
            let when = SystemTime::now() - Duration::from_secs(1000 * (age as u64 + 1));
            std::fs::File::open(&tree).unwrap().set_modified(when).unwrap();
        }
        std::fs::create_dir(root.trees().join("strange")).unwrap();
        let current = root.trees().join("c".repeat(40));
        let retired = retire(&root, &current, Stay { grace: Duration::ZERO, least: 1 }, |_| None).unwrap();
        assert_eq!(retired.removed, 2);
        let mut left = names_in(&root.trees()).unwrap();
        left.sort();
        assert_eq!(left, ["a".repeat(40), "c".repeat(40)].map(std::ffi::OsString::from));
    }

    #[test]
    fn all_but_the_current_tree_goes_when_the_grace_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::prepare(dir.path()).unwrap();
        for name in ["current", "old", "strange/sub"] {
            std::fs::create_dir_all(root.trees().join(name)).unwrap();
        }
        std::fs::write(root.trees().join("file"), "x").unwrap();
        std::fs::create_dir_all(root.store().join("worktrees/old")).unwrap();
        let current = root.trees().join("current");
        assert_eq!(retire(&root, &current, MINUTE, |_| None).unwrap().removed, 0);
        let retired = retire(&root, &current, Stay::default(), |_| None).unwrap();
        assert_eq!((retired.removed, retired.refused.len()), (3, 0));
        assert_eq!(names_in(&root.trees()).unwrap(), ["current"]);
        assert!(names_in(&root.store().join("worktrees")).unwrap().is_empty());
    }

    #[test]
    fn the_grace_counts_from_the_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::prepare(dir.path()).unwrap();
        let old = root.trees().join("old");
        std::fs::create_dir_all(&old).unwrap();
        std::fs::File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        begin_grace(&old).unwrap();
        assert_eq!(retire(&root, Path::new("/none"), MINUTE, |_| None).unwrap().removed, 0);
        std::fs::File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(retire(&root, Path::new("/none"), MINUTE, |_| None).unwrap().removed, 1);
    }
}
