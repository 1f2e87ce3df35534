//! PID 1: forwards signals to the mode, which runs as a child, and reaps every orphan that the kernel hands to us.
//!
//! Only a process that starts others needs this: a hook's own children become ours when the hook dies, and nobody else
//! in the container would ever reap them. The child is this same binary; a variable tells it that it is the child.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::anyhow;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

use super::fault::Fault;

/// Set for the child, so that it does not start a child again.
const CHILD: &str = "PATTERNS_INIT_CHILD";

/// The signals that a container's process is sent for a reason.
const FORWARDED: [Signal; 7] =
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::WINCH];

/// Whether this process must be the init of its container before it may start other processes.
pub fn is_needed() -> bool {
    getpid().is_init() && std::env::var_os(CHILD).is_none()
}

/// Runs this same binary with these same arguments as a child, until it ends; answers with its exit code
/// (128 + the signal's number when a signal ended it).
///
/// # Errors
/// The child cannot be started or waited for.
pub fn supervise() -> Result<ExitCode, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::failed(error).context("cannot start the init's runtime"))?;
    runtime.block_on(async {
        // Watched before the child starts: a signal that comes now must not be lost.
        let mut died = signal(SignalKind::child()).map_err(watch_fault)?;
        let (forward, mut forwarded) = tokio::sync::mpsc::channel(FORWARDED.len());
        for number in FORWARDED {
            let mut stream = signal(SignalKind::from_raw(number.as_raw())).map_err(watch_fault)?;
            let forward = forward.clone();
            tokio::spawn(async move { while stream.recv().await.is_some() && forward.send(number).await.is_ok() {} });
        }
        let binary =
            std::env::current_exe().map_err(|error| Fault::failed(error).context("cannot find this binary"))?;
        let mut arguments = std::env::args_os();
        let mut command = Command::new(binary);
        // The name that we were called by decides the mode.
        command.arg0(arguments.next().unwrap_or_default()).args(arguments).env(CHILD, "1");
        let child = command.spawn();
        let child = child.map_err(|error| Fault::failed(error).context("cannot start the mode as a child of PID 1"))?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| Fault::bug(anyhow!("a child has no PID")))?;
        loop {
            tokio::select! {
                Some(number) = forwarded.recv() => {
                    // It fails only when the child is gone, which the next turn of the loop finds out.
                    let _ = kill_process(pid, number);
                }
                _ = died.recv() => {
                    if let Some(code) = reap(pid) {
                        return Ok(code);
                    }
                }
            }
        }
    })
}

/// Reaps whatever has died; the exit code of the child, if it is among the dead.
fn reap(child: Pid) -> Option<ExitCode> {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            let status = ExitStatus::from_raw(status.as_raw());
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            return Some(ExitCode::from(u8::try_from(code).unwrap_or(1)));
        }
    }
    None
}

fn watch_fault(error: std::io::Error) -> Fault {
    Fault::failed(error).context("cannot watch for signals")
}
