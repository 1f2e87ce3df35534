//! The store: the git directory that holds the objects, without any lock file.
//!
//! In: `<root>/.git`, made by us, by git-sync, or left in any state by a killed run. Out: an object database for reading, the
//! tip, the shallow boundary, commits peeled and parsed. Objects come in through `pack`; nothing here speaks to a network.
//! The object database is opened by itself, never as a libgit2 repository: no configuration is read, neither the user's nor
//! what stands in `.git/config`, and nothing is discovered upwards. Refs, the shallow file and the configuration are written
//! whole and renamed, so that no leftover `*.lock` can stop us. Refused: objects of the wrong kind, commits without a tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Odb, OdbLookupFlags, Oid};

use super::files::{
    FileError, make_dirs, names_in, read_small, remove, replace, sweep_unfinished, unique_name, write_whole,
};
use super::pack;
use super::submodules::DEEPEST as DEEPEST_SUBMODULE;

/// The branch that always names the last synced commit, as with git-sync.
const TIP: &str = "refs/heads/git-sync";
/// Tags of tags of tags: more than this is a loop made by hand.
const DEEPEST_TAG: usize = 16;
/// A shallow file of this size lists half a million boundary commits.
const LARGEST_SMALL_FILE: u64 = 24 << 20;

/// The object database and the few files that make it a git directory.
pub(crate) struct Store {
    dir: PathBuf,
    /// Where objects are read and written: `objects`, or what will take its place.
    objects: PathBuf,
    odb: Odb<'static>,
}

/// Why the store could not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    File(#[from] FileError),
    /// Missing or damaged: fetching it again helps.
    #[error("the object {0} cannot be read: {1}")]
    Object(Oid, String),
    /// The repository's fault.
    #[error("the object {0} is a {1}, not a commit")]
    NotACommit(Oid, String),
    #[error("cannot open the object database {}: {reason}", path.display())]
    Database { path: PathBuf, reason: String },
}

/// The part of a commit that a sync needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub tree: Oid,
    pub parents: Vec<Oid>,
    /// Seconds since 1970, the committer's clock.
    pub time: i64,
}

impl Store {
    /// Opens the git directory, making or mending what is not as it must be. `origin` is the remote's URL without secrets.
    ///
    /// # Errors
    /// When the volume refuses.
    pub(crate) fn open(dir: &Path, origin: &str) -> Result<Self, StoreError> {
        super::remote::isolate_libgit2()
            .map_err(|error| StoreError::Database { path: dir.to_owned(), reason: error.to_string() })?;
        if std::fs::symlink_metadata(dir).is_ok_and(|meta| !meta.is_dir()) {
            // A `.git` file or link: a worktree of somebody else's repository. Ours has its own.
            remove(dir)?;
        }
        for sub in ["objects/pack", "objects/info", "refs/heads", "refs/tags", "info", "worktrees"] {
            let path = dir.join(sub);
            if make_dirs(&path).is_err() {
                remove_files_on(&path, dir)?;
                make_dirs(&path)?;
            }
        }
        for lock in
            ["HEAD.lock", "index.lock", "shallow.lock", "config.lock", "packed-refs.lock", "refs/heads/git-sync.lock"]
        {
            remove(&dir.join(lock))?;
        }
        // Ours never has one; objects must not silently come from elsewhere.
        remove(&dir.join("objects/info/alternates"))?;
        sweep(dir, 0)?;
        keep(&dir.join("HEAD"), format!("ref: {TIP}\n").as_bytes())?;
        keep(&dir.join("config"), config(origin).as_bytes())?;
        let objects = dir.join("objects");
        let odb = open_odb(&objects)?;
        Ok(Self { dir: dir.to_owned(), objects, odb })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where new packs go.
    pub(crate) fn objects(&self) -> &Path {
        &self.objects
    }

    pub(crate) fn odb(&self) -> &Odb<'static> {
        &self.odb
    }

