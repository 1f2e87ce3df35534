//! HotSpot's attach socket: the JVM opens it on request, and then takes one command for each connection.
//!
//! The request is a file with the JVM's number and SIGQUIT. It is made only to a JVM that catches the signal, and only
//! once to one that does not answer.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::process::Jvm;

/// A JVM opens its socket within some 20 ms, unless it stands at a long safepoint.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Starting the agent takes less than 100 ms.
const ANSWER: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: u64 = 1 << 20;

/// Runs one command in the JVM; what it printed, if it succeeded.
///
/// # Errors
/// In words that end a sentence which names the process.
pub(crate) async fn command(jvm: &Jvm, command: &[&str]) -> Result<String, String> {
    let socket = socket(jvm).await?;
    let deadline = Instant::now() + ANSWER;
    let exchange = async {
        let mut stream = UnixStream::connect(&socket).await?;
        let mut request = b"1\0".to_vec();
        // A command and three arguments, each with its end.
        for at in 0..4 {
            request.extend_from_slice(command.get(at).copied().unwrap_or_default().as_bytes());
            request.push(0);
        }
        stream.write_all(&request).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout_at(deadline, exchange).await.map_err(|_| format!("it did not answer within {ANSWER:?}"))?;
    let answer = answer.map_err(|error| format!("its attach socket: {error}"))?;
    match answer.split_once('\n') {
        Some(("0", text)) => Ok(text.to_owned()),
        Some((code, text)) => {
            let words = text.lines().next().unwrap_or_default();
            Err(format!("it refused {:?} with code {code}: {words}", command.join(" ")))
        }
        None => Err("its attach socket gave no answer".to_owned()),
    }
}

/// The JVM's socket, asked for if it is not there yet.
async fn socket(jvm: &Jvm) -> Result<PathBuf, String> {
    let socket = jvm.in_tmp(&format!(".java_pid{}", jvm.inner_pid));
    let is_there = || fs::symlink_metadata(&socket).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_there() {
        return Ok(socket);
    }
    if !jvm.catches_quit() {
        return Err("it was started with -Xrs and would die of the signal that opens its attach socket".to_owned());
    }
    if jvm.is_silent() {
        return Err("it did not open its attach socket when asked before (-XX:+DisableAttachMechanism?)".to_owned());
    }
    let name = format!(".attach_pid{}", jvm.inner_pid);
    let request = [jvm.in_working_directory(&name), jvm.in_tmp(&name)];
    let request =
        request.into_iter().find(|path| fs::OpenOptions::new().write(true).create_new(true).open(path).is_ok());
    let request = request.ok_or("neither its working directory nor its /tmp can be written to")?;
    let asked = ask(jvm, &request);
    let deadline = Instant::now() + PATIENCE;
    while asked.is_ok() && !is_there() && Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
    }
    // It has done its duty either way.
    let _ = fs::remove_file(&request);
    asked?;
    if is_there() {
        return Ok(socket);
    }
    jvm.remember_silence();
    Err(format!("it did not open its attach socket within {PATIENCE:?} (-XX:+DisableAttachMechanism?)"))
}

fn ask(jvm: &Jvm, request: &PathBuf) -> Result<(), String> {
    // The JVM ignores a request of another user's, and takes the signal for a wish for a thread dump.
    let owner = fs::metadata(request).map_err(|error| error.to_string())?.uid();
    let effective = rustix::process::geteuid().as_raw();
    if owner != effective {
        return Err(format!("the request belongs to user {owner} instead of {effective}"));
    }
    let pid = i32::try_from(jvm.pid).ok().and_then(Pid::from_raw).ok_or("its number is none")?;
    kill_process(pid, Signal::QUIT).map_err(|error| format!("it cannot be signalled: {error}"))
}
