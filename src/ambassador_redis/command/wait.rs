//! How long a command that blocks may still wait, when it is asked again.
//!
//! A whole request and the time that has passed come in; the same request goes out with so much less to wait. A request that waits for
//! ever, or says it in a way that the server would refuse, stays as it is.

use std::time::Duration;

use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::request::arguments;

/// Zero would mean for ever.
const LEAST: Duration = Duration::from_millis(1);

/// The request with what is left of its timeout.
pub fn with_remaining_wait(request: &[u8], passed: Duration) -> Vec<u8> {
    shortened(request, passed).unwrap_or_else(|| request.to_vec())
}

fn shortened(request: &[u8], passed: Duration) -> Option<Vec<u8>> {
    let mut words: Vec<&[u8]> = arguments(request).collect();
    let name = words.first()?.to_ascii_lowercase();
    let last = words.len() - 1;
    let place = match name.as_slice() {
        b"blmpop" | b"bzmpop" => 1,
        b"xread" | b"xreadgroup" => 1 + words.iter().position(|word| word.eq_ignore_ascii_case(b"block"))?,
        _ => last,
    };
    let given: f64 = std::str::from_utf8(words.get(place)?).ok()?.parse().ok()?;
    // Streams count milliseconds.
    let unit = if name.starts_with(b"x") { 0.001 } else { 1.0 };
    let whole = Duration::try_from_secs_f64(given * unit).ok().filter(|whole| !whole.is_zero())?;
    let left = whole.saturating_sub(passed).max(LEAST);
    let text = match name.first() {
        Some(b'x') => left.as_millis().to_string(),
        _ => format!("{:.3}", left.as_secs_f64()),
    };
    words[place] = text.as_bytes();
    let mut out = Vec::new();
    encode::command(&mut out, &words);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_waited_is_taken_off_the_timeout() {
        for (line, seconds, expected) in [
            ("BLPOP a b 10", 4.0, "BLPOP a b 6.000"),
            ("BLPOP a 0", 4.0, "BLPOP a 0"),
            ("brpop a 1.5", 4.0, "brpop a 0.001"),
            ("BLMOVE a b LEFT RIGHT 2", 0.5, "BLMOVE a b LEFT RIGHT 1.500"),
            ("BZMPOP 2 1 z MIN", 0.5, "BZMPOP 1.500 1 z MIN"),
            ("XREAD COUNT 1 BLOCK 3000 STREAMS s 0", 1.0, "XREAD COUNT 1 BLOCK 2000 STREAMS s 0"),
            ("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 1.0, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"),
            ("BLPOP a soon", 1.0, "BLPOP a soon"),
            ("BLPOP a -1", 1.0, "BLPOP a -1"),
            ("BLPOP", 1.0, "BLPOP"),
        ] {
            let framed = |line: &str| {
                let mut bytes = Vec::new();
                encode::command(&mut bytes, &line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
                bytes
            };
            let left = with_remaining_wait(&framed(line), Duration::from_secs_f64(seconds));
            assert_eq!(String::from_utf8(left).expect("text"), String::from_utf8(framed(expected)).expect("text"));
        }
    }
}
