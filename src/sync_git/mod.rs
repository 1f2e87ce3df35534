//! `patterns sync-git`: keeps a shared volume in step with a git repository, atomically.
//!
//! ```text
//!            every --period, at a signal                                     <root>/.git          the store
//!                       │                                                    <root>/.worktrees/H  a tree, H the commit
//!                       ▼                                                    <root>/<link>        → .worktrees/H
//!  cycle ──▶ sync: origin ──▶ store ──▶ checkout ──▶ worktree ──▶ publish ──▶ marks ──▶ retire
//!            │     (one ls-refs; (a pack) (new files,  (git        (the link  (touch    (trees whose
//!            │      fetch)                 by name)     metadata)   turns)     file)     grace is over)
//!            └─ budget: one deadline for all of it, and the process' wish to stop
//! ```
//!
//! The walk goes one way: commit → fetch → materialise → publish → notify → retire. Whatever stands unfinished when the
//! process is killed has a name that nobody reads, and is swept at the next start; there are no lock files. The layout, the
//! flags and their meaning are git-sync's (version 4); where its behaviour is a defect, ours is the right one, and the manual
//! says so. No git runs, nor does anything that a repository contains: no hook, no filter, no configuration of its.

mod archive;
mod attributes;
mod budget;
mod cache_tree;
mod changes;
mod checkout;
mod convert;
mod credentials;
mod cycle;
mod draft;
mod early;
mod files;
mod gc;
mod github;
mod gitmodules;
mod history;
mod hooks;
mod in_place;
mod lfs;
mod manifest;
mod marks;
mod memory;
mod metrics;
mod origin;
mod outcome;
pub mod pack;
mod publish;
mod reach;
pub mod remote;
mod retire;
mod reuse;
mod root;
mod settings;
mod several;
mod spare;
mod sparse;
mod standing;
mod status;
mod store;
mod submodules;
mod sync;
mod tar;
mod threads;
mod tree;
mod trigger;
mod trust;
mod turns;
mod volume;
mod worktree;
mod writer;

use std::path::Path;

use anyhow::anyhow;
use clap::Args;
use hyper::{Method, StatusCode};

use self::archive::Artefact;
use self::attributes::LineEnds;
use self::cycle::{Cycle, Hooks};
use self::hooks::{Action, Exec, Hook, Retry, Runs, Web};
use self::metrics::{Durations, Metrics};
use self::origin::Origin;
use self::publish::Link;
use self::reach::Reach;
use self::remote::{Selector, Url};
use self::retire::Stay;
use self::reuse::{Exposure, Sources, Spares};
use self::root::Root;
use self::settings::limits::TreeLimits;
use self::settings::paths::Inside;
use self::settings::{HookSettings, Pace, Settings, Target, legacy};
use self::status::Status;
use self::sync::{BeforePublish, Options, Sparse, Syncer};
use self::trigger::Trigger;
use self::turns::Turns;
use self::volume::Volume;
use crate::core::fault::Fault;
use crate::core::http::client::Client;
use crate::core::http::{Access, Reply};
use crate::core::lifecycle::{self, Process};
use crate::core::mode::{Invocation, Mode};
use crate::core::settings::Origin as Source;
use crate::core::values::Bind;

/// The pattern.
pub const MODE: Mode = Mode {
    name: "sync-git",
    links: &[legacy::LINK],
    about: "Sidecar: keeps a shared volume in step with a git repository, atomically",
    description: "Follows one ref of a repository. Each commit gets a directory of its own, named by its hash, and a \
        symbolic link turns to it in one step when it is complete; readers see the old tree or the new one, never a \
        mixture. Takes the flags, the variables ($GITSYNC_PERIOD for --period, and so on) and the volume of \
        kubernetes/git-sync 4; called by a link named git-sync, also its exit codes, and nothing is served without --http-bind.",
    examples: "  patterns sync-git --repo https://github.com/kubernetes/examples --root /srv/git --link current\n  \
        patterns sync-git --repo file:///srv/site.git --root /srv/git --ref v1.2 --one-time",
    http_bind: ":9101",
    starts_processes: |resolved| {
        if resolved.document(several::DOCUMENT.key).is_some() {
            return true; // any of them may have a hook
        }
        let programs = ["exechook_command", "pre_publish_exechook_command", "sync_hook_command"];
        programs.iter().any(|id| resolved.matches.contains_id(id)) || std::env::var_os("GIT_SSH_COMMAND").is_some()
    },
    // As with git-sync, the last of a repeated flag counts.
    arguments: |command| Settings::augment_args(command).args_override_self(true),
    documents: &[several::DOCUMENT],
    live: &[],
    verbs: &[],
    foreign: legacy::FOREIGN,
    run,
};