    /// Sees the packs that were written since the store was opened.
    ///
    /// # Errors
    /// When the pack directory cannot be read.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        self.odb.refresh().map_err(|error| self.database(&error))
    }

    /// The last commit that was synced and proved whole.
    ///
    /// # Errors
    /// When the ref exists and cannot be read. One that holds no hash counts as absent.
    pub(crate) fn tip(&self) -> Result<Option<Oid>, StoreError> {
        let text = read_small(&self.dir.join(TIP), 100)?.unwrap_or_default();
        Ok(std::str::from_utf8(&text).ok().map(str::trim).and_then(full_oid))
    }

    /// # Errors
    /// The volume's.
    pub(crate) fn set_tip(&self, commit: Oid) -> Result<(), StoreError> {
        Ok(write_whole(&self.dir.join(TIP), format!("{commit}\n").as_bytes())?)
    }

    /// Forgets the tip: the next fetch offers nothing, and so gets everything.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn forget_tip(&self) -> Result<(), StoreError> {
        Ok(remove(&self.dir.join(TIP))?)
    }

    /// The commits whose parents are deliberately not here.
    ///
    /// # Errors
    /// When the file exists and cannot be read. Lines that hold no hash are dropped.
    pub(crate) fn shallow(&self) -> Result<BTreeSet<Oid>, StoreError> {
        let text = read_small(&self.dir.join("shallow"), LARGEST_SMALL_FILE)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(full_oid).collect())
    }

    /// # Errors
    /// The volume's.
    pub(crate) fn set_shallow(&self, boundary: &BTreeSet<Oid>) -> Result<(), StoreError> {
        let path = self.dir.join("shallow");
        if boundary.is_empty() {
            return Ok(remove(&path)?);
        }
        let text: String = boundary.iter().map(|commit| format!("{commit}\n")).collect();
        keep(&path, text.as_bytes())
    }

    /// Follows tags to the commit that `oid` stands for.
    ///
    /// # Errors
    /// When an object is missing or damaged, or is neither tag nor commit.
    pub(crate) fn peel(&self, oid: Oid) -> Result<Oid, StoreError> {
        let mut at = oid;
        for _ in 0..DEEPEST_TAG {
            let object = self.read(at)?;
            match object.kind() {
                ObjectType::Commit => return Ok(at),
                ObjectType::Tag => {
                    let object = header(object.data(), "object").next().and_then(full_oid);
                    at = object.ok_or_else(|| StoreError::Object(at, "it is a tag of nothing".into()))?;
                }
                other => return Err(StoreError::NotACommit(at, other.to_string())),
            }
        }
        Err(StoreError::NotACommit(oid, "tag of tags without end".into()))
    }

    /// # Errors
    /// When the commit is missing or damaged.
    pub(crate) fn commit(&self, oid: Oid) -> Result<Commit, StoreError> {
        let object = self.read(oid)?;
        if object.kind() != ObjectType::Commit {
            return Err(StoreError::NotACommit(oid, object.kind().to_string()));
        }
        let data = object.data();
        let tree = header(data, "tree").next().and_then(full_oid);
        let tree = tree.ok_or_else(|| StoreError::Object(oid, "it is a commit without a tree".into()))?;
        let parents = header(data, "parent").filter_map(full_oid).collect();
        let time = header(data, "committer").next().and_then(committer_time).unwrap_or_default();
        Ok(Commit { tree, parents, time })
    }

    /// Begins anew with no object, because some are damaged or lost, so that the next fetch brings everything. Until then
    /// whatever is left stays where git finds it: the published tree is still a worktree.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn start_over(&mut self) -> Result<(), StoreError> {
        self.forget_tip()?;
        if self.objects != self.dir.join("objects") {
            remove(&self.objects)?; // begun anew before, and not filled since
        }
        let empty = self.dir.join(unique_name());
        make_dirs(&empty.join("pack"))?;
        make_dirs(&empty.join("info"))?;
        self.objects = empty;
        self.reopen()
    }

    /// What was fetched since the store was begun anew takes the place of what was there.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn settle(&mut self) -> Result<(), StoreError> {
        let place = self.dir.join("objects");
        if self.objects == place {
            return Ok(());
        }
        replace(&place, &self.objects)?;
        self.objects = place;
        self.reopen()?;
        self.trim_shallow(self.shallow()?)
    }

    /// Makes those of `boundary` the shallow boundary that are here.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn trim_shallow(&self, mut boundary: BTreeSet<Oid>) -> Result<(), StoreError> {
        boundary.retain(|commit| self.odb.exists_ext(*commit, OdbLookupFlags::NO_REFRESH));
        self.set_shallow(&boundary)
    }

    /// Opens the object database anew, after all of it was changed.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn reopen(&mut self) -> Result<(), StoreError> {
        // libgit2 shares a pack among all who have it open: one that were still open here would stay mapped for ever.
        self.odb = Odb::new().map_err(|error| self.database(&error))?;
        self.odb = open_odb(&self.objects)?;
        Ok(())
    }

    fn read(&self, oid: Oid) -> Result<git2::OdbObject<'_>, StoreError> {
        self.odb.read(oid).map_err(|error| StoreError::Object(oid, error.message().to_owned()))
    }

    fn database(&self, error: &git2::Error) -> StoreError {
        StoreError::Database { path: self.dir.clone(), reason: error.message().to_owned() }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.objects != self.dir.join("objects") {
            let _ = remove(&self.objects); // begun and never filled; the sweep takes what stays
        }
    }
}

