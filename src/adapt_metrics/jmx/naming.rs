//! Names as jmx_exporter makes them, and as the Prometheus library under it then cleans them.

use super::walk::Reading;

/// What the library takes off the end of every name, to put back what the type asks for.
const RESERVED: [&str; 4] = ["_total", "_created", "_bucket", "_info"];

/// Replaces what is not allowed in a metric's name by `_`, and merges neighbours.
pub(crate) fn safe_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len() + 1);
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        name.push('_');
    }
    for character in text.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ':' => name.push(character),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name
}

/// The name without the suffixes that the library reserves for itself.
pub(crate) fn without_reserved_suffix(name: &str) -> &str {
    let mut name = name;
    while let Some(shorter) = RESERVED.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        if shorter.is_empty() {
            // A name that is nothing but the suffix keeps its word.
            return &name[1..];
        }
        name = shorter;
    }
    name
}

/// The name where no rule gives one: the domain, the first property's value, and the path to the value.
pub(crate) fn default_name(reading: &Reading<'_>, attribute: &str) -> String {
    let mut name = reading.bean.domain().to_owned();
    let first = reading.properties().next().map(|(_, value)| value);
    for part in first.into_iter().chain(reading.keys.iter().map(String::as_str)).chain([attribute]) {
        name.push('_');
        name.push_str(part);
    }
    safe_name(&name)
}

/// And the labels that go with it: the other properties.
pub(crate) fn default_labels(reading: &Reading<'_>) -> Vec<(String, String)> {
    reading.properties().skip(1).map(|(key, value)| (safe_name(key), value.to_owned())).collect()
}

/// The bean and the path to the value, as rules see them: `domain<key=value, …><outer, inner>attribute`.
pub(crate) fn match_name(reading: &Reading<'_>, attribute: &str) -> String {
    let mut text = reading.bean.domain().to_owned();
    text.push('<');
    for (at, (key, value)) in reading.properties().enumerate() {
        text.extend([if at > 0 { ", " } else { "" }, key, "=", value]);
    }
    text.push_str("><");
    text.push_str(&reading.keys.join(", "));
    text.push('>');
    text.push_str(attribute);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        assert_eq!(safe_name("java.lang_Memory used%"), "java_lang_Memory_used_");
        assert_eq!(safe_name("a..b__c-d:e"), "a_b_c_d:e");
        assert_eq!(safe_name("99th"), "_99th");
        assert_eq!(safe_name("\u{e9}x"), "_x");
    }

    #[test]
    fn reserved_suffixes_go_as_often_as_they_stand() {
        assert_eq!(without_reserved_suffix("requests_total"), "requests");
        assert_eq!(without_reserved_suffix("x_info_total"), "x");
        assert_eq!(without_reserved_suffix("_total"), "total");
        assert_eq!(without_reserved_suffix("total"), "total");
    }
}
