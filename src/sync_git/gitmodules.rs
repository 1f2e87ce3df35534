//! `.gitmodules`, read with suspicion.
//!
//! In: the bytes of the file, from the commit. Out: the submodules that it names, by path. Refused, each alone: a name that
//! is empty or climbs, a path or URL with control characters or that could be taken for an option. Includes, conditions and
//! everything else of git's configuration have no meaning here. It does no I/O.

use std::collections::BTreeMap;

/// One submodule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submodule {
    pub name: String,
    /// Absolute, or relative to the repository that holds it.
    pub url: String,
    /// `update = none`: it stays empty.
    pub is_left_out: bool,
}

/// More submodules than any repository has.
const MOST: usize = 10_000;

/// The submodules by path. What cannot be understood is left out; what is malicious too.
pub(crate) fn parse(text: &[u8]) -> BTreeMap<Vec<u8>, Submodule> {
    let text = String::from_utf8_lossy(text);
    let mut sections: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            sections.push((section_name(header).unwrap_or_default(), BTreeMap::new()));
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        if let Some((_, keys)) = sections.last_mut() {
            keys.insert(key.trim().to_ascii_lowercase(), unquoted(value.trim()));
        }
    }
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, keys) in sections.into_iter().take(MOST) {
        found.entry(name).or_default().extend(keys);
    }
    found.into_iter().filter_map(|(name, keys)| submodule(name, &keys)).collect()
}

/// `submodule "name"]` → `name`.
fn section_name(header: &str) -> Option<String> {
    let rest = header.trim_start();
    let (kind, rest) = rest.split_at_checked("submodule".len())?;
    let quoted = rest.trim_start().strip_prefix('"')?;
    if !kind.eq_ignore_ascii_case("submodule") {
        return None;
    }
    let mut name = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '\\' => name.push(characters.next()?),
            '"' => break,
            c => name.push(c),
        }
    }
    characters.as_str().trim_start().starts_with(']').then_some(name)
}

fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut is_quoted = false;
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            '#' | ';' if !is_quoted => break,
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(c) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    if value.ends_with('"') { out } else { out.trim_end().to_owned() }
}

fn submodule(name: String, keys: &BTreeMap<String, String>) -> Option<(Vec<u8>, Submodule)> {
    let (path, url) = (keys.get("path")?, keys.get("url")?);
    let is_plain = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.chars().any(char::is_control);
    let climbs = name.split(['/', '\\']).any(|part| part == "..");
    if !is_plain(&name) || !is_plain(path) || !is_plain(url) || climbs {
        return None;
    }
    let is_left_out = keys.get("update").is_some_and(|update| update == "none");
    Some((path.trim_end_matches('/').as_bytes().to_vec(), Submodule { name, url: url.clone(), is_left_out }))
}

/// A directory's name for a submodule's store: flat, so that no store can lie inside another's.
pub(crate) fn store_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let escaped: String = name
        .bytes()
        .enumerate()
        .map(|(at, byte)| match plain(byte) && !(at == 0 && byte == b'.') {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect();
    if escaped.len() <= 200 {
        return escaped;
    }
    let hash = sha1dc::digest(name.as_bytes()).map(|hash| hash.to_string()).unwrap_or_default();
    format!("%%{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_found_by_path() {
        let text = "# comment\n[submodule \"a\"]\n\tpath = libs/a\n\turl = ../a.git ; why\n[core]\n\tpath = no\n\
            [Submodule \"b \\\"x\\\"\"] \n path = \"b c\"\nURL=https://h/b\nupdate = none\n";
        let found = parse(text.as_bytes());
        let a = Submodule { name: "a".into(), url: "../a.git".into(), is_left_out: false };
        let b = Submodule { name: "b \"x\"".into(), url: "https://h/b".into(), is_left_out: true };
        assert_eq!(found, [(b"b c".to_vec(), b), (b"libs/a".to_vec(), a)].into());
    }

    #[test]
    fn names_and_urls_that_attack_are_left_out() {
        for text in [
            "[submodule \"../../evil\"]\npath=a\nurl=x\n",
            "[submodule \"a\"]\npath=a\nurl=--upload-pack=x\n",
            "[submodule \"a\"]\npath=-a\nurl=x\n",
            "[submodule \"a\"]\npath=\"a\\n\"\nurl=x\n",
            "[submodule \"a\"]\npath=a\nurl=\"x\r\"\n",
            "[submodule \"\"]\npath=a\nurl=x\n",
            "[submodule \"a\"]\npath=a\n",
            "[include]\npath=/etc/passwd\nurl=x\n",
        ] {
            assert!(parse(text.as_bytes()).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn stores_never_nest() {
        assert_eq!(store_name("a/b"), "a%2fb");
        assert_eq!(store_name(".git"), "%2egit");
        assert_eq!(store_name("libs-1.x_y"), "libs-1.x_y");
        assert_ne!(store_name(&"x".repeat(300)), store_name(&"x".repeat(301)));
        assert!(store_name(&"/".repeat(300)).len() < 60);
    }
}
