//! One sync, start to end: commit → fetch → build → publish → retire.
//!
//! In: the remote, the volume, a budget. Out: what happened (`Outcome`), or an error that names its layer. The network half
//! is async and may be dropped at any await; the half that writes runs on a blocking thread and asks the budget between two
//! files. A sync that is cut short has published nothing, and the next one starts from what is whole.

mod artefact;
mod bring;
mod large;
mod proof;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use git2::Oid;

use super::archive::Artefact;
use super::budget::Budget;
use super::changes;
use super::draft::{Blank, Recipe};
use super::files::read_small;
use super::gc;
use super::hooks::{Action, ChangeList, Event, Hook, Runs};
use super::lfs;
use super::memory;
use super::metrics::{Metrics, Phase};
use super::origin::{Origin, Tip};
use super::outcome::{Outcome, SyncError};
use super::pack::{self, Promise};
use super::reach::Reach;
use super::remote::{Depth, Selector};
use super::retire::{Retired, Stay};
use super::sparse::Patterns;
use super::submodules::{Filler, Follow};
use super::trust::{Signer, Trust};
use super::volume::{Published, Volume, VolumeError};
use super::worktree::Damage;

/// A file of sparse patterns of this size has tens of thousands.
const LARGEST_PATTERNS: u64 = 1 << 20;

/// Keeps a volume in step with a remote.
pub(crate) struct Syncer {
    origin: Origin,
    reach: Reach,
    before_publish: BeforePublish,
    trust: Trust,
    /// Whose signature let the last commit pass.
    signer: Option<Signer>,
    /// Away only while a blocking thread has it.
    volume: Option<Volume>,
    pub(crate) metrics: Metrics,
    options: Options,
    /// The commit whose archive this run has written.
    archived: Option<Oid>,
    /// When every published file was last compared with the commit.
    inspected: Option<Instant>,
    /// Whether the history here was cut, so that some of what is stored is surely garbage.
    is_shortened: bool,
    /// Whether packs were read since the last rest.
    is_warm: bool,
    /// Whether the history here was compared with `depth`, which can only change between runs.
    is_depth_known: bool,
    /// How many events hooks were told of.
    events: u64,
}

/// What happens in a new tree before the link turns to it.
pub(crate) enum BeforePublish {
    Nothing,
    /// The hook hears of it, and the link turns.
    Tell(Hook),
    /// The link turns only if the hook succeeds.
    Ask(Action, Runs),
}

/// What a sync is asked to do, beside following the ref.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The ref as the user wrote it, for hooks; of a range of versions the tag that was found.
    pub reference: String,
    /// Commits of history; 0 for all.
    pub depth: u32,
    /// What one pack may cost.
    pub pack_limits: pack::Limits,
    pub submodules: Follow,
    /// The settings that decide what is in a tree, beside the commit and the sparse patterns.
    pub recipe: String,
    /// Where the archive of each tree goes, if one is wanted.
    pub archive: Option<Artefact>,
    /// Where large files are said to be, if they are wanted.
    pub lfs: Option<lfs::Location>,
    pub gc: gc::Mode,
    pub sparse: Sparse,
    /// Which replaced trees stay.
    pub stay: Stay,
    /// The pause between two full comparisons of the published tree; zero: only the first sync compares.
    pub verify: Duration,
}

/// Which files of a commit belong in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sparse {
    Everything,
    /// Those that the patterns of this file let through; it is read before each sync.
    File(PathBuf),
    Patterns(String),
}

impl Syncer {
    pub(crate) fn new(
        origin: Origin,
        reach: Reach,
        volume: Volume,
        before_publish: BeforePublish,
        trust: Trust,
        metrics: Metrics,
        options: Options,
    ) -> Self {
        let volume = Some(volume);
        Self {
            origin,
            reach,
            volume,
            before_publish,
            trust,
            signer: None,
            metrics,
            options,
            archived: None,
            inspected: None,
            is_shortened: false,
            is_warm: false,
            is_depth_known: false,
            events: 0,
        }
    }