fn run(invocation: &Invocation) -> Result<(), Fault> {
    let several = several::settings(invocation)?;
    if !several.is_empty() {
        return run_several(invocation, several);
    }
    let settings = invocation.settings::<Settings>()?;
    let marks = settings.target.marks();
    let settings = settings.checked().inspect_err(|fault| marks.refused(&fault.to_string()))?;
    let invocation = listening(invocation, &settings);
    memory::set_up();
    let is_git_sync = invocation.mode.link(&invocation.called).is_some();
    lifecycle::run(&invocation, async |process: &Process| {
        if is_git_sync {
            answer_everywhere(process);
        }
        start(settings, process).inspect_err(|fault| marks.refused(&fault.to_string()))
    })
}

/// The same invocation, which serves nothing where nobody could want it.
fn listening(invocation: &Invocation, settings: &Settings) -> Invocation {
    let mut invocation = invocation.clone();
    if settings.pace.one_time && invocation.resolved.origin("http-bind") == Source::Default {
        // Nobody probes what is over in a moment, and the port may be a neighbour's.
        invocation.resolved.common.http_bind = Bind::Off;
    }
    invocation
}

fn start(settings: Settings, process: &Process) -> Result<(), Fault> {
    let token = settings.pace.sync_token_file.clone();
    let cycle = open(settings, process, &Durations::served(&process.metrics), None)?;
    cycle.trigger.serve(&process.http, token);
    let process = process.clone();
    process.tasks.clone().spawn("sync", async move {
        cycle.run(process.clone()).await?;
        process.finish();
        Ok(())
    });
    Ok(())
}

fn run_several(invocation: &Invocation, all: Vec<(String, Settings)>) -> Result<(), Fault> {
    // What belongs to the whole process is the same in each.
    let first = all[0].1.clone();
    memory::set_up();
    lifecycle::run(&listening(invocation, &first), async |process: &Process| {
        let durations = Durations::served(&process.metrics);
        let turns = Turns::new(usize::from(first.pace.sync_concurrency));
        let mut members = Vec::with_capacity(all.len());
        for (name, settings) in all {
            let token = settings.pace.sync_token_file.clone();
            let process = process.unit(several::LABEL, &name);
            let opened = several::span(&name).in_scope(|| open(settings, &process, &durations, Some(&name)));
            let mut cycle = opened.map_err(|fault| fault.context(format!("the repository {name}")))?;
            cycle.turns = turns.clone();
            members.push(several::Member { name, cycle, process, token });
        }
        several::serve(&process.http, &members);
        let process = process.clone();
        process.tasks.clone().spawn("sync", async move {
            several::run(members).await?;
            process.finish();
            Ok(())
        });
        Ok(())
    })
}

/// git-sync answers a probe of any path as it answers `/`.
fn answer_everywhere(process: &Process) {
    let health = process.health.clone();
    process.http.elsewhere(move |_| {
        let ready = health.ready();
        let status = if ready.passes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        std::future::ready(Reply::text(status, ready.text))
    });
}

