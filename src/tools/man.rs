//! `patterns man DIR`: a page per command, derived from the command tree, compared with `man/` by a test.

use std::path::PathBuf;

use clap::{Args, Command};

use super::{command, say};
use crate::core::fault::Fault;

/// The date on the pages: the release's, so that the same source gives the same pages.
const DATE: &str = "2026-11-22";

#[derive(Args)]
pub(super) struct Man {
    /// Where to write the pages; it must exist
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> Result<(), Fault> {
        for (name, page) in pages() {
            let path = self.directory.join(&name);
            std::fs::write(&path, page)
                .map_err(|error| Fault::failed(error).context(format!("cannot write {}", path.display())))?;
            say(format!("{}\n", path.display()).as_bytes())?;
        }
        Ok(())
    }
}

/// Every page: its file name and its roff text.
pub fn pages() -> Vec<(String, Vec<u8>)> {
    let mut root = command();
    root.build();
    let mut pages = Vec::new();
    walk(&root, "patterns", &mut pages);
    pages
}

fn walk(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    let page = clap_mangen::Man::new(command.clone().name(name.to_owned()).bin_name(name.to_owned()))
        .title(name.to_uppercase())
        .section("1")
        .date(DATE)
        .source(format!("container-patterns {}", env!("CARGO_PKG_VERSION")))
        .manual("Container patterns");
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    if page.render(&mut text).is_ok() {
        pages.push((format!("{name}.1"), text));
    }
    for child in command.get_subcommands() {
        walk(child, &format!("{name}-{}", child.get_name()), pages);
    }
}