    /// Compares the published tree with its commit and answers with the commit if it is whole: what an earlier run left
    /// can be served before the remote is reached.
    pub(crate) async fn already_published(&mut self, budget: &Budget) -> Option<Oid> {
        self.read_recipe().ok()?;
        let published = self.volume_here().published().ok()??;
        let damage = self.inspect(&published, budget).await;
        let is_whole = matches!(damage, Ok(None)) && self.is_proved_by_itself(published.commit);
        is_whole.then_some(published.commit)
    }

    /// Runs one sync.
    ///
    /// # Errors
    /// See [`SyncError`]; what was published before still is.
    pub(crate) async fn sync(&mut self, budget: &Budget) -> Result<Outcome, SyncError> {
        self.read_recipe()?;
        let published = self.volume_here().published()?;
        let damage = match &published {
            Some(published) => self.look(published, budget).await?,
            None => None,
        };
        let tip = match self.resolve(budget).await {
            Ok(tip) => tip,
            Err(error) => {
                // The remote is away; what it gave us before is enough to mend what was damaged here.
                if let (Some(published), Some(_)) = (&published, &damage)
                    && self.is_proved_by_itself(published.commit)
                    && let Err(error) = self.rebuild(published.commit, budget).await
                {
                    tracing::warn!(%error, "the damaged tree cannot be written again from what is here");
                }
                return Err(error);
            }
        };
        if let (Selector::Newest(_), Some(tag)) = (self.origin.selector(), &tip.name) {
            self.options.reference = tag.strip_prefix("refs/tags/").unwrap_or(tag).to_owned();
        }
        let current = published.map(|published| published.commit);
        let is_whole = |commit: Oid| current == Some(commit) && damage.is_none();
        if let Some(commit) = self.known_commit(&tip).filter(|known| is_whole(*known))
            && self.has_right_history(commit)?
        {
            match self.prove(&tip, commit, budget).await {
                Ok(()) => {
                    self.archive(commit, budget).await?;
                    return Ok(Outcome::Unchanged { commit });
                }
                // Brought again below.
                Err(SyncError::Volume(error)) if error.is_object_loss() => {}
                Err(error) => return Err(error),
            }
        }
        let brought = match self.bring(&tip, is_whole, budget).await {
            Err(SyncError::Volume(error)) if error.is_object_loss() => {
                tracing::warn!(%error, "the store has lost objects and is filled again");
                self.volume_here_mut().store.start_over()?;
                self.bring(&tip, is_whole, budget).await
            }
            other => other,
        };
        let commit = brought?;
        self.archive(commit, budget).await?;
        if current != Some(commit) && !matches!(self.before_publish, BeforePublish::Nothing) {
            let event = self.event(current, commit).await;
            consult(&self.before_publish, event, budget).await?;
        }
        self.on_volume(move |volume| volume.publish(commit)).await?;
        Ok(match current == Some(commit) {
            false => Outcome::Published { before: current, commit },
            // More or less history, the same tree.
            true if damage.is_none() => Outcome::Unchanged { commit },
            true => Outcome::Repaired { commit },
        })
    }

    /// What hooks are told of a publication.
    pub(crate) async fn event(&mut self, before: Option<Oid>, commit: Oid) -> Event {
        self.events += 1;
        let changes = match before {
            Some(before) => self.on_volume(move |volume| changes(volume, before, commit)).await,
            None => None,
        };
        let tree = self.volume_here().tree_of(commit);
        Event { serial: self.events, before, commit, reference: self.options.reference.clone(), tree, changes }
    }

    /// Reads the sparse patterns again: they count from the next tree on, and another text makes the present one anew.
    fn read_recipe(&mut self) -> Result<(), SyncError> {
        let mut recipe = Recipe { words: self.options.recipe.clone(), sparse: None };
        let text = match &self.options.sparse {
            Sparse::Everything => None,
            Sparse::Patterns(text) => Some(text.clone().into_bytes()),
            Sparse::File(path) => {
                let text = read_small(path, LARGEST_PATTERNS).map_err(VolumeError::from)?;
                Some(text.ok_or_else(|| SyncError::NoPatterns(path.clone()))?)
            }
        };
        recipe.sparse = text.map(|text| {
            let patterns = Patterns::parse(&text);
            (text, patterns)
        });
        let volume = self.volume_here_mut();
        if volume.recipe != recipe {
            volume.recipe = recipe;
        }
        Ok(())
    }

