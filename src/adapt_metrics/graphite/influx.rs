//! InfluxDB's line protocol: `measurement,tag=value field=1.5,other=2i time`; each field is a gauge of its own.
//!
//! Numbers (plain, `i`, `u`) and truth values are taken; texts are left out, since no gauge could show them. A backslash
//! before a comma, a space or an equals sign takes away its meaning; in a quoted text, before a quote.

use std::borrow::Cow;

use super::Reading;
use crate::adapt_metrics::statsd::line::Reason;
use crate::adapt_metrics::statsd::number;

/// Reads a line; it may hold several readings, or none.
///
/// # Errors
/// The reason why the line cannot be read: the client's fault.
pub fn parse(text: &str) -> Result<Vec<Reading<'_>>, Reason> {
    let (head, rest) = cut(text, ' ').ok_or(Reason::MalformedLine)?;
    let (fields, time) = match cut(rest.trim_start(), ' ') {
        Some((fields, time)) => (fields, Some(time.trim())),
        None => (rest.trim(), None),
    };
    let time = match time.filter(|time| !time.is_empty()) {
        // Nanoseconds, which is what InfluxDB takes where nothing else is said.
        Some(time) => Some(time.parse::<i64>().map_err(|_| Reason::MalformedTimestamp)? as f64 / 1e9),
        None => None,
    };
    let mut parts = split(head, ',');
    let measurement = parts.next().map(unescape).filter(|name| !name.is_empty()).ok_or(Reason::MalformedLine)?;
    let mut tags = Vec::new();
    for part in parts {
        let (key, value) = cut(part, '=').ok_or(Reason::MalformedLine)?;
        tags.push((unescape(key), unescape(value)));
    }
    let mut readings = Vec::new();
    for field in split(fields, ',') {
        let (key, value) = cut(field, '=').filter(|(key, _)| !key.is_empty()).ok_or(Reason::MalformedLine)?;
        if let Some(value) = field_value(value)? {
            let name = Cow::Owned(format!("{measurement}_{}", unescape(key)));
            readings.push(Reading { name, tags: tags.clone(), value, time });
        }
    }
    Ok(readings)
}

fn field_value(text: &str) -> Result<Option<f64>, Reason> {
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Some(1.0)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Some(0.0)),
        _ if text.starts_with('"') => return Ok(None),
        _ => {}
    }
    let digits = text.strip_suffix(['i', 'u']).unwrap_or(text);
    number::parse(digits.as_bytes()).map(Some).ok_or(Reason::MalformedValue)
}

/// Cuts at the first such character that is neither escaped nor quoted.
fn cut(text: &str, at: char) -> Option<(&str, &str)> {
    let (mut is_escaped, mut is_quoted) = (false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == at && !is_quoted => return Some((&text[..i], &text[i + c.len_utf8()..])),
            _ => {}
        }
    }
    None
}

fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match cut(text, at) {
            Some((first, after)) => {
                rest = Some(after);
                Some(first)
            }
            None => rest.take(),
        }
    })
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(|next| matches!(next, ',' | ' ' | '=' | '"' | '\\')) => {
                plain.extend(chars.next());
            }
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_quotes_hide_separators() {
        let readings = parse(r#"m\,x,t\=a=b\ c v=1i,s="q, \" =r",f=false 1500000000"#).unwrap();
        let shown: Vec<_> = readings.iter().map(|reading| (reading.name.as_ref(), reading.value)).collect();
        assert_eq!(shown, [("m,x_v", 1.0), ("m,x_f", 0.0)]);
        assert_eq!(readings[0].tags, [("t=a".into(), "b c".into())]);
        assert_eq!(readings[0].time, Some(1.5));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        assert_eq!(parse("m"), Err(Reason::MalformedLine));
        assert_eq!(parse("m v"), Err(Reason::MalformedLine));
        assert_eq!(parse("m,t v=1"), Err(Reason::MalformedLine));
        assert_eq!(parse(",t=1 v=1"), Err(Reason::MalformedLine));
        assert_eq!(parse("m v=x"), Err(Reason::MalformedValue));
        assert_eq!(parse("m v=1 soon"), Err(Reason::MalformedTimestamp));
    }
}
