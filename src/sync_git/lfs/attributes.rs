//! Which paths of a commit are kept in the large file storage: `filter=lfs` in its `.gitattributes`.
//!
//! In: the `.gitattributes` of a commit, each with its directory. Out: a verdict per path; deeper files count more than those
//! above, later lines more than earlier ones. Macros of the topmost file are known. Other attributes have no meaning here. It
//! does no I/O. Source: gitattributes(5).

use super::super::sparse::Glob;

/// What all files together say.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    lines: Vec<Line>,
    macros: Vec<(String, Filter)>,
}

#[derive(Debug)]
struct Line {
    /// With a slash at its end; empty for the top.
    directory: Vec<u8>,
    glob: Glob,
    filter: Filter,
}

/// What a line says of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Lfs,
    Other,
}

impl Attributes {
    /// Adds a file; those above must have been added before. `directory` is empty for the topmost.
    pub(super) fn add(&mut self, directory: &[u8], text: &[u8]) {
        let directory = if directory.is_empty() { Vec::new() } else { [directory, b"/"].concat() };
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let Some((pattern, attributes)) = pattern(line) else { continue };
            let Some(filter) = self.filter(attributes) else { continue };
            if let Some(name) = pattern.strip_prefix(b"[attr]") {
                if directory.is_empty() {
                    self.macros.push((String::from_utf8_lossy(name).into_owned(), filter));
                }
            } else if let Some(glob) = Glob::parse(&pattern) {
                self.lines.push(Line { directory: directory.clone(), glob, filter });
            }
        }
    }

    /// Whether no line wants the storage.
    pub(super) fn is_empty(&self) -> bool {
        !self.lines.iter().any(|line| line.filter == Filter::Lfs)
    }

    /// Whether the file at this path is kept in the storage.
    pub(super) fn wants(&self, path: &[u8]) -> bool {
        let applies =
            |line: &&Line| path.strip_prefix(&line.directory[..]).is_some_and(|rest| line.glob.is_for_file(rest));
        self.lines.iter().rev().find(applies).is_some_and(|line| line.filter == Filter::Lfs)
    }

    /// The last word of a line on the filter.
    fn filter(&self, attributes: &[u8]) -> Option<Filter> {
        let mut said = None;
        for word in attributes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            let word = String::from_utf8_lossy(word);
            match word.split_once('=') {
                Some(("filter", "lfs")) => said = Some(Filter::Lfs),
                Some(("filter", _)) => said = Some(Filter::Other),
                None if matches!(&*word, "filter" | "-filter" | "!filter") => said = Some(Filter::Other),
                None => {
                    said = self.macros.iter().rev().find(|(name, _)| *name == word).map(|(_, filter)| *filter).or(said);
                }
                Some(_) => {}
            }
        }
        said
    }
}

/// The pattern of a line, which may be in quotes, and the rest.
fn pattern(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let end = line.iter().position(u8::is_ascii_whitespace)?;
        return Some((line[..end].to_vec(), &line[end..]));
    };
    let mut pattern = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((pattern, &quoted[at + 1..])),
            b'\\' => match bytes.next()?.1 {
                b't' => pattern.push(b'\t'),
                b'n' => pattern.push(b'\n'),
                other => pattern.push(*other),
            },
            byte => pattern.push(*byte),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_file_and_the_last_line_decide() {
        let mut attributes = Attributes::default();
        attributes.add(
            b"",
            b"# lfs\n*.bin filter=lfs diff=lfs merge=lfs -text\n/assets/** filter=lfs\n*.txt text\nx.bin -filter\n",
        );
        attributes.add(b"plain", b"*.bin !filter\n\"with space.*\" filter=lfs\n");
        for wanted in ["a.bin", "d/a.bin", "assets/x/y", "plain/with space.x", "plain/d/with space.x"] {
            assert!(attributes.wants(wanted.as_bytes()), "{wanted}");
        }
        for other in ["a.txt", "x.bin", "d/x.bin", "plain/a.bin", "d/assets/x", "with space.x", "abin"] {
            assert!(!attributes.wants(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn macros_of_the_topmost_file_are_known() {
        let mut attributes = Attributes::default();
        attributes.add(b"", b"[attr]large filter=lfs -text\n*.iso large\n*.img large -filter\n");
        attributes.add(b"d", b"[attr]other filter=lfs\n*.x other\n");
        assert!(attributes.wants(b"a.iso") && !attributes.wants(b"a.img") && !attributes.wants(b"d/a.x"));
    }
}
