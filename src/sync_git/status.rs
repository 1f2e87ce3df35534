//! What the status page and readiness say: the ref, the commit, its age, the last error, the next sync.
//!
//! In: a line of news from the cycle after each sync. Out: one section for people.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use git2::Oid;

use crate::core::http::Section;

/// Shared between the cycle, which writes, and the page, which reads.
#[derive(Clone, Default)]
pub(crate) struct Status(Arc<Mutex<News>>);

/// What there is to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    /// The repository's name, where there are several.
    pub name: Option<String>,
    pub repo: String,
    pub reference: String,
    pub commit: Option<Oid>,
    /// Whose signature the commit or its tag carries, where one was asked for.
    pub signer: Option<String>,
    /// When the link came to show that commit; nothing when an earlier run did that.
    pub published: Option<Instant>,
    pub last_success: Option<Instant>,
    pub last_error: Option<(Instant, String)>,
    pub failures: u64,
    pub syncs: u64,
    pub next: Option<Instant>,
}

impl Status {
    pub(crate) fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether there is no commit to serve.
    pub(crate) fn nothing_published(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).commit.is_none()
    }

    /// The section of the page.
    pub(crate) fn section(&self) -> Section {
        let news = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ago = |at: Instant| format!("{} ago", rounded(at.elapsed()));
        let error = match &news.last_error {
            Some((at, error)) => format!("{error} ({}, {} in a row)", ago(*at), news.failures),
            None => "none".to_owned(),
        };
        let signer = news.signer.map(|signer| ("signed by", signer));
        let title = news.name.map_or_else(|| "Sync".to_owned(), |name| format!("Sync of {name}"));
        Section::facts(
            title,
            [
                ("repository", news.repo),
                ("ref", news.reference),
                ("commit", news.commit.map_or_else(|| "none yet".to_owned(), |commit| commit.to_string())),
                ("published", news.published.map_or_else(|| "before this run".to_owned(), ago)),
                ("last success", news.last_success.map_or_else(|| "none yet".to_owned(), ago)),
                ("last error", error),
                ("syncs", news.syncs.to_string()),
                ("next sync", next(news.next)),
            ]
            .into_iter()
            .chain(signer),
        )
    }
}

fn next(at: Option<Instant>) -> String {
    at.map_or_else(|| "now".to_owned(), |at| format!("in {}", rounded(at.saturating_duration_since(Instant::now()))))
}

fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts[..parts.len().min(2)].join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_commit_error_and_next_sync() {
        let status = Status::default();
        status.tell(|news| {
            news.commit = Some(Oid::from_bytes(&[0xab; 20]).unwrap());
            news.last_error = Some((Instant::now(), "no route".into()));
            news.failures = 3;
            news.next = Some(Instant::now() + Duration::from_secs(90));
        });
        let rows = status.section().rows;
        assert_eq!(rows[2][1], "ab".repeat(20));
        assert!(rows[5][1].starts_with("no route") && rows[5][1].ends_with("3 in a row)"));
        assert!(rows[7][1].starts_with("in 1m"));
    }
}
