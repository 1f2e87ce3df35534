//! `patterns man DIR`: a page per command, derived from the command tree, compared with `man/` by a test.

use std::path::PathBuf;

use clap::{Args, Command};

use super::{command, man_file};
use crate::core::fault::Fault;
use crate::core::stdout::say;

/// The date on the pages: the release's, so that the same source gives the same pages.
pub(super) const DATE: &str = "2026-11-22";

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
            say(format!("{}\n", path.display()))?;
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
    pages.push(man_file::page());
    pages
}

/// Makes one vertical space of every run of breaks and blank lines, which roff linters rightly call doubled.
fn without_doubled_breaks(page: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(page);
    let mut out = String::with_capacity(text.len());
    let mut run: Vec<&str> = Vec::new();
    for line in text.lines() {
        if matches!(line, ".br" | ".sp" | "") {
            run.push(line);
            continue;
        }
        if let Some(last) = run.last() {
            out.push_str(if run.len() == 1 { last } else { ".sp" });
            out.push('\n');
            run.clear();
        }
        out.push_str(line);
        out.push('\n');
    }
    out.into_bytes()
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
        pages.push((format!("{name}.1"), without_doubled_breaks(&text)));
    }
    for child in command.get_subcommands() {
        walk(child, &format!("{name}-{}", child.get_name()), pages);
    }
}
