//! Watches one file for a new content, as ConfigMap and Secret volumes change it: by swapping a `..data` symlink.
//!
//! The parent directory is watched, since the file itself may be a link through a directory that is replaced. Any event
//! is a hint: after a short calm the content's hash is compared, and only a new one is told. Where no events come
//! (NFS, a `subPath` mount), a slow poll finds the change.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::warn;

/// How long events must be silent before the content is looked at: one swap makes several events.
const CALM: Duration = Duration::from_millis(100);
/// How often the content is looked at when no event comes.
const POLL: Duration = Duration::from_secs(30);

/// One watched file.
pub struct FileWatch {
    path: PathBuf,
    seen: Option<u64>,
    events: mpsc::Receiver<()>,
    /// Kept alive for its events; `None` where the machine gives no watch (then the poll remains).
    _watcher: Option<RecommendedWatcher>,
}

impl FileWatch {
    /// Begins to watch; the content of this moment counts as known. The file need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // One place in the channel is enough: an event is a hint, and two hints say no more than one.
        let (hint, events) = mpsc::channel(1);
        let watcher = watch(&path, hint).inspect_err(|error| {
            warn!(path = %path.display(), %error, poll_seconds = POLL.as_secs(), "cannot watch for changes, will poll");
        });
        Self { seen: digest(&path), path, events, _watcher: watcher.ok() }
    }

    /// Waits until the file has another content than before. Cancel safe: no change is lost.
    ///
    /// A file that vanishes is no change; it counts as one when it is back with another content.
    pub async fn changed(&mut self) {
        loop {
            let ended = matches!(timeout(POLL, self.events.recv()).await, Ok(None));
            if ended {
                sleep(POLL).await;
            }
            while matches!(timeout(CALM, self.events.recv()).await, Ok(Some(()))) {}
            let now = digest(&self.path);
            if now.is_some() && now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// The watched path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn watch(path: &Path, hint: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Our own look at the content is told as well: taken for a hint, it would lead to the next look, for ever.
        if !event.is_ok_and(|event| is_look(event.kind)) {
            // A full channel holds a hint already.
            let _ = hint.try_send(());
        }
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(parent, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Whether somebody has only looked at a file.
fn is_look(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn digest(path: &Path) -> Option<u64> {
    let bytes = std::fs::read(path).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn swap(dir: &Path, generation: &str, content: &str) {
        std::fs::create_dir(dir.join(generation)).unwrap();
        std::fs::write(dir.join(generation).join("f.yaml"), content).unwrap();
        symlink(generation, dir.join("..data_tmp")).unwrap();
        std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    }

    #[tokio::test]
    async fn a_configmap_swap_is_one_change_and_the_same_content_is_none() {
        let dir = tempfile::tempdir().unwrap();
        swap(dir.path(), "..1", "a: 1");
        symlink("..data/f.yaml", dir.path().join("f.yaml")).unwrap();
        let mut watch = FileWatch::new(dir.path().join("f.yaml"));

        swap(dir.path(), "..2", "a: 1");
        let same = timeout(Duration::from_millis(600), watch.changed()).await;
        assert!(same.is_err(), "the same content was told as a change");

        swap(dir.path(), "..3", "a: 2");
        timeout(Duration::from_secs(20), watch.changed()).await.expect("the change was not told");
    }
    #[tokio::test]
    async fn a_look_at_the_file_is_no_hint_to_look_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.yaml");
        std::fs::write(&path, "a: 1").unwrap();
        let mut watch = FileWatch::new(&path);
        for _ in 0..3 {
            std::fs::read(&path).unwrap();
            let hint = timeout(Duration::from_millis(200), watch.events.recv()).await;
            assert!(hint.is_err(), "reading the file was told as a hint");
        }
        std::fs::write(&path, "a: 2").unwrap();
        timeout(Duration::from_secs(20), watch.changed()).await.expect("the change was not told");
    }
}