/// Opens one repository: its volume, its remote, its hooks; `name` where there are several.
fn open(settings: Settings, process: &Process, durations: &Durations, name: Option<&str>) -> Result<Cycle, Fault> {
    let link = settings.link();
    let Settings { source, target, pace, hooks, auth, limits, trust, legacy } = settings;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(if target.group_write { 0o002 } else { 0o022 }));

    let url = Url::parse(&source.repo).map_err(|error| Fault::usage(error).context("--repo cannot be used"))?;
    let selector =
        Selector::parse(&source.reference).map_err(|error| Fault::usage(error).context("--ref cannot be used"))?;
    let root = Root::prepare(&target.root).map_err(|error| {
        Fault::failed(error)
            .context("--root cannot be used")
            .hint("the volume must be mounted there, and writable for the user that this process runs as")
    })?;
    let marks = target.marks();
    marks.sweep();
    let link = Link::new(root.resolve(&link));
    if link.path().starts_with(root.trees()) || link.path().starts_with(root.store()) || link.path() == root.path() {
        return Err(Fault::usage(anyhow!("--link must not be inside .git or .worktrees, nor be the root itself")));
    }
    let archive = target.archive.as_ref().map(|path| Artefact::new(root.resolve(path))).transpose()?;
    let is_ours = |path: &Path| [root.trees(), root.store()].iter().any(|ours| path.starts_with(ours));
    if archive.as_ref().is_some_and(|archive| is_ours(archive.path()) || archive.path().starts_with(link.path())) {
        return Err(Fault::usage(anyhow!("--archive must not be inside .git, .worktrees or the link")));
    }
    let reach = Reach::new(&url, auth, &process.metrics)?;
    let url = Url::parse(&reach.rewritten(&source.repo))
        .map_err(|error| Fault::usage(error).context("--repo cannot be used"))?;
    if target.wipe_root {
        let marks = [&target.touch_file, &target.error_file].into_iter().flatten().map(|path| root.resolve(path));
        // What is published may be a tree of git-sync 3, which stands in the root itself.
        let published = link.target().ok().flatten();
        let ours: Vec<_> = marks.chain([link.path().to_owned()]).chain(published).collect();
        for error in root.wipe(&ours).map_err(|error| Fault::failed(error).context("--wipe-root failed"))? {
            tracing::warn!(%error, "something in the root cannot be removed");
        }
    }
    // Of a few directories nobody wants the files of all.
    let filter = source.filter.or_else(|| (!source.path.is_empty()).then(|| "blob:none".to_owned()));
    let origin = Origin::new(url, selector, filter, &reach);
    let sources = sources(&target, &pace);
    let shown = origin.shown();
    let mut volume = Volume::open(root, link, &shown, sources)
        .map_err(|error| Fault::failed(error).context("--root cannot be used"))?;

    volume.limits = TreeLimits { line_ends: reach.line_ends, ..limits.of_trees() };
    volume.publish = target.publish;

    let status = Status::default();
    status.tell(|news| {
        news.name = name.map(str::to_owned);
        news.repo = shown;
        news.reference = source.reference.clone();
    });
    let page = status.clone();
    process.http.status(move || page.section());
    if let Some(git) = legacy.git.filter(|git| !git.is_empty() && git != "git") {
        tracing::warn!(git, "--git is ignored: no git program is run");
    }
    if legacy.http_pprof {
        serve_process_figures(process);
    }
    let metrics = Metrics::new(&process.metrics, durations, name);
    let (before_publish, hooks) = start_hooks(&hooks, &pace, process);
    let options = Options {
        reference: source.reference,
        depth: source.depth,
        submodules: source.submodules,
        recipe: format!(
            "submodules={:?} symlinks={:?} group-write={}{}{}",
            source.submodules,
            limits.symlinks,
            target.group_write,
            if reach.line_ends == LineEnds::default() { String::new() } else { format!(" {:?}", reach.line_ends) },
            if source.lfs { " lfs" } else { "" }
        ),
        archive,
        lfs: source.lfs.then_some(lfs::Location { url: source.lfs_url }),
        gc: target.git_gc,
        sparse: match source.sparse_checkout_file {
            Some(file) => Sparse::File(file),
            None if source.path.is_empty() => Sparse::Everything,
            None => Sparse::Patterns(Inside::patterns(&source.path)),
        },
        pack_limits: limits.of_packs(),
        stay: Stay { grace: target.stale_worktree_timeout, least: target.keep_worktrees as usize },
        verify: pace.verify_interval,
    };
    let syncer = Syncer::new(origin, reach, volume, before_publish, trust.trust(), metrics, options);
    Cycle::new(syncer, hooks, Trigger::new(), pace, marks, status, process)
}

/// Where unchanged files come from. Trees that share files with one that stays, or that the group may write, would share its
/// changes too; and a run that ends after one sync has no use for a spare.
fn sources(target: &Target, pace: &Pace) -> Sources {
    let is_long = !target.stale_worktree_timeout.is_zero() || target.keep_worktrees > 0 || target.group_write;
    let sources = target.reuse.sources(if is_long { Exposure::Long } else { Exposure::Brief });
    if pace.one_time { Sources { spare: Spares::None, ..sources } } else { sources }
}

/// What stands where git-sync has Go's profiler: the kernel's figures of this process.
fn serve_process_figures(process: &Process) {
    process.http.route(Method::GET, "/debug/pprof/", Access::Public, |_| async {
        let figures = tokio::fs::read("/proc/self/status").await.unwrap_or_default();
        Reply::text(StatusCode::OK, figures)
    });
}

/// Starts the hooks that the settings name, each in a task of its own.
fn start_hooks(settings: &HookSettings, pace: &Pace, process: &Process) -> (BeforePublish, Hooks) {
    let retry = |backoff| if pace.one_time { Retry::Never } else { Retry::After(backoff) };
    let start =
        |name, action, backoff| Hook::start(name, action, retry(backoff), &process.metrics, process.drain.clone());
    let mut hooks = Hooks::default();
    let mut before_publish = BeforePublish::Nothing;
    if let Some(program) = settings.pre_publish_exechook_command.clone() {
        let name = "pre-publish-exechook";
        let action = Action::Exec(Exec::new(program, settings.pre_publish_exechook_timeout));
        before_publish = if settings.pre_publish_exechook_gate {
            BeforePublish::Ask(action, Runs::new(name, &process.metrics))
        } else {
            let hook = start(name, action, settings.pre_publish_exechook_backoff);
            hooks.before = Some(hook.clone());
            BeforePublish::Tell(hook)
        };
    }
    if let Some(program) = settings.exechook_command.clone() {
        let action = Action::Exec(Exec::new(program, settings.exechook_timeout));
        hooks.after.push(start("exechook", action, settings.exechook_backoff));
    }
    if let Some(url) = settings.webhook_url.clone() {
        let action = Action::Web(Web {
            client: Client::default(),
            url,
            method: settings.webhook_method.clone(),
            success: u16::try_from(settings.webhook_success_status).ok().filter(|status| *status > 0),
            timeout: settings.webhook_timeout,
            body: settings.webhook_body,
        });
        hooks.after.push(start("webhook", action, settings.webhook_backoff));
    }
    (before_publish, hooks)
}
