//! Downloads: the objects that are not here, several at a time.
//!
//! In: where the LFS server is, the pointers of what is wanted. Out: the objects in the local store, each with its size and
//! SHA-256 proved before it gets its name. A download that breaks off goes on where it stopped, now or at the next sync; a
//! server that errs is asked again a few times. Credentials go where the repository's may go; what the server's answer says
//! must go along with a download goes there, and nowhere else.

use std::path::PathBuf;
use std::time::Duration;

use ring::digest;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::super::files::At;
use super::super::remote::{Ask, Options, RemoteError, Url, WebClient};
use super::LfsError;
use super::batch::{self, Place};
use super::objects::{Objects, hex};
use super::pointer::Pointer;

/// Downloads at the same time, each on a connection of its own: as many as git-lfs has by half, so that four repositories
/// do not look like an attack.
const PARALLEL: usize = 4;
/// How often a server may fail at one object before the sync does.
const ATTEMPTS: u32 = 3;
/// The first pause before asking again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Where a repository's objects are.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// An LFS server, and what it wants to see of us besides.
    Server { url: Url, headers: Vec<(String, String)> },
    /// Directories of objects on this machine.
    Here(Vec<PathBuf>),
}

/// Brings the objects that are wanted; answers with the bytes received.
///
/// # Errors
/// The first that cannot be had.
pub(super) async fn fetch(
    endpoint: Endpoint,
    repository: &Url,
    options: &Options,
    wanted: Vec<Pointer>,
    objects: &Objects,
) -> Result<u64, LfsError> {
    objects.prepare()?;
    let (url, headers) = match endpoint {
        Endpoint::Server { url, headers } => (url, headers),
        Endpoint::Here(directories) => return copy(directories, wanted, objects.clone()).await,
    };
    let mut web = WebClient::new(repository, options.clone());
    let mut bytes = 0;
    for some in wanted.chunks(batch::MOST) {
        let mut places = ask(&mut web, &url, &headers, some).await?;
        let mut running = JoinSet::new();
        let each = places.len().div_ceil(PARALLEL);
        while !places.is_empty() {
            let part = places.split_off(places.len().saturating_sub(each));
            let (objects, mut web) = (objects.clone(), WebClient::new(repository, options.clone()));
            running.spawn(async move {
                let mut bytes = 0;
                for place in part {
                    bytes += download(&mut web, &place, &objects).await?;
                }
                Ok::<_, LfsError>(bytes)
            });
        }
        while let Some(done) = running.join_next().await {
            bytes += done.map_err(|panic| LfsError::Defect(panic.to_string()))??;
        }
    }
    Ok(bytes)
}

async fn copy(directories: Vec<PathBuf>, wanted: Vec<Pointer>, objects: Objects) -> Result<u64, LfsError> {
    let copied = tokio::task::spawn_blocking(move || {
        for pointer in wanted {
            let mut is_here = false;
            for directory in &directories {
                is_here = is_here || objects.copy_from(directory, &pointer)?;
            }
            if !is_here {
                return Err(LfsError::Missing(pointer.oid));
            }
        }
        Ok(0)
    });
    copied.await.map_err(|panic| LfsError::Defect(panic.to_string()))?
}

/// Asks the server where objects are.
async fn ask(
    web: &mut WebClient,
    endpoint: &Url,
    headers: &[(String, String)],
    wanted: &[Pointer],
) -> Result<Vec<Place>, LfsError> {
    let url = endpoint.below("objects/batch");
    let mut attempt = 1;
    loop {
        let ask = Ask {
            accept: batch::MEDIA_TYPE,
            content_type: batch::MEDIA_TYPE,
            headers: headers.to_vec(),
            body: Some(batch::request(wanted)),
            from: 0,
        };
        let answer = async {
            let answer = web.ask(&url, ask).await?;
            Ok::<_, RemoteError>((answer.status, answer.whole(batch::LARGEST_ANSWER).await?))
        };
        let refused = match answer.await {
            Ok((200, body)) => return Ok(batch::places(wanted, &body)?),
            Ok((status, body)) => LfsError::Server { status, url: url.to_string(), words: batch::words(&body) },
            Err(error) => error.into(),
        };
        if attempt >= ATTEMPTS || !refused.may_pass() {
            return Err(refused);
        }
        pause(attempt, &refused).await;
        attempt += 1;
    }
}

