//! What is made of files and follows them: certificates are renewed, users come and go while the process runs.
//!
//! New files that are of no use leave the last good content in force, which is said once and counted.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::core::lifecycle::Process;
use crate::core::mode::Invocation;
use crate::core::reload::FileWatch;

type Load<C> = Box<dyn Fn() -> Result<Arc<C>> + Send + Sync>;

/// What the files say now.
pub struct Rotating<C> {
    current: ArcSwap<C>,
    load: Load<C>,
    files: Vec<PathBuf>,
    /// What they are, for the log and the counter's label.
    what: &'static str,
}

impl<C: Send + Sync + 'static> Rotating<C> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// What `load` says of them.
    pub fn new(
        what: &'static str,
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<Arc<C>> + Send + Sync + 'static,
    ) -> Result<Arc<Self>> {
        let current = ArcSwap::new(load()?);
        Ok(Arc::new(Self { current, load: Box::new(load), files, what }))
    }

    /// What the last good files say.
    pub fn current(&self) -> Arc<C> {
        self.current.load_full()
    }

    /// Follows the files, and SIGHUP, until the process drains.
    pub fn follow(self: &Arc<Self>, process: &Process) {
        let counter = |result| {
            let help = "Reloads of files beside the settings, by a change of them or by SIGHUP.";
            process.metrics.counter("patterns_file_reloads_total", help, &[("of", self.what), ("result", result)])
        };
        let (done, refused) = (counter("done"), counter("refused"));
        let changes = self.files.iter().map(|file| Change::File(Box::new(FileWatch::new(file))));
        for mut change in changes.chain([Change::Settings(process.settings.clone())]) {
            let (rotating, drain) = (self.clone(), process.drain.clone());
            let (done, refused) = (done.clone(), refused.clone());
            process.tasks.spawn("files", async move {
                while change.next(&drain).await {
                    match (rotating.load)() {
                        Ok(config) => {
                            rotating.current.store(config);
                            done.increment();
                            info!(of = rotating.what, "files are read again");
                        }
                        Err(error) => {
                            refused.increment();
                            error!(
                                of = rotating.what,
                                error = format!("{error:#}"),
                                "new files are of no use; the last good ones stay in force"
                            );
                        }
                    }
                }
                Ok(())
            });
        }
    }
}

/// What makes us look again.
enum Change {
    File(Box<FileWatch>),
    Settings(tokio::sync::watch::Receiver<Invocation>),
}

impl Change {
    /// Waits for it; `false` when the process drains.
    async fn next(&mut self, drain: &CancellationToken) -> bool {
        let changed = async {
            match self {
                Change::File(file) => file.changed().await,
                // The sender lives as long as the process runs.
                Change::Settings(settings) => match settings.changed().await {
                    Ok(()) => {}
                    Err(_) => std::future::pending().await,
                },
            }
        };
        drain.run_until_cancelled(changed).await.is_some()
    }
}
