//! Which files of a commit belong in a sparse tree: git's patterns (not "cone mode"), as in `info/sparse-checkout`.
//!
//! In: the text of the pattern file. Out: a verdict per path, the last matching pattern wins, a path that none matches is
//! treated as its directory is. It does no I/O. Source: gitignore(5) for the patterns, git-sparse-checkout(1) for the rest.

/// The patterns of one file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patterns(Vec<Pattern>);

/// One pattern; those of `.gitattributes` are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    glob: Vec<u8>,
    is_negated: bool,
    is_for_directories: bool,
    /// Without a slash the pattern is matched against the name alone.
    is_path: bool,
}

/// One pattern alone, for lists that say other things of paths than these do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Pattern);

impl Glob {
    /// Reads a pattern as gitignore(5) has it; `None` for one that says nothing or is negated.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        Pattern::parse(text).filter(|pattern| !pattern.is_negated).map(Self)
    }

    /// Whether a file at this path is meant.
    pub(crate) fn is_for_file(&self, path: &[u8]) -> bool {
        self.0.matches(path, What::File)
    }
}

/// What a directory passes on to the entries that no pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Included,
    Excluded,
}

/// Whether the path in question is a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    File,
    Directory,
}

impl Patterns {
    /// Reads a pattern file; lines that are empty or begin with `#` say nothing.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(Pattern::parse).collect())
    }

    /// The verdict on `path`, whose directory has the verdict `parent`.
    pub(crate) fn verdict(&self, path: &[u8], what: What, parent: Verdict) -> Verdict {
        let last = self.0.iter().rev().find(|pattern| pattern.matches(path, what));
        match last {
            Some(pattern) if pattern.is_negated => Verdict::Excluded,
            Some(_) => Verdict::Included,
            None => parent,
        }
    }
}

impl Pattern {
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let (is_negated, line) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (is_for_directories, line) = match line.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let is_path = line.contains(&b'/');
        let glob = line.strip_prefix(b"/").unwrap_or(line);
        let end = trailing_blanks(glob);
        let glob = glob[..end].to_vec();
        Some(Self { glob, is_negated, is_for_directories, is_path })
    }

    pub(crate) fn matches(&self, path: &[u8], what: What) -> bool {
        if self.is_for_directories && what == What::File {
            return false;
        }
        match self.is_path {
            true => matches(&self.glob, path, Slash::Separates),
            false => matches(&self.glob, name(path), Slash::IsPlain),
        }
    }
}

/// The length without trailing blanks, unless they are escaped.
fn trailing_blanks(glob: &[u8]) -> usize {
    let mut end = glob.len();
    while end > 0 && glob[end - 1] == b' ' && (end < 2 || glob[end - 2] != b'\\') {
        end -= 1;
    }
    end
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Separates,
    IsPlain,
}

/// git's wildmatch: `*`, `?` and `[…]` stop at a slash where slashes separate, `**` does not.
fn matches(glob: &[u8], text: &[u8], slash: Slash) -> bool {
    let Some((&first, rest)) = glob.split_first() else { return text.is_empty() };
    let is_hidden = |byte: u8| byte == b'/' && slash == Slash::Separates;
    match first {
        b'*' if slash == Slash::Separates && rest.first() == Some(&b'*') => many_directories(&rest[1..], text),
        b'*' => {
            // Runs of stars mean one; trying each end from the shortest, and no further than a slash.
            (0..=text.len())
                .take_while(|end| *end == 0 || !is_hidden(text[end - 1]))
                .any(|end| matches(rest, &text[end..], slash))
        }
        b'?' => text.split_first().is_some_and(|(byte, tail)| !is_hidden(*byte) && matches(rest, tail, slash)),
        b'[' => match (class(rest), text.split_first()) {
            (Some((set, after)), Some((byte, tail))) => {
                !is_hidden(*byte) && set.holds(*byte) && matches(after, tail, slash)
            }
            (None, Some((b'[', tail))) => matches(rest, tail, slash),
            _ => false,
        },
        b'\\' if !rest.is_empty() => {
            text.split_first().is_some_and(|(byte, tail)| *byte == rest[0] && matches(&rest[1..], tail, slash))
        }
        _ => text.split_first().is_some_and(|(byte, tail)| *byte == first && matches(rest, tail, slash)),
    }
}

