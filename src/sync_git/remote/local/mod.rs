//! `file://` and paths: the other repository's object database is read in this process, no server is started.
//!
//! In: a path. Out: the same references, shallow boundaries and pack that a server would give. Refused: what libgit2 cannot open (SHA-256, reftable).
//!
//! The repository may belong to somebody else: nothing of it is executed, and none of its configuration counts beyond its format. All reading is
//! done on a blocking thread, which stops at its next step when the future that waits for it is dropped.

mod pack;
mod packed;
mod reach;
mod refs;

use std::path::{Path, PathBuf};
use std::sync::Once;

use bytes::Bytes;
use git2::{Repository, RepositoryOpenFlags};
use tokio::sync::mpsc;

use super::error::{Reason, RemoteError};
use super::pktline::printable;
use super::refs::Refs;
use super::request::{FetchOutcome, FetchRequest, PackSink};

pub(super) use self::refs::Match;

/// A repository on this machine; kept open between polls, so that its packed references are parsed once.
pub(super) struct LocalRepository {
    path: PathBuf,
    repository: Option<Repository>,
}

/// Pieces of pack between the reading thread and the sink, which has a queue of its own.
const IN_FLIGHT: usize = 4;
/// What ends a pack, in bytes.
const CHECKSUM: u64 = 20;
/// What libgit2 may keep of objects that it read; by default it is 256 MiB.
const LIBGIT2_CACHE: isize = 4 << 20;

impl LocalRepository {
    pub(super) fn new(path: &str) -> Self {
        Self { path: PathBuf::from(path), repository: None }
    }

    pub(super) async fn ls_refs(&mut self, names: &[String], matching: Match) -> Result<Refs, RemoteError> {
        let names = names.to_vec();
        self.blocking(move |repository| refs::list(repository, &names, matching)).await
    }

    pub(super) async fn fetch(
        &mut self,
        request: &FetchRequest,
        sink: &mut impl PackSink,
    ) -> Result<FetchOutcome, RemoteError> {
        let request = request.clone();
        let (sender, mut pieces) = mpsc::channel::<Bytes>(IN_FLIGHT);
        let taker = &mut *sink;
        let sent = async move {
            let mut length = 0_u64;
            while let Some(piece) = pieces.recv().await {
                length += piece.len() as u64;
                taker.take(piece).await.map_err(storing)?;
            }
            Ok::<_, RemoteError>(length)
        };
        let read = self.blocking(move |repository| {
            let reach = reach::Reach::find(repository, &request, || sender.is_closed())?;
            pack::send(repository, &reach.objects, &sender)?;
            Ok(reach.outcome)
        });
        let (length, outcome) = tokio::join!(sent, read);
        // When the sink gave up, the reader only knows that nobody listens.
        let length = length?;
        // Its packs stay mapped as long as it is open.
        self.repository = None;
        let outcome = outcome?;
        sink.seal().await.map_err(storing)?;
        Ok(FetchOutcome { pack_bytes: length + CHECKSUM, ..outcome })
    }

    /// Runs `work` on a blocking thread with the repository open.
    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Repository) -> Result<T, RemoteError> + Send + 'static,
    ) -> Result<T, RemoteError> {
        let kept = self.repository.take();
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let repository = match kept {
                Some(repository) => repository,
                None => open(&path)?,
            };
            let done = work(&repository)?;
            Ok::<_, RemoteError>((repository, done))
        });
        let (repository, done) = task.await.map_err(|error| RemoteError::local("reading the repository", error))??;
        self.repository = Some(repository);
        Ok(done)
    }
}

/// Opens what git would: a work tree, a bare repository, a `.git` file, with or without the suffix.
fn open(path: &Path) -> Result<Repository, RemoteError> {
    isolate_libgit2()?;
    let mut with_suffix = path.as_os_str().to_owned();
    with_suffix.push(".git");
    let mut last = None;
    for candidate in [path, Path::new(&with_suffix)] {
        let opened = Repository::open_ext(candidate, RepositoryOpenFlags::NO_SEARCH, None::<&Path>);
        match opened {
            Ok(repository) => return Ok(repository),
            Err(error) => last = last.or(Some(error)),
        }
    }
    let why = last.map(|error| error.message().to_owned()).unwrap_or_default();
    Err(RemoteError::Unsupported(format!(
        "{} is not a git repository that can be read here: {}",
        path.display(),
        printable(why.as_bytes())
    )))
}

/// Makes libgit2 heed no configuration but a repository's own format, whoever owns it, and keep little in memory.
///
/// # Errors
/// When libgit2 refuses.
pub(in super::super) fn isolate_libgit2() -> Result<(), RemoteError> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| outcome = isolate());
    outcome.map_err(|error| RemoteError::local("setting up libgit2", error))
}

#[allow(unsafe_code, reason = "libgit2's process-wide options have no safe form")]
fn isolate() -> Result<(), git2::Error> {
    use git2::ConfigLevel::{Global, ProgramData, System, XDG};
    for level in [ProgramData, System, XDG, Global] {
        // SAFETY: libgit2's options are process-wide; `Once` orders this before every use in this module.
        unsafe { git2::opts::set_search_path(level, "")? };
    }
    // The reader hashes each object anyway, and what is sent is named by its content.
    git2::opts::strict_hash_verification(false);
    // SAFETY: as above.
    unsafe {
        git2::opts::set_cache_max_size(LIBGIT2_CACHE)?;
        git2::opts::set_verify_owner_validation(false)
    }
}

fn storing(reason: Reason) -> RemoteError {
    RemoteError::local("storing the pack", reason)
}

/// libgit2's error, as ours.
fn reading(what: &'static str) -> impl Fn(git2::Error) -> RemoteError {
    move |error| RemoteError::local(what, error)
}
