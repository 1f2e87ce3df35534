//! Which objects a fetch from a repository on this machine must bring.
//!
//! In: a request, the repository. Out: the objects in a good order (commits, then each commit's new trees before their blobs), and the shallow boundaries.
//! Refused: wants that are not there.
//!
//! What the other side has is found by walking from its haves, its own shallow boundaries cut off; trees are compared with those of a commit that
//! it has, entry by entry, so that a small change costs little. An object too many may go over the wire; none too few.

use std::collections::VecDeque;

use git2::{ObjectType, Odb, OdbLookupFlags, Oid, Repository, Tree};
use hashbrown::{HashMap, HashSet};

use super::super::error::RemoteError;
use super::super::request::{Absent, Depth, FetchOutcome, FetchRequest, FilterUse};
use super::pack::abandoned;
use super::reading;

pub(super) struct Reach {
    pub(super) objects: Vec<Oid>,
    pub(super) outcome: FetchOutcome,
}

impl Reach {
    /// Finds the objects for `request`; `is_abandoned` is asked now and then.
    pub(super) fn find(
        repository: &Repository,
        request: &FetchRequest,
        is_abandoned: impl Fn() -> bool,
    ) -> Result<Self, RemoteError> {
        let filter = request.filter.as_deref().map(Filter::parse);
        let mut walk = Walk {
            repository,
            odb: repository.odb().map_err(reading("opening the object database"))?,
            theirs: request.shallow.iter().copied().collect(),
            ours: own_shallow(repository)?,
            filter: filter.flatten(),
            absent: request.absent,
            is_abandoned,
            seen: HashSet::new(),
            objects: Vec::new(),
            outcome: FetchOutcome::default(),
        };
        walk.outcome.filter = match filter {
            None => FilterUse::NotAsked,
            Some(Some(_)) => FilterUse::Honoured,
            Some(None) => FilterUse::Ignored,
        };
        let tips = walk.tips(&request.wants)?;
        let commits = walk.commits(&tips, request)?;
        walk.contents(&commits, &request.haves)?;
        Ok(Self { objects: walk.objects, outcome: walk.outcome })
    }
}

/// No path of a file system is as deep; bounds the stack.
const MAX_TREE_DEPTH: u32 = 1024;

/// The filters that are cheap here; a server may ignore any.
#[derive(Clone, Copy)]
enum Filter {
    NoBlobs,
    BlobsBelow(u64),
    NoTrees,
}

impl Filter {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "blob:none" => Some(Self::NoBlobs),
            "tree:0" => Some(Self::NoTrees),
            _ => text.strip_prefix("blob:limit=")?.parse().ok().map(Self::BlobsBelow),
        }
    }
}

struct Walk<'a, F> {
    repository: &'a Repository,
    odb: Odb<'a>,
    /// Commits whose parents the other side lacks.
    theirs: HashSet<Oid>,
    /// Commits whose parents this repository lacks.
    ours: HashSet<Oid>,
    filter: Option<Filter>,
    absent: Absent,
    is_abandoned: F,
    seen: HashSet<Oid>,
    objects: Vec<Oid>,
    outcome: FetchOutcome,
}

