//! The slow log: the last requests that took longer than `--slowlog-slower-than`, from their arrival to their last reply.
//!
//! Arguments are shortened as Redis shortens them; those of commands that carry secrets are not kept at all.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::ambassador_redis::downstream::Peer;
use crate::ambassador_redis::resp::request::arguments;

/// Arguments, and bytes of each, that are kept.
const MAX_ARGUMENTS: usize = 32;
const MAX_ARGUMENT: usize = 128;

/// One slow request, or several that were sent and answered together.
#[derive(Clone, Debug)]
pub struct Slow {
    pub at: SystemTime,
    pub took: Duration,
    pub session: u64,
    pub peer: Peer,
    /// The server that answered.
    pub node: String,
    pub requests: u32,
    /// The first of them.
    pub arguments: Vec<String>,
}

/// The last slow requests. The lock is taken by slow requests only.
#[derive(Debug)]
pub struct Slowlog {
    slow: Mutex<(u64, VecDeque<Slow>)>,
    longest: usize,
}

impl Slowlog {
    pub fn new(longest: usize) -> Slowlog {
        Slowlog { slow: Mutex::default(), longest }
    }

    pub fn add(&self, slow: Slow) {
        let mut kept = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        if self.longest > 0 {
            kept.1.truncate(self.longest - 1);
            kept.1.push_front(slow);
        }
    }

    /// How many there were, and the last ones, newest first.
    pub fn last(&self) -> (u64, Vec<Slow>) {
        let kept = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.0, kept.1.iter().cloned().collect())
    }
}

/// The arguments of a request as they may be shown.
pub fn shown_arguments(request: &[u8]) -> Vec<String> {
    let all: Vec<&[u8]> = arguments(request).collect();
    let kept = match all.as_slice() {
        [] => return Vec::new(),
        [name, second, ..] if is_secret(name, second) => {
            return vec![text(name), text(second), "(not kept)".to_owned()];
        }
        [name, _, ..] if is_any(name, &["auth", "hello", "migrate"]) => {
            return vec![text(name), "(not kept)".to_owned()];
        }
        all => &all[..all.len().min(MAX_ARGUMENTS)],
    };
    let mut shown: Vec<String> = kept.iter().map(|argument| text(argument)).collect();
    if kept.len() < all.len() {
        shown[MAX_ARGUMENTS - 1] = format!("... ({} more arguments)", all.len() + 1 - MAX_ARGUMENTS);
    }
    shown
}

/// Subcommands that set passwords.
fn is_secret(name: &[u8], second: &[u8]) -> bool {
    is_any(name, &["config"]) && is_any(second, &["set"]) || is_any(name, &["acl"]) && is_any(second, &["setuser"])
}

fn is_any(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

fn text(argument: &[u8]) -> String {
    let kept = &argument[..argument.len().min(MAX_ARGUMENT)];
    let more = argument.len() - kept.len();
    let text = kept.escape_ascii().to_string();
    if more == 0 { text } else { format!("{text}... ({more} more bytes)") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambassador_redis::resp::encode;

    fn shown(words: &[&str]) -> Vec<String> {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        shown_arguments(&bytes)
    }

    #[test]
    fn long_arguments_are_shortened_and_secrets_are_not_kept() {
        assert_eq!(shown(&["GET", "k\n"]), ["GET", "k\\n"]);
        assert_eq!(shown(&["SET", "k", &"x".repeat(130)])[2], format!("{}... (2 more bytes)", "x".repeat(128)));
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let kept = shown(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((kept.len(), kept[31].as_str()), (32, "... (9 more arguments)"));
        for line in [
            "AUTH secret",
            "hello 3 auth u secret",
            "CONFIG SET requirepass secret",
            "ACL SETUSER u >secret",
            "MIGRATE h 1 k 0 9 AUTH secret",
        ] {
            let kept = shown(&line.split(' ').collect::<Vec<_>>());
            assert!(
                kept.last().is_some_and(|last| last == "(not kept)") && !kept.concat().contains("secret"),
                "{kept:?}"
            );
        }
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let log = Slowlog::new(2);
        for session in 0..5 {
            let (at, took, peer) = (SystemTime::UNIX_EPOCH, Duration::ZERO, Peer::Unix);
            log.add(Slow { at, took, session, peer, node: String::new(), requests: 1, arguments: Vec::new() });
        }
        let (count, last) = log.last();
        assert_eq!((count, last.iter().map(|slow| slow.session).collect::<Vec<_>>()), (5, vec![4, 3]));
    }
}