/// A full lowercase or uppercase hash and nothing else.
pub(crate) fn full_oid(text: &str) -> Option<Oid> {
    (text.len() == 40).then(|| Oid::from_str(text).ok()).flatten()
}

/// Removes what killed runs left unfinished in a git directory, and in those of its submodules.
fn sweep(dir: &Path, level: usize) -> Result<(), FileError> {
    for swept in ["", "refs/heads", "objects", "objects/pack", "worktrees", "lfs/trees"] {
        sweep_unfinished(&dir.join(swept))?;
    }
    for worktree in names_in(&dir.join("worktrees"))? {
        sweep_unfinished(&dir.join("worktrees").join(worktree))?;
    }
    pack::sweep(&dir.join("objects"))?;
    if level < DEEPEST_SUBMODULE {
        for module in names_in(&dir.join("modules"))? {
            sweep(&dir.join("modules").join(module), level + 1)?;
        }
    }
    Ok(())
}

fn open_odb(path: &Path) -> Result<Odb<'static>, StoreError> {
    let opened = Odb::new().and_then(|odb| {
        let text = path.to_str().ok_or_else(|| git2::Error::from_str("the path is not UTF-8"))?;
        odb.add_disk_alternate(text)?;
        Ok(odb)
    });
    opened.map_err(|error| StoreError::Database { path: path.to_owned(), reason: error.message().to_owned() })
}

fn config(origin: &str) -> String {
    let origin = origin.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\ttrustctime = false\n\tbare = false\n[gc]\n\tauto = 0\n\
         [remote \"origin\"]\n\turl = \"{origin}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    )
}

/// Writes only what differs, so that an idle start does not touch the volume.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if path.is_dir() {
        remove(path)?;
    }
    if read_small(path, LARGEST_SMALL_FILE)?.as_deref() != Some(bytes) {
        write_whole(path, bytes)?;
    }
    Ok(())
}

/// Removes a file that stands where a directory on the way to `path` must be; never above `top`.
fn remove_files_on(path: &Path, top: &Path) -> Result<(), StoreError> {
    for part in path.ancestors().take_while(|part| part.starts_with(top)) {
        if std::fs::symlink_metadata(part).is_ok_and(|meta| !meta.is_dir()) {
            remove(part)?;
        }
    }
    Ok(())
}

/// The values of a header field of a commit or tag, up to the empty line.
fn header<'a>(data: &'a [u8], field: &'a str) -> impl Iterator<Item = &'a str> {
    data.split(|byte| *byte == b'\n')
        .take_while(|line| !line.is_empty())
        .filter_map(move |line| line.strip_prefix(field.as_bytes())?.strip_prefix(b" "))
        .filter_map(|value| std::str::from_utf8(value).ok())
}

