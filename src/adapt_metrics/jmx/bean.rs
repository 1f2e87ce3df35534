//! Names of beans, and patterns over them.
//!
//! A name is `domain:key=value,key="quoted value"`. Its properties keep the order in which the bean was registered
//! (rules see them in it), and quoted values keep their quotes, as Java's own text form does.

use super::error::JmxError;

/// The name of one bean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectName {
    text: String,
    domain: usize,
    /// Ranges of keys and values in `text`.
    properties: Vec<Property>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Property {
    key: (usize, usize),
    value: (usize, usize),
}

impl ObjectName {
    /// # Errors
    /// The text is not the name of one bean.
    pub(crate) fn parse(text: &str) -> Result<ObjectName, JmxError> {
        let wrong = |problem| JmxError::Address { text: text.to_owned(), problem };
        let domain = text.find(':').ok_or_else(|| wrong("a bean's name has a domain and a colon"))?;
        let mut properties = Vec::new();
        let mut at = domain + 1;
        loop {
            let rest = &text[at..];
            let equals = rest.find('=').ok_or_else(|| wrong("a bean's name has properties of the form key=value"))?;
            let key = (at, at + equals);
            let start = at + equals + 1;
            let length = value_length(&text[start..]).ok_or_else(|| wrong("a quoted value in it does not end"))?;
            properties.push(Property { key, value: (start, start + length) });
            at = start + length;
            match text.as_bytes().get(at) {
                None => break,
                Some(b',') => at += 1,
                Some(_) => return Err(wrong("something follows a quoted value")),
            }
        }
        Ok(ObjectName { text: text.to_owned(), domain, properties })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn domain(&self) -> &str {
        &self.text[..self.domain]
    }

    /// Keys and values, in the order of registration.
    pub(crate) fn properties(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.properties.iter().map(|Property { key, value }| (&self.text[key.0..key.1], &self.text[value.0..value.1]))
    }

    pub(crate) fn property(&self, key: &str) -> Option<&str> {
        self.properties().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// How long the value is that `text` starts with.
fn value_length(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        return Some(text.find(',').unwrap_or(text.len()));
    }
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A name in which `*` and `?` stand for any text and any character, and a property `*` for any further properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    domain: String,
    properties: Vec<(String, String)>,
    further: bool,
}

impl std::str::FromStr for Pattern {
    type Err = JmxError;

    fn from_str(text: &str) -> Result<Pattern, JmxError> {
        let wrong = |problem| JmxError::Address { text: text.to_owned(), problem };
        let (domain, list) = text.split_once(':').ok_or_else(|| wrong("a pattern has a domain and a colon"))?;
        let mut pattern =
            Pattern { text: text.to_owned(), domain: domain.to_owned(), properties: Vec::new(), further: false };
        let mut rest = list;
        loop {
            if let Some(behind) = rest.strip_prefix('*').filter(|behind| behind.is_empty() || behind.starts_with(',')) {
                if pattern.further {
                    return Err(wrong("a pattern has at most one property `*`"));
                }
                pattern.further = true;
                rest = behind;
            } else {
                let (key, value) = rest
                    .split_once('=')
                    .ok_or_else(|| wrong("a pattern has properties of the form key=value, or `*`"))?;
                let length = value_length(value).ok_or_else(|| wrong("a quoted value in it does not end"))?;
                pattern.properties.push((key.to_owned(), value[..length].to_owned()));
                rest = &value[length..];
            }
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None if rest.is_empty() => return Ok(pattern),
                None => return Err(wrong("something follows a quoted value")),
            }
        }
    }
}

impl Pattern {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it could match beans of several names.
    pub(crate) fn is_open(&self) -> bool {
        // Only in quotes does a backslash take the meaning from what follows it.
        let has_wildcard = |text: &str| {
            let mut is_escaped = false;
            text.bytes().any(|byte| {
                let was_escaped = is_escaped;
                is_escaped = byte == b'\\' && !was_escaped && text.starts_with('"');
                !was_escaped && matches!(byte, b'*' | b'?')
            })
        };
        self.further || has_wildcard(&self.domain) || self.properties.iter().any(|(_, value)| has_wildcard(value))
    }