    /// Removes trees whose grace is over.
    ///
    /// # Errors
    /// When the volume cannot be read.
    pub(crate) async fn retire(&mut self, budget: &Budget) -> Result<Retired, VolumeError> {
        let started = Instant::now();
        let (stay, budget) = (self.options.stay, budget.clone());
        let retired = self.on_volume(move |volume| {
            let retired = volume.retire(stay, &budget)?;
            if retired.removed > 0 {
                lfs::prune(&volume.store)?;
            }
            Ok::<_, VolumeError>(retired)
        });
        let retired = retired.await?;
        self.metrics.spent(Phase::Retire, started.elapsed());
        self.metrics.retired.add(retired.removed as u64);
        Ok(retired)
    }

    /// Packs the store anew when too much of it is garbage; asked after trees have gone.
    ///
    /// # Errors
    /// When the store cannot be read or written; it is as before.
    pub(crate) async fn collect_garbage(&mut self, retired: usize, budget: &Budget) -> Result<(), SyncError> {
        if (retired == 0 && !self.is_shortened) || self.options.gc == gc::Mode::Off {
            return Ok(());
        }
        let started = Instant::now();
        let whole = if self.origin.is_partial() { Promise::Partial } else { Promise::Complete };
        let (mode, is_shortened) = (self.options.gc, self.is_shortened);
        let tips = self.volume_here().kept_commits()?;
        let counted = tips.clone();
        let due = self.on_volume(move |volume| gc::is_due(&volume.store, mode, &counted)).await?;
        if due || is_shortened {
            // Packing fills the same caches again, with other objects.
            self.rest().await;
            self.is_warm = true;
            let depth = match NonZeroU32::new(self.options.depth) {
                Some(commits) => Depth::Commits(commits),
                None => Depth::Full,
            };
            let needs = gc::Needs { tips, depth, promise: whole };
            let Self { volume, reach, .. } = self;
            let store = &mut volume.as_mut().unwrap_or_else(|| unreachable!("no blocking work is under way")).store;
            gc::collect(store, needs, &reach.threads, budget).await?;
            self.metrics.spent(Phase::Gc, started.elapsed());
            tracing::debug!(elapsed_seconds = started.elapsed().as_secs_f64(), "the store was packed anew");
        }
        self.is_shortened = false;
        Ok(())
    }

    /// Lets go of what only work needs: mapped packs, caches, free memory. Call it before a sleep.
    pub(crate) async fn rest(&mut self) {
        if !std::mem::take(&mut self.is_warm) {
            return;
        }
        let rested = self.on_volume(|volume| {
            let reopened = volume.store.reopen();
            memory::give_back();
            reopened
        });
        if let Err(error) = rested.await {
            tracing::warn!(%error, "the store cannot be opened anew");
        }
    }

    /// Waits until nothing writes any more that a sync has begun. Call it before the process ends.
    pub(crate) async fn ended(&mut self) {
        self.reach.threads.ended().await;
    }

    async fn resolve(&mut self, budget: &Budget) -> Result<Tip, SyncError> {
        let started = Instant::now();
        let tip = budget.spend(self.origin.tip()).await??;
        self.metrics.spent(Phase::Resolve, started.elapsed());
        Ok(tip)
    }

    /// Writes the tree of `commit`, submodules included, and moves it to its place.
    async fn build(&mut self, commit: Oid, blank: Option<Blank>, budget: &Budget) -> Result<(), SyncError> {
        let started = Instant::now();
        self.is_warm = true;
        let its = budget.clone();
        let draft = self.on_volume(move |volume| {
            let blank = blank.map_or_else(|| volume.blank(), Ok)?;
            volume.draft(blank, commit, &its)
        });
        let draft = draft.await?;
        let draft = self.fill_large(draft, budget).await?;
        let volume = self.volume_here();
        let filler = Filler {
            reach: &self.reach,
            follow: self.options.submodules,
            depth: self.options.depth,
            budget,
            tree: volume.place(commit),
            recipe: volume.recipe.text(),
            limits: volume.limits,
            pack_limits: &self.options.pack_limits,
        };
        let filled = filler.fill(&draft, self.origin.url(), &volume.store).await?;
        self.on_volume(move |volume| volume.finish(draft, &filled)).await?;
        self.metrics.spent(Phase::Build, started.elapsed());
        Ok(())
    }

