//! A hook that is a program.
//!
//! In: an event. Out: one run of the program, without shell or arguments, in the new tree, with the event in its environment
//! (`GITSYNC_HASH`, `GITSYNC_PREVIOUS_HASH`, `GITSYNC_REF`, and in `GITSYNC_CHANGES` the file that lists what differs). It gets the environment of this process but
//! no secret. It is the leader of a process group, all of which is killed at the timeout.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt;

use super::{Event, HookError};
use crate::core::secret::redact_urls;

/// What of a failed program's output is told.
const OUTPUT: u64 = 4096;

/// A program and its timeout.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    program: String,
    timeout: Duration,
}

impl Exec {
    pub(crate) fn new(program: String, timeout: Duration) -> Self {
        Self { program, timeout }
    }

    pub(super) async fn run(&self, event: &Event) -> Result<(), HookError> {
        let mut command = tokio::process::Command::new(&self.program);
        command.current_dir(&event.tree).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear().envs(std::env::vars_os().filter(|(name, value)| is_harmless(name, value)));
        // What an outer sync was told, of which we may be a hook, is not what ours is told.
        command.env_remove("GITSYNC_PREVIOUS_HASH").env_remove("GITSYNC_CHANGES");
        command.env("GITSYNC_HASH", event.commit.to_string());
        command.env("GITSYNC_REF", &event.reference);
        if let Some(before) = event.before {
            command.env("GITSYNC_PREVIOUS_HASH", before.to_string());
        }
        if let Some(changes) = &event.changes {
            command.env("GITSYNC_CHANGES", &changes.file);
        }
        let mut child = command.spawn().map_err(|error| HookError::Start(self.program.clone(), error))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (_, output, status) = tokio::join!(kept(stdout), kept(stderr), child.wait());
            (output, status)
        };
        let (output, status) = tokio::time::timeout(self.timeout, work)
            .await
            .map_err(|_| HookError::TimedOut(self.program.clone(), self.timeout))?;
        group.forget();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                Err(HookError::Failed { program: self.program.clone(), how: format!("ended with {status}"), output })
            }
            Err(error) => Err(HookError::Start(self.program.clone(), error)),
        }
    }
}

/// The first bytes of what a program writes, escaped; the rest is read and dropped, so that it never blocks.
async fn kept(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut first = Vec::new();
    // A broken pipe ends the output; how the program ended says the rest.
    let _ = (&mut stream).take(OUTPUT).read_to_end(&mut first).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(first.trim_ascii()).escape_debug().to_string()
}

/// Kills what is left of the program's process group when it goes out of scope.
struct Group(Option<Pid>);

impl Group {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, Signal::KILL); // it may be gone already
        }
    }
}

/// Whether a variable may be handed on: our settings may hold secrets, by name or in a URL, and so may the proxy that we use.
fn is_harmless(name: &OsStr, value: &OsString) -> bool {
    let Some(name) = name.to_str() else { return true };
    if name.to_ascii_lowercase().ends_with("_proxy") {
        let text = value.to_string_lossy();
        return redact_urls(&text) == text && !text.contains('@');
    }
    let Some(setting) =
        ["PATTERNS_SYNC_GIT_", "GITSYNC_", "GIT_SYNC_", "GIT_"].iter().find_map(|p| name.strip_prefix(p))
    else {
        return true;
    };
    let is_secret = match setting {
        "PASSWORD" | "GITHUB_APP_PRIVATE_KEY" | "CREDENTIAL" | "GIT_CONFIG" | "GIT_CONFIG_ADD" => true,
        other => other.ends_with("_TOKEN") || other.ends_with("_SECRET") || other.starts_with("CONFIG_VALUE_"),
    };
    let text = value.to_string_lossy();
    !is_secret && redact_urls(&text) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_behind() {
        let verdict = |name: &str, value: &str| is_harmless(OsStr::new(name), &value.into());
        for (name, value) in [
            ("GITSYNC_PASSWORD", "x"),
            ("GIT_SYNC_PASSWORD", "x"),
            ("GITSYNC_GITHUB_APP_PRIVATE_KEY", "x"),
            ("GITSYNC_REPO", "https://u:p@host/x"),
            ("PATTERNS_SYNC_GIT_CREDENTIAL", "[]"),
            ("GITSYNC_GIT_CONFIG", "http.extraHeader:x"),
            ("https_proxy", "http://u:p@proxy:3128"),
            ("ALL_PROXY", "u:p@proxy:3128"),
        ] {
            assert!(!verdict(name, value), "{name}");
        }
        for (name, value) in [
            ("PATH", "/bin"),
            ("GITSYNC_PASSWORD_FILE", "/x"),
            ("GITSYNC_REPO", "https://host/x"),
            ("ENVKEY", "envval"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("DATABASE_URL", "postgres://the:hooks@own/secret"),
        ] {
            assert!(verdict(name, value), "{name}");
        }
    }
}
