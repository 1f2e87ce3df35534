//! Carbon's plaintext: `name;tag=value;tag=value value time`.

use std::borrow::Cow;

use super::Reading;
use crate::adapt_metrics::statsd::line::Reason;
use crate::adapt_metrics::statsd::number;

/// Name, tags, and how many tags were refused.
pub type Named<'a> = (Cow<'a, str>, Vec<(Cow<'a, str>, Cow<'a, str>)>, u64);

/// Reads a line; beside the reading, how many of its tags were malformed and left out.
///
/// # Errors
/// The reason why the line holds no reading: the client's fault.
pub fn parse(text: &str) -> Result<(Reading<'_>, u64), Reason> {
    let mut parts = text.split_ascii_whitespace();
    let (Some(path), Some(value), Some(time), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Reason::MalformedLine);
    };
    let (name, tags, refused) = name_and_tags(path)?;
    let value = number::parse(value.as_bytes()).ok_or(Reason::MalformedValue)?;
    let time = number::parse(time.as_bytes()).filter(|time| time.is_finite()).ok_or(Reason::MalformedTimestamp)?;
    Ok((Reading { name, tags, value, time: Some(time) }, refused))
}

/// Splits a path at its semicolons.
///
/// # Errors
/// There is no name before them.
pub fn name_and_tags(path: &str) -> Result<Named<'_>, Reason> {
    let mut parts = path.split(';');
    let name = parts.next().filter(|name| !name.is_empty()).ok_or(Reason::MalformedLine)?;
    let (mut tags, mut refused) = (Vec::new(), 0);
    for part in parts {
        match part.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
            Some((key, value)) => tags.push((Cow::Borrowed(key), Cow::Borrowed(value))),
            None => refused += 1,
        }
    }
    Ok((Cow::Borrowed(name), tags, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_three_parts() {
        let (reading, refused) = parse("a.b;x=1;y;=z;k=v=w 1e3 1000.5").unwrap();
        assert_eq!((reading.name.as_ref(), reading.value, reading.time, refused), ("a.b", 1000.0, Some(1000.5), 2));
        assert_eq!(reading.tags, [("x".into(), "1".into()), ("k".into(), "v=w".into())]);
        assert_eq!(parse("a 1"), Err(Reason::MalformedLine));
        assert_eq!(parse("a 1 2 3"), Err(Reason::MalformedLine));
        assert_eq!(parse(";a=b 1 2"), Err(Reason::MalformedLine));
        assert_eq!(parse("a x 2"), Err(Reason::MalformedValue));
        assert_eq!(parse("a 1 inf"), Err(Reason::MalformedTimestamp));
    }
}