fn committer_time(line: &str) -> Option<i64> {
    line.rsplit(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Store {
        Store::open(&dir.join(".git"), "https://example.test/\"x\"").unwrap()
    }

    #[test]
    fn a_new_store_is_a_repository_to_libgit2() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let repo = git2::Repository::open(store.dir()).unwrap();
        assert_eq!(repo.find_remote("origin").unwrap().url().unwrap(), "https://example.test/\"x\"");
        assert_eq!(store.tip().unwrap(), None);
    }

    #[test]
    fn damage_and_leftover_locks_are_mended() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        drop(open(dir.path()));
        std::fs::write(git.join("HEAD"), "nonsense").unwrap();
        std::fs::write(git.join("config"), "[core\nbroken").unwrap();
        std::fs::write(git.join("shallow.lock"), "").unwrap();
        std::fs::remove_dir_all(git.join("refs")).unwrap();
        std::fs::write(git.join("refs"), "a file").unwrap();
        let store = open(dir.path());
        store.set_tip(Oid::from_bytes(&[1; 20]).unwrap()).unwrap();
        assert!(git2::Repository::open(&git).is_ok());
        assert!(!git.join("shallow.lock").exists());
    }

    #[test]
    fn tags_are_peeled_and_commits_parsed() {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init(dir.path()).unwrap();
        let who = git2::Signature::new("a", "b", &git2::Time::new(1234, 60)).unwrap();
        let tree = repo.find_tree(repo.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let first = repo.commit(None, &who, &who, "one", &tree, &[]).unwrap();
        let parent = repo.find_commit(first).unwrap();
        let second = repo.commit(None, &who, &who, "two\n\ntree x", &tree, &[&parent]).unwrap();
        let tag = repo.tag("t", repo.find_commit(second).unwrap().as_object(), &who, "m", false).unwrap();
        let store = open(dir.path());
        assert_eq!(store.peel(tag).unwrap(), second);
        assert_eq!(store.commit(second).unwrap(), Commit { tree: tree.id(), parents: vec![first], time: 1234 });
        assert!(matches!(store.peel(tree.id()), Err(StoreError::NotACommit(..))));
        assert!(matches!(store.commit(Oid::ZERO_SHA1), Err(StoreError::Object(..))));
    }

    #[test]
    fn a_store_that_starts_over_keeps_what_git_sees_until_it_is_filled() {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init(dir.path()).unwrap();
        let (lost, kept) = (repo.blob(b"x").unwrap(), repo.blob(b"y").unwrap());
        let mut store = open(dir.path());
        store.set_tip(lost).unwrap();
        store.set_shallow(&[lost, kept].into()).unwrap();
        store.start_over().unwrap();
        assert!(!store.odb().exists(lost));
        assert_eq!(store.tip().unwrap(), None);
        assert!(repo.odb().unwrap().exists(lost));
        let (fan, name) = (&kept.to_string()[..2], &kept.to_string()[2..]);
        std::fs::create_dir(store.objects().join(fan)).unwrap();
        std::fs::copy(dir.path().join(".git/objects").join(fan).join(name), store.objects().join(fan).join(name))
            .unwrap();
        store.settle().unwrap();
        assert!(store.odb().exists(kept) && !store.odb().exists(lost));
        assert_eq!(store.shallow().unwrap(), [kept].into());
        assert_eq!(store.objects(), store.dir().join("objects"));
        assert!(!names_in(store.dir()).unwrap().iter().any(|name| name.to_string_lossy().starts_with(".patterns")));
    }

    #[test]
    fn the_shallow_boundary_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let boundary: BTreeSet<_> = [Oid::from_bytes(&[3; 20]).unwrap()].into();
        store.set_shallow(&boundary).unwrap();
        assert_eq!(store.shallow().unwrap(), boundary);
        store.set_shallow(&BTreeSet::new()).unwrap();
        assert!(!store.dir().join("shallow").exists());
    }
}