    /// Writes the published tree again from what is in the store.
    async fn rebuild(&mut self, commit: Oid, budget: &Budget) -> Result<(), SyncError> {
        self.build(commit, None, budget).await?;
        Ok(self.on_volume(move |volume| volume.publish(commit)).await?)
    }

    /// Looks at the published tree: quickly at each sync, completely when that is due.
    async fn look(&mut self, published: &Published, budget: &Budget) -> Result<Option<Damage>, SyncError> {
        let verify = self.options.verify;
        let is_due = self.inspected.is_none_or(|last| !verify.is_zero() && last.elapsed() >= verify);
        let damage = match is_due {
            false => self.volume_here().glance(published)?,
            true => match self.inspect(published, budget).await {
                Ok(damage) => damage,
                // Without its objects the tree cannot be proved; fetching brings them, and it is written anew.
                Err(error) if error.is_object_loss() => {
                    tracing::warn!(%error, "the store has lost objects and is filled again");
                    self.volume_here_mut().store.start_over()?;
                    Some(Damage::Index)
                }
                Err(error) => return Err(error.into()),
            },
        };
        if let Some(damage) = &damage {
            self.metrics.damages.increment();
            tracing::warn!(commit = %published.commit, %damage, "the published tree is damaged and is written again");
        }
        Ok(damage)
    }

    async fn inspect(&mut self, published: &Published, budget: &Budget) -> Result<Option<Damage>, VolumeError> {
        let started = Instant::now();
        self.is_warm = true;
        let (published, budget) = (published.clone(), budget.clone());
        let damage = self.on_volume(move |volume| volume.inspect(&published, &budget)).await?;
        if damage.is_none() {
            self.inspected = Some(started);
        }
        self.metrics.spent(Phase::Inspect, started.elapsed());
        Ok(damage)
    }

    /// Runs blocking work on the volume, on a thread of its own.
    async fn on_volume<T: Send + 'static>(&mut self, work: impl FnOnce(&mut Volume) -> T + Send + 'static) -> T {
        let mut volume = self.volume.take().unwrap_or_else(|| unreachable!("no other blocking work is under way"));
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut volume);
            (volume, done)
        });
        match done.await {
            Ok((volume, done)) => {
                self.volume = Some(volume);
                done
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn volume_here(&self) -> &Volume {
        self.volume.as_ref().unwrap_or_else(|| unreachable!("blocking work is always awaited"))
    }

    fn volume_here_mut(&mut self) -> &mut Volume {
        self.volume.as_mut().unwrap_or_else(|| unreachable!("blocking work is always awaited"))
    }
}

/// What differs between two commits, and the file that says so; nothing when it cannot be said.
fn changes(volume: &Volume, before: Oid, commit: Oid) -> Option<ChangeList> {
    let tree = |commit| volume.store.commit(commit).ok().map(|commit| commit.tree);
    let changes = Arc::new(changes::between(volume.store.odb(), tree(before)?, tree(commit)?)?);
    match changes::write(volume.store.dir(), commit, &changes) {
        Ok(file) => Some(ChangeList { changes, file }),
        Err(error) => {
            tracing::warn!(%error, "the list of changed files cannot be written; hooks go without it");
            None
        }
    }
}

/// Tells the pre-publish hook, or waits for its verdict where it gates.
async fn consult(hook: &BeforePublish, event: Event, budget: &Budget) -> Result<(), SyncError> {
    match hook {
        BeforePublish::Nothing => Ok(()),
        BeforePublish::Tell(hook) => {
            hook.tell(event);
            Ok(())
        }
        BeforePublish::Ask(gate, runs) => {
            let verdict = budget.spend(gate.run(&event)).await?;
            runs.count(&verdict);
            verdict.map_err(SyncError::Vetoed)
        }
    }
}
