//! A Netscape cookie file (`http.cookieFile`), as curl reads it.
//!
//! In: the file's text, a URL, the time. Out: the value of a Cookie header. Refused in silence: lines that are no cookie.

use std::time::SystemTime;

use super::super::url::{Scheme, Url};

/// A cookie file larger than this is not read.
pub(super) const MAX_FILE: u64 = 1024 * 1024;

/// The Cookie header for `url`, if any cookie is for it.
pub(super) fn header(text: &str, url: &Url, now: SystemTime) -> Option<String> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let pairs: Vec<String> = text.lines().filter_map(|line| pair(line, url, now)).collect();
    (!pairs.is_empty()).then(|| pairs.join("; "))
}

/// domain, subdomains too, path, secure only, expiry, name, value; separated by tabs.
fn pair(line: &str, url: &Url, now: u64) -> Option<String> {
    // A cookie that scripts must not see still is one; any other `#` starts a comment.
    let line = line.strip_prefix("#HttpOnly_").unwrap_or(line);
    if line.starts_with('#') {
        return None;
    }
    let fields: Vec<&str> = line.split('\t').collect();
    let [domain, subdomains, path, secure, expiry, name, value] = fields.as_slice() else {
        return None;
    };
    let host = url.host().to_ascii_lowercase();
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    let is_subdomain = host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
    let is_host = host == domain || (subdomains.eq_ignore_ascii_case("TRUE") && is_subdomain);
    let is_path = *path == "/"
        || url
            .path()
            .strip_prefix(path)
            .is_some_and(|rest| path.ends_with('/') || rest.is_empty() || rest.starts_with('/'));
    let is_secure = !secure.eq_ignore_ascii_case("TRUE") || url.scheme() == Scheme::Https;
    let expiry: u64 = expiry.parse().ok()?;
    let is_fresh = expiry == 0 || expiry > now;
    let is_clean = !name.chars().chain(value.chars()).any(|c| c.is_control() || c == ';');
    (is_host && is_path && is_secure && is_fresh && is_clean).then(|| format!("{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Netscape HTTP Cookie File\n\
        .example.com\tTRUE\t/\tTRUE\t2000000000\to\tgit-me=1\n\
        #HttpOnly_git.example.com\tFALSE\t/a\tFALSE\t0\ts\t2\n\
        old.example.com\tFALSE\t/\tFALSE\t1\tx\t3\nnonsense\n";

    fn cookies(url: &str) -> Option<String> {
        header(FILE, &Url::parse(url).unwrap(), SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000))
    }

    #[test]
    fn a_cookie_goes_to_its_host_path_and_scheme_only() {
        assert_eq!(cookies("https://git.example.com/a/b").unwrap(), "o=git-me=1; s=2");
        assert_eq!(cookies("http://git.example.com/a").unwrap(), "s=2");
        assert_eq!(cookies("https://git.example.com/ab").unwrap(), "o=git-me=1");
        assert_eq!(cookies("https://badexample.com/"), None);
        assert_eq!(cookies("http://old.example.com/"), None);
    }
}
