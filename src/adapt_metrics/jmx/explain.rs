//! What rules make of one value: its text form as `dump` shows it in, every rule and the final series out.

use std::fmt::Write;

use super::bean::ObjectName;
use super::rules::{Made, Rules};
use super::value::JmxValue;
use super::walk::Reading;

/// Explains `domain<key=value, …><outer, inner>attribute: value`.
///
/// # Errors
/// What about the text is not of this form.
pub fn explain(text: &str, rules: &Rules) -> Result<String, String> {
    let form = || "a value is written as domain<key=value, …><outer, inner>attribute: value".to_owned();
    let (domain, rest) = text.split_once('<').ok_or_else(form)?;
    let (properties, rest) = split_outside_quotes(rest, "><").ok_or_else(form)?;
    let (keys, rest) = rest.split_once('>').ok_or_else(form)?;
    let (attribute, value) = rest.split_once(": ").ok_or_else(form)?;
    let mut name = format!("{domain}:");
    let mut left = properties;
    while let Some((property, more)) = split_outside_quotes(left, ", ") {
        name.extend([property, ","]);
        left = more;
    }
    name.push_str(left);
    let bean = ObjectName::parse(&name).map_err(|error| error.to_string())?;
    let keys: Vec<String> = keys.split(", ").filter(|key| !key.is_empty()).map(str::to_owned).collect();
    let value = value_of(value);
    let reading =
        Reading { bean: &bean, extra: &[], keys: &keys, attribute, description: "", labels: &[], value: &value };
    Ok(told(text, &reading, rules))
}

fn told(text: &str, reading: &Reading<'_>, rules: &Rules) -> String {
    // Writing to a String cannot fail.
    let mut out = format!("value   {text}\n");
    let mut is_taken = false;
    for (number, (pattern, matches)) in rules.tried(reading).into_iter().enumerate() {
        let what = match (matches, is_taken) {
            (true, false) => "matches",
            (true, true) => "would match, but another rule is before it",
            (false, _) => "does not match",
        };
        is_taken |= matches;
        let _ = writeln!(out, "rule    {}: {} {what}", number + 1, pattern.as_deref().unwrap_or("(no pattern)"));
    }
    let made = match rules.make_now(reading, 0) {
        Made::Sample(planned) => planned,
        Made::Nothing if is_taken => {
            out.push_str("result  nothing: the rule leaves no name, or its value is no number\n");
            return out;
        }
        Made::Nothing => {
            out.push_str("result  nothing: no rule matches\n");
            return out;
        }
    };
    let labels: Vec<String> = made.series.labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let kind = format!("{:?}", made.series.kind).to_lowercase();
    match made.constant.or_else(|| reading.value.number()) {
        Some(number) => {
            let _ = writeln!(out, "result  {kind} {}{labels} {}", made.series.name, number * made.factor);
        }
        None => {
            let _ = writeln!(out, "result  nothing: {}{labels} would be text, which is no number", made.series.name);
        }
    }
    out
}

fn split_outside_quotes<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if !is_quoted && text[at..].starts_with(separator) {
            return Some((&text[..at], &text[at + separator.len()..]));
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    None
}

fn value_of(text: &str) -> JmxValue {
    match (text.parse(), text.parse(), text) {
        (Ok(whole), ..) => JmxValue::Long(whole),
        (_, _, "true") => JmxValue::Bool(true),
        (_, _, "false") => JmxValue::Bool(false),
        (_, Ok(number), _) => JmxValue::Double(number),
        _ => JmxValue::Text(text.to_owned()),
    }
}
