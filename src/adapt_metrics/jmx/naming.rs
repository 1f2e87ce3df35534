//! Names as jmx_exporter makes them, and as the Prometheus library under it then cleans them.

use super::sample::Kind;
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

/// The name that a sample of this kind has on the page.
pub(crate) fn exposed_name(name: &str, kind: Kind) -> String {
    let base = without_reserved_suffix(name);
    if kind == Kind::Counter { format!("{base}_total") } else { base.to_owned() }
}

/// `attrName` → `attr_name`, for rules with `attrNameSnakeCase`.
pub(crate) fn snake_case(text: &str) -> String {
    let mut snake = String::with_capacity(text.len() + 4);
    let mut may_break = false;
    for character in text.chars() {
        if may_break && character.is_uppercase() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
        may_break = !character.is_uppercase() && character != '_';
    }
    snake
}

/// The text that describes a sample where no rule does: the bean's own words, if they say more than the name.
pub(crate) fn default_help(reading: &Reading<'_>) -> String {
    let property = |name| reading.properties().find(|(key, _)| *key == name).map_or("null", |(_, value)| value);
    let (domain, name, kind) = (reading.bean.domain(), property("name"), property("type"));
    let place = format!("{domain}:name={name},type={kind},attribute={}", reading.attribute);
    match reading.description {
        description if description.is_empty() || description == reading.attribute => place,
        description => format!("{description} {place}"),
    }
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
pub(crate) fn default_labels<'a>(reading: &'a Reading<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    reading.properties().skip(1)
}

/// A label's name: as a metric's, without colons.
pub(crate) fn safe_label(text: &str) -> String {
    safe_name(&text.replace(':', "_"))
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

    #[test]
    fn snake_case_breaks_before_capitals() {
        assert_eq!(snake_case("HeapMemoryUsage"), "heap_memory_usage");
        assert_eq!(snake_case("GCTime"), "gctime");
        assert_eq!(snake_case("p99Latency"), "p99_latency");
        assert_eq!(snake_case("already_Snake"), "already_snake");
    }

    #[test]
    fn label_names_have_no_colons() {
        assert_eq!(safe_label("a:b-c"), "a_b_c");
    }
}