impl<F: Fn() -> bool> Walk<'_, F> {
    /// Peels the wanted objects down to commits; tags, and wanted trees and blobs, are brought as they are.
    fn tips(&mut self, wants: &[Oid]) -> Result<Vec<Oid>, RemoteError> {
        let mut tips = Vec::new();
        for want in wants {
            let mut oid = *want;
            loop {
                let header = self.odb.read_header(oid);
                let (_, kind) = header.map_err(|_| RemoteError::Refused(format!("upload-pack: not our ref {want}")))?;
                match kind {
                    ObjectType::Tag => {
                        self.add(oid);
                        oid = self.repository.find_tag(oid).map_err(reading("reading a tag"))?.target_id();
                    }
                    ObjectType::Tree => {
                        let tree = self.repository.find_tree(oid).map_err(reading("reading a tree"))?;
                        self.tree(&tree, None, 0)?;
                        break;
                    }
                    ObjectType::Commit => {
                        tips.push(oid);
                        break;
                    }
                    _ => {
                        self.add(oid);
                        break;
                    }
                }
            }
        }
        Ok(tips)
    }

    /// The commits to bring, oldest last, and the shallow boundaries.
    fn commits(&mut self, tips: &[Oid], request: &FetchRequest) -> Result<Vec<Oid>, RemoteError> {
        let limit = match request.depth {
            Depth::Commits(commits) => commits.get(),
            Depth::Full | Depth::Unshallow => u32::MAX,
        };
        let theirs = self.known_commits(&request.haves, limit)?;
        let deepens = request.depth != Depth::Full;
        let mut depths: HashMap<Oid, u32> = HashMap::new();
        let mut queue: VecDeque<Oid> = VecDeque::new();
        let mut found = Vec::new();
        for tip in tips {
            if (deepens || !theirs.contains(tip)) && depths.insert(*tip, 1).is_none() {
                queue.push_back(*tip);
            }
        }
        // First in, first out: every commit is met at its least depth.
        while let Some(oid) = queue.pop_front() {
            self.check_abandoned()?;
            let depth = depths.get(&oid).copied().unwrap_or(1);
            let parents = self.parents(oid)?;
            if !theirs.contains(&oid) {
                found.push(oid);
            }
            let is_cut_here = self.ours.contains(&oid) || (depth >= limit && !parents.is_empty());
            let is_cut_there = self.theirs.contains(&oid);
            if is_cut_here && !is_cut_there {
                self.outcome.shallow.push(oid);
            }
            if is_cut_here || (is_cut_there && !deepens) {
                continue;
            }
            if is_cut_there && !parents.is_empty() {
                self.outcome.unshallow.push(oid);
            }
            for parent in parents {
                // Deepening walks through what the other side has: its boundaries may lie behind it.
                if (deepens || !theirs.contains(&parent)) && !depths.contains_key(&parent) {
                    depths.insert(parent, depth + 1);
                    queue.push_back(parent);
                }
            }
        }
        Ok(found)
    }

    /// What the other side has, as far as it matters: its haves and, up to `limit` generations, their ancestors.
    fn known_commits(&self, haves: &[Oid], limit: u32) -> Result<HashSet<Oid>, RemoteError> {
        let mut known = HashSet::new();
        let mut generation: Vec<Oid> = haves.iter().copied().filter(|oid| self.is_commit(*oid)).collect();
        let mut depth = 0;
        while !generation.is_empty() && depth <= limit {
            let mut next = Vec::new();
            for oid in generation {
                self.check_abandoned()?;
                if known.insert(oid) && !self.theirs.contains(&oid) && !self.ours.contains(&oid) {
                    next.extend(self.parents(oid)?);
                }
            }
            generation = next;
            depth = depth.saturating_add(1);
        }
        Ok(known)
    }

    /// Adds the commits and what is new in their trees.
    fn contents(&mut self, commits: &[Oid], haves: &[Oid]) -> Result<(), RemoteError> {
        for oid in commits {
            self.add(*oid);
        }
        let base = haves.iter().find_map(|oid| self.repository.find_commit(*oid).ok()?.tree().ok());
        let sent: HashSet<Oid> = commits.iter().copied().collect();
        // Oldest first: a commit's tree is then compared with its parent's, of which all was added.
        for oid in commits.iter().rev() {
            let commit = self.repository.find_commit(*oid).map_err(reading("reading a commit"))?;
            if self.is_left_out(commit.tree_id()) {
                continue;
            }
            let tree = commit.tree().map_err(reading("reading a tree"))?;
            let parent = self.parents(*oid)?.into_iter().find(|parent| sent.contains(parent));
            let before = parent.and_then(|parent| self.repository.find_commit(parent).ok()?.tree().ok());
            let is_added = before.as_ref().is_some_and(|before| self.seen.contains(&before.id()));
            self.tree(&tree, if is_added { before.as_ref() } else { base.as_ref() }, 0)?;
        }
        Ok(())
    }

    /// Adds a tree and what is in it, but not what `before` holds.
    fn tree(&mut self, tree: &Tree<'_>, before: Option<&Tree<'_>>, depth: u32) -> Result<(), RemoteError> {
        if depth > MAX_TREE_DEPTH {
            return Err(RemoteError::Unsupported(format!("directories are nested deeper than {MAX_TREE_DEPTH}")));
        }
        if matches!(self.filter, Some(Filter::NoTrees))
            || before.is_some_and(|before| before.id() == tree.id())
            || !self.add(tree.id())
        {
            return Ok(());
        }
        self.check_abandoned()?;
        for entry in tree {
            let known = before.and_then(|before| before.get_name_bytes(entry.name_bytes()));
            if known.as_ref().is_some_and(|known| known.id() == entry.id()) || self.is_left_out(entry.id()) {
                continue;
            }
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let sub = self.repository.find_tree(entry.id()).map_err(reading("reading a tree"))?;
                    let before = known.and_then(|known| self.repository.find_tree(known.id()).ok());
                    self.tree(&sub, before.as_ref(), depth + 1)?;
                }
                Some(ObjectType::Blob) => self.blob(entry.id())?,
                // A submodule's commit lives in another repository.
                _ => {}
            }
        }
        Ok(())
    }

    fn blob(&mut self, oid: Oid) -> Result<(), RemoteError> {
        let is_wanted = match self.filter {
            None | Some(Filter::NoTrees) => true,
            Some(Filter::NoBlobs) => false,
            Some(Filter::BlobsBelow(limit)) => {
                (self.odb.read_header(oid).map_err(reading("reading a blob"))?.0 as u64) < limit
            }
        };
        if is_wanted {
            self.add(oid);
        }
        Ok(())
    }

    fn is_left_out(&self, oid: Oid) -> bool {
        self.absent == Absent::LeftOut && !self.odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH)
    }

    /// Adds an object; whether it is new.
    fn add(&mut self, oid: Oid) -> bool {
        let is_new = self.seen.insert(oid);
        if is_new {
            self.objects.push(oid);
        }
        is_new
    }

    /// The parents that are here: libgit2 hides those that a shallow file cuts off.
    fn parents(&self, oid: Oid) -> Result<Vec<Oid>, RemoteError> {
        let commit = self.repository.find_commit(oid).map_err(reading("reading a commit"))?;
        Ok(commit.parent_ids().collect())
    }

    fn is_commit(&self, oid: Oid) -> bool {
        self.odb.read_header(oid).is_ok_and(|(_, kind)| kind == ObjectType::Commit)
    }

    fn check_abandoned(&self) -> Result<(), RemoteError> {
        if (self.is_abandoned)() { Err(abandoned()) } else { Ok(()) }
    }
}

/// The boundaries of a repository that is shallow itself.
fn own_shallow(repository: &Repository) -> Result<HashSet<Oid>, RemoteError> {
    match std::fs::read_to_string(repository.commondir().join("shallow")) {
        Ok(text) => Ok(text.lines().filter_map(|line| super::super::refs::parse_oid(line.as_bytes())).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(RemoteError::local("reading the repository's shallow file", error)),
    }
}
