//! How much history is here, against how much `--depth` asks for.
//!
//! In: the store's commits and its shallow boundary, a tip, a depth. Out: whether that is right as it is, whether the remote
//! must give more, or where the boundary belongs when less was asked for (which is ours to say; nothing must be fetched).

use std::collections::{BTreeSet, HashSet};

use git2::Oid;

use super::store::{Store, StoreError};

/// The verdict on the history below a tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    /// Commits are missing that belong here.
    Deepen,
    /// There is more than was asked for: the boundary belongs at these commits.
    Shorten(BTreeSet<Oid>),
}

/// Compares what is below `tip` with `depth` (0: everything).
///
/// # Errors
/// When a commit above the boundary cannot be read.
pub(crate) fn fit(store: &Store, tip: Oid, depth: u32) -> Result<Fit, StoreError> {
    let shallow = store.shallow()?;
    if depth == 0 {
        // What is shallow may belong to another tip; asking the remote once too often is cheap, a missing commit is not.
        return Ok(if shallow.is_empty() { Fit::Fits } else { Fit::Deepen });
    }
    let mut seen = HashSet::from([tip]);
    let mut row = vec![tip];
    for generation in 1..=depth {
        let mut next = Vec::new();
        for commit in row {
            let parents = store.commit(commit)?.parents;
            if generation == depth {
                if !parents.is_empty() && !shallow.contains(&commit) {
                    return Ok(Fit::Shorten(boundary(store, tip, depth)?));
                }
            } else if shallow.contains(&commit) {
                return Ok(Fit::Deepen);
            } else {
                next.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
            }
        }
        row = next;
        if row.is_empty() {
            break;
        }
    }
    Ok(Fit::Fits)
}

/// The commits of the last generation that `depth` keeps, of those that have parents.
fn boundary(store: &Store, tip: Oid, depth: u32) -> Result<BTreeSet<Oid>, StoreError> {
    let mut seen = HashSet::from([tip]);
    let mut row = vec![tip];
    for _ in 1..depth {
        let mut next = Vec::new();
        for commit in row {
            next.extend(store.commit(commit)?.parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
        row = next;
    }
    let mut boundary = BTreeSet::new();
    for commit in row {
        if !store.commit(commit)?.parents.is_empty() {
            boundary.insert(commit);
        }
    }
    Ok(boundary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of commits, oldest first.
    fn line(length: usize) -> (tempfile::TempDir, Store, Vec<Oid>) {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init(dir.path()).unwrap();
        let who = git2::Signature::new("a", "b", &git2::Time::new(1, 0)).unwrap();
        let tree = repo.find_tree(repo.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let mut commits: Vec<Oid> = Vec::new();
        for number in 0..length {
            let parents: Vec<_> = commits.last().map(|last| repo.find_commit(*last).unwrap()).into_iter().collect();
            let parents: Vec<_> = parents.iter().collect();
            commits.push(repo.commit(None, &who, &who, &number.to_string(), &tree, &parents).unwrap());
        }
        let store = Store::open(&dir.path().join(".git"), "x").unwrap();
        (dir, store, commits)
    }

    #[test]
    fn a_boundary_in_the_right_place_fits() {
        let (_dir, store, commits) = line(4);
        let tip = commits[3];
        assert_eq!(fit(&store, tip, 0).unwrap(), Fit::Fits);
        assert_eq!(fit(&store, tip, 4).unwrap(), Fit::Fits);
        assert_eq!(fit(&store, tip, 9).unwrap(), Fit::Fits);
        store.set_shallow(&[commits[2]].into()).unwrap();
        assert_eq!(fit(&store, tip, 2).unwrap(), Fit::Fits);
        assert_eq!(fit(&store, tip, 3).unwrap(), Fit::Deepen);
        assert_eq!(fit(&store, tip, 0).unwrap(), Fit::Deepen);
        assert_eq!(fit(&store, tip, 1).unwrap(), Fit::Shorten([tip].into()));
    }

    #[test]
    fn a_whole_history_is_shortened_to_the_depth() {
        let (_dir, store, commits) = line(4);
        assert_eq!(fit(&store, commits[3], 2).unwrap(), Fit::Shorten([commits[2]].into()));
        assert_eq!(fit(&store, commits[0], 1).unwrap(), Fit::Fits);
    }
}