    pub(crate) fn matches(&self, name: &ObjectName) -> bool {
        let count = name.properties.len();
        (if self.further { count >= self.properties.len() } else { count == self.properties.len() })
            && wildcard(self.domain.as_bytes(), name.domain().as_bytes())
            && self.properties.iter().all(|(key, pattern)| {
                name.property(key).is_some_and(|value| match (pattern.starts_with('"'), value.starts_with('"')) {
                    (true, true) => wildcard_quoted(pattern, value),
                    _ => wildcard(pattern.as_bytes(), value.as_bytes()),
                })
            })
    }
}

/// In quotes, `\*` and `\?` are the characters themselves, in pattern and value alike.
fn wildcard_quoted(pattern: &str, value: &str) -> bool {
    let mut items = Vec::with_capacity(pattern.len());
    let mut escaped = false;
    for byte in pattern.bytes() {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'*' if !escaped => items.push(Item::Any),
            b'?' if !escaped => items.push(Item::One),
            byte if escaped => {
                items.extend([Item::Byte(b'\\'), Item::Byte(byte)]);
                escaped = false;
            }
            byte => items.push(Item::Byte(byte)),
        }
    }
    matches(&items, value.as_bytes())
}

fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let items: Vec<Item> = pattern
        .iter()
        .map(|byte| match byte {
            b'*' => Item::Any,
            b'?' => Item::One,
            byte => Item::Byte(*byte),
        })
        .collect();
    matches(&items, text)
}

#[derive(Clone, Copy)]
enum Item {
    Byte(u8),
    One,
    Any,
}

/// Goes back to the last `*` only, which takes at most the product of the lengths.
fn matches(pattern: &[Item], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(Item::Byte(byte)) if *byte == text[from] => (at, from) = (at + 1, from + 1),
            Some(Item::One) => {
                // A character, not a byte.
                from += 1;
                while text.get(from).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    from += 1;
                }
                at += 1;
            }
            Some(Item::Any) => {
                star = Some((at, from));
                at += 1;
            }
            _ => match &mut star {
                Some((back, taken)) => {
                    *taken += 1;
                    (at, from) = (*back + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|item| matches!(item, Item::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(text: &str) -> Vec<(String, String)> {
        let name = ObjectName::parse(text).unwrap();
        name.properties().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn properties_keep_their_order_and_their_quotes() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(properties("a.b:type=T,name=x"), [pair("type", "T"), pair("name", "x")]);
        assert_eq!(
            properties(r#"k:name="a,b=c:\"d\"",z=,a=1=2"#),
            [pair("name", r#""a,b=c:\"d\"""#), pair("z", ""), pair("a", "1=2")]
        );
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for text in ["", "nothing", "a:", "a:b", "a:b=\"c", "a:b=\"c\"d", "a:b=c,"] {
            assert!(ObjectName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_match_as_java_matches_them() {
        let matches =
            |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(&ObjectName::parse(name).unwrap());
        assert!(matches("*:*", "a:b=c"));
        assert!(matches("java.lang:*", "java.lang:type=Memory"));
        assert!(!matches("java.lang:*", "java.langs:type=Memory"));
        assert!(matches("java.*:type=GarbageCollector,*", "java.lang:name=G1,type=GarbageCollector"));
        assert!(!matches("java.lang:type=GarbageCollector", "java.lang:name=G1,type=GarbageCollector"));
        assert!(matches("a:b=c,d=e", "a:d=e,b=c"));
        assert!(matches("a:name=x?z*", "a:name=x\u{e9}zzz"));
        assert!(matches(r#"a:name="x*""#, r#"a:name="x,y""#));
        assert!(matches(r#"a:name="\*""#, r#"a:name="\*""#));
        assert!(!matches(r#"a:name="\*""#, r#"a:name="x""#));
        assert!(!matches("a:b=c,*", "a:d=e"));
    }
}
