//! `GIT_SSH_COMMAND`: another program speaks SSH for us.
//!
//! In: the command's words, a URL, keys and known_hosts. Out: a [`Duplex`] over its standard input and output. Refused: words that no shell would accept.
//!
//! There is no shell: the command is split as one would split it, and started with our options behind its own. It has a process group of its own,
//! which is killed when the session ends or is dropped, so that a deadline also ends what the program started.

use std::ffi::OsString;
use std::process::Stdio;

use bytes::BytesMut;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::super::error::RemoteError;
use super::super::options::{HostKeys, SshOptions};
use super::super::stream::Duplex;
use super::super::url::Url;
use super::{Forwarded, IN_FLIGHT, MAX_WORDS, ended};

const READ_SIZE: usize = 64 * 1024;

pub(super) fn open(
    command: &str,
    url: &Url,
    options: &SshOptions,
    version: u8,
    there: &str,
) -> Result<Duplex, RemoteError> {
    let words = shell_words::split(command)
        .map_err(|error| RemoteError::Unsupported(format!("GIT_SSH_COMMAND cannot be split into words: {error}")))?;
    let Some((program, first)) = words.split_first() else {
        return Err(RemoteError::Unsupported("GIT_SSH_COMMAND is empty".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(first).args(arguments(url, options, there));
    if version > 0 {
        command.env("GIT_PROTOCOL", format!("version={version}"));
    }
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|error| RemoteError::local(format!("starting {program}"), error))?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(RemoteError::local(format!("starting {program}"), "its standard streams are not there"));
    };
    let group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
    let (sender, chunks) = mpsc::channel(IN_FLIGHT);
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut words = Vec::new();
        tokio::join!(forward(stdout, &sender), listen(stderr, &mut words));
        if let Some(error) = ended(&words, exit_status(child).await) {
            // Nobody may be reading any more; then nobody needs to know.
            let _ = sender.send(Err(error)).await;
        }
    }));
    let mut duplex = Duplex::over(Box::new(Forwarded { chunks, _task: task }), Box::pin(stdin));
    duplex.keep(group);
    Ok(duplex)
}

/// Ours, behind the command's own. `--` keeps a host from being an option, although [`Url`] refuses such hosts already.
fn arguments(url: &Url, options: &SshOptions, there: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-o".into(), "SendEnv=GIT_PROTOCOL".into()];
    for key in &options.keys {
        arguments.extend(["-i".into(), key.into()]);
    }
    match &options.host_keys {
        HostKeys::Any => arguments.extend(["-o".into(), "StrictHostKeyChecking=no".into()]),
        HostKeys::Known(files) => {
            arguments.extend(["-o".into(), "StrictHostKeyChecking=yes".into()]);
            if !files.is_empty() {
                let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                arguments.extend(["-o".into(), format!("UserKnownHostsFile={}", files.join(" ")).into()]);
            }
        }
    }
    if url.port() != url.scheme().default_port() {
        arguments.extend(["-p".into(), url.port().to_string().into()]);
    }
    let host = url.user().map_or_else(|| url.host().to_owned(), |user| format!("{user}@{}", url.host()));
    arguments.extend(["--".into(), host.into(), there.into()]);
    arguments
}

async fn forward(mut stdout: impl AsyncRead + Unpin, chunks: &mpsc::Sender<Result<bytes::Bytes, RemoteError>>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_SIZE);
        match stdout.read_buf(&mut buffer).await {
            Ok(0) => return,
            Ok(_) => {
                if chunks.send(Ok(buffer.split().freeze())).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let _ = chunks.send(Err(RemoteError::network("reading from ssh", error))).await;
                return;
            }
        }
    }
}

/// Keeps the beginning of what the program says, and reads the rest away.
async fn listen(mut stderr: impl AsyncRead + Unpin, words: &mut Vec<u8>) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = MAX_WORDS - words.len();
        words.extend_from_slice(&buffer[..read.min(room)]);
    }
}

async fn exit_status(mut child: Child) -> Option<i32> {
    child.wait().await.ok()?.code()
}

/// The program and whatever it started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
