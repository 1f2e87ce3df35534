//! `patterns install-links DIR`: a link per mode, so that the binary runs as the tool that it stands in for.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use crate::core::fault::Fault;
use crate::core::stdout::say;
use crate::modes;

#[derive(Args)]
pub(super) struct InstallLinks {
    /// Where to make the links; it must exist
    directory: PathBuf,
}

impl InstallLinks {
    pub(super) fn run(&self) -> Result<(), Fault> {
        let binary =
            std::env::current_exe().map_err(|error| Fault::failed(error).context("cannot find this binary"))?;
        for name in
            modes::ALL.iter().flat_map(|mode| std::iter::once(mode.name).chain(mode.links.iter().map(|link| link.name)))
        {
            let link = self.directory.join(name);
            match std::fs::symlink_metadata(&link) {
                Ok(found) if !found.is_symlink() => {
                    return Err(
                        Fault::failed(anyhow!("{} is there and is no link", link.display())).hint("move it away first")
                    );
                }
                Ok(_) => std::fs::remove_file(&link)
                    .map_err(|error| Fault::failed(error).context(format!("cannot replace {}", link.display())))?,
                Err(_) => {}
            }
            symlink(&binary, &link)
                .map_err(|error| Fault::failed(error).context(format!("cannot make {}", link.display())))?;
            say(format!("{} -> {}\n", link.display(), binary.display()))?;
        }
        Ok(())
    }
}
