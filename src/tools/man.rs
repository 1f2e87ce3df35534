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

/// Drops the line breaks that stand beside a vertical space, which roff linters rightly call doubled.
fn without_doubled_breaks(page: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(page);
    let lines: Vec<&str> = text.lines().collect();
    let is_space = |i: Option<usize>| i.and_then(|i| lines.get(i)).is_some_and(|line| line.starts_with(".sp"));
    let mut out = String::with_capacity(text.len());
    for (i, line) in lines.iter().enumerate() {
        if *line != ".br" || !(is_space(i.checked_sub(1)) || is_space(Some(i + 1))) {
            out.push_str(line);
            out.push('\n');
        }
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