/// What follows `**`: `/x` matches x at any depth, the end matches everything.
fn many_directories(rest: &[u8], text: &[u8]) -> bool {
    match rest.split_first() {
        None => true,
        Some((b'/', after)) => {
            let starts = (0..text.len()).filter(|at| text[*at] == b'/').map(|at| at + 1);
            std::iter::once(0).chain(starts).any(|at| matches(after, &text[at..], Slash::Separates))
        }
        Some(_) => (0..=text.len()).any(|at| matches(rest, &text[at..], Slash::Separates)),
    }
}

struct Class {
    is_negated: bool,
    ranges: Vec<(u8, u8)>,
}

impl Class {
    fn holds(&self, byte: u8) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != self.is_negated
    }
}

/// The set after an opening bracket, and what follows it; nothing when it does not close.
fn class(text: &[u8]) -> Option<(Class, &[u8])> {
    let (is_negated, mut rest) = match text.first()? {
        b'!' | b'^' => (true, &text[1..]),
        _ => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        let (&byte, tail) = rest.split_first()?;
        if byte == b']' && !ranges.is_empty() {
            return Some((Class { is_negated, ranges }, tail));
        }
        let (low, tail) = match byte {
            b'\\' => (*tail.first()?, tail.get(1..)?),
            _ => (byte, tail),
        };
        match tail {
            [b'-', high, after @ ..] if *high != b']' => {
                ranges.push((low, *high));
                rest = after;
            }
            _ => {
                ranges.push((low, low));
                rest = tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of a small tree that the patterns let through.
    fn included(text: &str) -> Vec<&'static str> {
        let patterns = Patterns::parse(text.as_bytes());
        let files = ["file", "file2", "dir/a", "dir/sub/b", "other/a.rs", "other/x/y/c.rs", "other/d [1]"];
        let is_in = |path: &&str| {
            let mut verdict = Verdict::Excluded;
            for (at, _) in path.match_indices('/') {
                verdict = patterns.verdict(&path.as_bytes()[..at], What::Directory, verdict);
            }
            patterns.verdict(path.as_bytes(), What::File, verdict) == Verdict::Included
        };
        files.into_iter().filter(is_in).collect()
    }

    #[test]
    fn the_last_match_wins_and_directories_pass_on() {
        assert_eq!(included("!/*\n!/*/\nfile2\n"), ["file2"]);
        assert_eq!(included("/*\n!/*/\n"), ["file", "file2"]);
        assert_eq!(included("/*\n!/*/\n/dir/\n"), ["file", "file2", "dir/a", "dir/sub/b"]);
        assert_eq!(included("dir\n!dir/sub\n"), ["dir/a"]);
        assert_eq!(included("# nothing\n\n"), [""; 0]);
    }

    #[test]
    fn wildcards_are_gits() {
        assert_eq!(included("*.rs"), ["other/a.rs", "other/x/y/c.rs"]);
        assert_eq!(included("/other/*.rs"), ["other/a.rs"]);
        assert_eq!(included("/other/**/*.rs"), ["other/a.rs", "other/x/y/c.rs"]);
        assert_eq!(included("**/c.rs"), ["other/x/y/c.rs"]);
        assert_eq!(included("other/**"), ["other/a.rs", "other/x/y/c.rs", "other/d [1]"]);
        assert_eq!(included("file?"), ["file2"]);
        assert_eq!(included("file[0-9]"), ["file2"]);
        assert_eq!(included("d \\[[!0]\\]"), ["other/d [1]"]);
        assert_eq!(included("file2   \r\n"), ["file2"]);
    }

    #[test]
    fn strange_patterns_end() {
        for text in ["[", "[]", "\\", "***", "**a", "!", "/", "[a-", "[!", &"*a".repeat(12)] {
            let _ = included(text);
        }
    }
}