/// Brings one object.
async fn download(web: &mut WebClient, place: &Place, objects: &Objects) -> Result<u64, LfsError> {
    let mut bytes = 0;
    let mut attempt = 1;
    loop {
        let refused = match receive(web, place, objects, &mut bytes).await {
            Ok(()) => return Ok(bytes),
            Err(refused) => refused,
        };
        if attempt >= ATTEMPTS || !refused.may_pass() {
            return Err(refused);
        }
        pause(attempt, &refused).await;
        attempt += 1;
    }
}

async fn pause(attempt: u32, refused: &LfsError) {
    tracing::debug!(error = %refused, attempt, "the LFS server is asked again");
    tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
}

/// One attempt, which goes on where the last one stopped.
async fn receive(web: &mut WebClient, place: &Place, objects: &Objects, bytes: &mut u64) -> Result<(), LfsError> {
    let Place { pointer, url, headers } = place;
    let path = objects.partial(&pointer.oid);
    let (mut hash, mut have) = part(&path, pointer).await?;
    let ask = Ask { accept: "*/*", headers: headers.clone(), from: have, ..Ask::default() };
    let mut contents = web.ask(url, ask).await?;
    match contents.status {
        206 if contents.from == have && have > 0 => {}
        200 => (hash, have) = (digest::Context::new(&digest::SHA256), 0),
        206 | 416 => {
            // It has another idea of what we have: from the beginning, then.
            super::super::files::remove(&path)?;
            return Err(RemoteError::Protocol("the LFS server sent another part than was asked for".to_owned()).into());
        }
        404 | 410 => return Err(LfsError::Missing(pointer.oid.clone())),
        status => return Err(LfsError::Server { status, url: url.to_string(), words: None }),
    }
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(have == 0)
        .append(have > 0)
        .open(&path)
        .await
        .at("write", &path)?;
    let received = loop {
        match contents.next().await {
            Ok(Some(chunk)) if have + chunk.len() as u64 > pointer.size => {
                break Err(LfsError::Content(pointer.oid.clone()));
            }
            Ok(Some(chunk)) => {
                hash.update(&chunk);
                have += chunk.len() as u64;
                *bytes += chunk.len() as u64;
                file.write_all(&chunk).await.at("write", &path)?;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    file.flush().await.at("write", &path)?;
    drop(file);
    let is_content = have == pointer.size && hex(hash.finish().as_ref()) == pointer.oid;
    match received {
        Ok(()) if is_content => Ok(objects.admit(&path, pointer)?),
        // A connection that broke off: what came is kept.
        Err(error @ LfsError::Remote(_)) => Err(error),
        Ok(()) | Err(_) => {
            super::super::files::remove(&path)?;
            Err(LfsError::Content(pointer.oid.clone()))
        }
    }
}

/// What is here of an object already: its hash so far, and its length.
async fn part(path: &std::path::Path, pointer: &Pointer) -> Result<(digest::Context, u64), LfsError> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let Ok(mut file) = tokio::fs::File::open(path).await else { return Ok((hash, 0)) };
    let length = file.metadata().await.at("read", path)?.len();
    // Nothing is left to ask for: whatever it is, it did not become the object.
    if length >= pointer.size {
        super::super::files::remove(path)?;
        return Ok((hash, 0));
    }
    let mut buffer = vec![0; 128 << 10];
    loop {
        match tokio::io::AsyncReadExt::read(&mut file, &mut buffer).await.at("read", path)? {
            0 => return Ok((hash, length)),
            read => hash.update(&buffer[..read]),
        }
    }
}
