//! Names as Prometheus wants them: free text in, a legal name with its unit and suffix out.
//!
//! Two ways of naming leave this program. *Exact* is what statsd_exporter does, so that a dashboard goes on working.
//! *Uniform* is what one page from many sources needs: snake case, base units, and `_total` on every counter.

use std::borrow::Cow;

use crate::core::metrics::Kind;

/// How names are formed from what a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Naming {
    /// As statsd_exporter names them, letter for letter.
    Exact,
    /// In snake case, with base units and `_total` added where they are missing.
    Uniform,
}

/// Escapes a StatsD name or tag key: what is no letter, digit or underscore becomes an underscore, a run of dashes becomes
/// one, and a leading digit gets one in front.
pub fn escape(name: &str) -> Cow<'_, str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.bytes().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 1);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        escaped.push('_');
    }
    let mut dash_before = false;
    for c in name.chars() {
        let dash = c == '-';
        if c.is_ascii_alphanumeric() || c == '_' {
            escaped.push(c);
        } else if !(dash && dash_before) {
            escaped.push('_');
        }
        dash_before = dash;
    }
    Cow::Owned(escaped)
}

/// Escapes a metric name that may hold colons (Graphite and JMX names do).
pub fn escape_with_colons(name: &str) -> Cow<'_, str> {
    if !name.contains(':') {
        return escape(name);
    }
    let mut escaped = String::with_capacity(name.len() + 1);
    for (at, part) in name.split(':').enumerate() {
        if at > 0 {
            escaped.push(':');
        }
        match part.starts_with(|c: char| c.is_ascii_digit()) && at > 0 {
            // A digit is only illegal where the name begins.
            true => escaped.push_str(&escape(part)[1..]),
            false => escaped.push_str(&escape(part)),
        }
    }
    Cow::Owned(escaped)
}

/// Replaces what is illegal in a metric's name character by character, as graphite_exporter does; a leading digit, which it
/// lets stand and then chokes on, gets an underscore in front.
pub fn replace_illegal(name: &str) -> String {
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    first.chars().chain(name.chars().map(|c| if legal(c) { c } else { '_' })).collect()
}

/// Whether Prometheus takes the text as a metric name without quoting.
pub fn is_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

/// Whether Prometheus takes the text as a label name that a user may set.
pub fn is_label_name(name: &str) -> bool {
    !name.starts_with("__")
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The unit that a source states for a value; `Milliseconds` has been divided to seconds by the time it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Nothing is known.
    None,
    /// Durations.
    Seconds,
}

impl Naming {
    /// The name of a family of this kind and unit.
    pub fn family<'a>(self, name: &'a str, kind: Kind, unit: Unit) -> Cow<'a, str> {
        if self == Self::Exact {
            return Cow::Borrowed(name);
        }
        let mut name = snake_case(name);
        if kind == Kind::Counter {
            if let Some(stem) = name.strip_suffix("_total") {
                // The unit goes before `_total`.
                name = Cow::Owned(stem.to_owned());
            }
        } else if kind != Kind::Unknown && has_reserved_suffix(&name) {
            name.to_mut().push_str("_value");
        }
        if unit == Unit::Seconds {
            name = in_seconds(name);
        }
        if kind == Kind::Counter {
            name.to_mut().push_str("_total");
        }
        name
    }
}

/// Lower case, with an underscore where a capital begins a word: `HeapMemoryUsage` and `HTTPStatus` are three words and two.
/// Colons belong to recording rules, so they go.
fn snake_case(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b':') {
        return Cow::Borrowed(name);
    }
    let bytes = name.as_bytes();
    let mut snake = String::with_capacity(name.len() + 8);
    for (at, &byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let ends_word = before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        let begins_word = before.is_some_and(|before| before.is_ascii_uppercase())
            && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        if byte.is_ascii_uppercase() && (ends_word || begins_word) {
            snake.push('_');
        }
        snake.push(if byte == b':' { '_' } else { char::from(byte.to_ascii_lowercase()) });
    }
    Cow::Owned(snake)
}

/// Suffixes that belong to one kind of metric; a gauge that bears one is misread by people and refused by linters.
fn has_reserved_suffix(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket", "_info", "_created"].iter().any(|suffix| name.ends_with(suffix))
}

fn in_seconds(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.ends_with("_seconds") {
        return name;
    }
    for suffix in ["_milliseconds", "_millis", "_msec", "_ms"] {
        if let Some(stem) = name.strip_suffix(suffix).filter(|stem| !stem.is_empty()) {
            return Cow::Owned(format!("{stem}_seconds"));
        }
    }
    Cow::Owned(format!("{name}_seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_characters_become_underscores_and_dashes_collapse() {
        let cases = [
            ("clean", "clean"),
            ("0clean", "_0clean"),
            ("a.b/c d", "a_b_c_d"),
            ("a--b", "a_b"),
            ("a---b", "a_b"),
            ("a-.-b", "a___b"),
            ("-a", "_a"),
            ("x-", "x_"),
            ("naïve", "na_ve"),
            ("日本", "__"),
            ("a:b", "a_b"),
            ("", ""),
        ];
        for (name, escaped) in cases {
            assert_eq!(escape(name), escaped, "{name}");
        }
        assert_eq!(escape_with_colons("a.b:9c"), "a_b:9c");
        assert_eq!(escape_with_colons("9a:b"), "_9a:b");
        assert_eq!(replace_illegal("9a--b.c:d/\u{e9}"), "_9a__b_c:d__");
    }

    #[test]
    fn uniform_names_carry_unit_and_total() {
        let name = |text: &str, kind, unit| Naming::Uniform.family(text, kind, unit).into_owned();
        assert_eq!(name("web_hits", Kind::Counter, Unit::None), "web_hits_total");
        assert_eq!(name("web_hits_total", Kind::Counter, Unit::None), "web_hits_total");
        assert_eq!(name("latency", Kind::Summary, Unit::Seconds), "latency_seconds");
        assert_eq!(name("latency_ms", Kind::Summary, Unit::Seconds), "latency_seconds");
        assert_eq!(name("queue_count", Kind::Gauge, Unit::None), "queue_count_value");
        assert_eq!(name("queue_count", Kind::Unknown, Unit::None), "queue_count");
        assert_eq!(
            name("java_lang_HeapMemoryUsage_used", Kind::Unknown, Unit::None),
            "java_lang_heap_memory_usage_used"
        );
        assert_eq!(name("HTTPStatus2xx:Count9A", Kind::Unknown, Unit::None), "http_status2xx_count9_a");
        assert_eq!(Naming::Exact.family("web.hits", Kind::Counter, Unit::None), "web.hits");
    }

    #[test]
    fn labels_that_prometheus_keeps_for_itself_are_no_label_names() {
        assert!(is_label_name("a") && is_label_name("_a1"));
        assert!(!is_label_name("__name__") && !is_label_name("1a") && !is_label_name("") && !is_label_name("a-b"));
        assert!(is_metric_name("a:b_1") && !is_metric_name("1a") && !is_metric_name(""));
    }
}
