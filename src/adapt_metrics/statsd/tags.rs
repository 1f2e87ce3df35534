//! The tags of a line, in four dialects: text in, labels out; what is malformed is counted and left out.
//!
//! SignalFx puts `[k=v,…]` anywhere into the name, Librato ends the name with `#k=v,…`, InfluxDB with `,k=v,…`; DogStatsD
//! has a field of its own, `|#k:v,…`. Keys are escaped to label names, values stay as they are. A tag without a value,
//! with an empty key or an empty value is refused, and so is one whose label Prometheus keeps for itself (`__name__`).

use std::borrow::Cow;

use crate::adapt_metrics::naming;

/// The most labels of one sample.
pub const MAX_LABELS: usize = 64;

/// Which dialects of tags are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialects {
    /// `name:1|c|#k:v`.
    pub dogstatsd: bool,
    /// `name,k=v:1|c`.
    pub influxdb: bool,
    /// `name#k=v:1|c`.
    pub librato: bool,
    /// `name[k=v]:1|c`.
    pub signalfx: bool,
}

impl Dialects {
    /// Every dialect, as statsd_exporter has it by default.
    pub const ALL: Self = Self { dogstatsd: true, influxdb: true, librato: true, signalfx: true };
}

/// The labels of one sample, sorted by name, each name once; and how many tags were refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Tags that were left out.
    pub refused: u64,
}

impl<'a> Labels<'a> {
    /// Sets a label; a later one of the same name replaces the earlier. One more than [`MAX_LABELS`] is remembered, which
    /// says that there were too many; the others are not, since ten thousand would have to be sorted for nothing.
    pub fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        match self.pairs.binary_search_by(|(known, _)| known.as_ref().cmp(name.as_ref())) {
            Ok(at) => self.pairs[at].1 = value,
            Err(_) if self.pairs.len() > MAX_LABELS => {}
            Err(at) => self.pairs.insert(at, (name, value)),
        }
    }

    /// The value of a label.
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.pairs.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        Some(&self.pairs[at].1)
    }

    /// The labels in the order of their names.
    pub fn pairs(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        &self.pairs
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Reads one tag.
    fn tag(&mut self, tag: &'a str, separator: char) {
        let Some((key, value)) = tag.split_once(separator) else {
            self.refused += 1;
            return;
        };
        let name = naming::escape(key);
        if value.is_empty() || !naming::is_label_name(&name) {
            self.refused += 1;
            return;
        }
        self.set(name, Cow::Borrowed(value));
    }

    /// Reads tags between commas. Nothing after the last comma is no tag; nothing between two is a refused one.
    fn list(&mut self, tags: &'a str, separator: char, tidy: fn(&str) -> &str) {
        let tags = tags.strip_suffix(',').unwrap_or(tags);
        if tags.is_empty() {
            return;
        }
        for tag in tags.split(',') {
            self.tag(tidy(tag), separator);
        }
    }

    /// Reads the DogStatsD field, without its `#`. Some clients put a `#` before every key.
    pub fn dogstatsd(&mut self, tags: &'a str) {
        self.list(tags, ':', |tag| tag.strip_prefix('#').unwrap_or(tag));
    }
}

/// Takes the tags out of a name; what remains is the metric's name.
pub fn from_name<'a>(name: &'a str, dialects: Dialects, labels: &mut Labels<'a>) -> Cow<'a, str> {
    if dialects.signalfx {
        match (name.find('['), name.find(']')) {
            (None, None) => {}
            (Some(open), Some(close)) if open < close => {
                labels.list(&name[open + 1..close], '=', |tag| tag);
                let (before, after) = (&name[..open], &name[close + 1..]);
                return if after.is_empty() { Cow::Borrowed(before) } else { Cow::Owned(format!("{before}{after}")) };
            }
            _ => {
                // Half a pair of brackets, or the wrong way round: nobody can tell what was meant.
                labels.refused += 1;
                return Cow::Borrowed(name);
            }
        }
    }
    let ends_name = |c: char| (c == '#' && dialects.librato) || (c == ',' && dialects.influxdb);
    match name.find(ends_name) {
        Some(at) => {
            labels.list(&name[at + 1..], '=', |tag| tag);
            Cow::Borrowed(&name[..at])
        }
        None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(name: &str) -> (String, Vec<(String, String)>, u64) {
        let mut labels = Labels::default();
        let stem = from_name(name, Dialects::ALL, &mut labels).into_owned();
        let pairs = labels.pairs().iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        (stem, pairs, labels.refused)
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn tags_in_names_are_read_in_three_dialects() {
        let both = [("tag1", "bar"), ("tag2", "baz")];
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u64);
        let cases: &[Case<'_>] = &[
            ("foo", "foo", &[], 0),
            ("foo#tag1=bar,tag2=baz", "foo", &both, 0),
            ("foo,tag1=bar,tag2=baz", "foo", &both, 0),
            ("foo.[tag1=bar,tag2=baz]test", "foo.test", &both, 0),
            ("[tag1=bar,tag2=baz]foo.test", "foo.test", &both, 0),
            ("foo.test[tag1=bar,tag2=baz]", "foo.test", &both, 0),
            ("foo.[]test", "foo.test", &[], 0),
            ("foo.[tag1,tag2]test", "foo.test", &[], 2),
            ("[tag1=bar,tag2=bazfoo.test", "[tag1=bar,tag2=bazfoo.test", &[], 1),
            ("tag1=bar]foo", "tag1=bar]foo", &[], 1),
            ("]a=b[foo", "]a=b[foo", &[], 1),
            ("foo#09digits=0,tag.with.dots=1", "foo", &[("_09digits", "0"), ("tag_with_dots", "1")], 0),
            ("foo,a=1=2", "foo", &[("a", "1=2")], 0),
            ("foo,a=,=b,,c", "foo", &[], 4),
            ("foo,a=1,", "foo", &[("a", "1")], 0),
            ("foo,", "foo", &[], 0),
            ("foo,__name__=x", "foo", &[], 1),
            ("foo,a=1,a=2", "foo", &[("a", "2")], 0),
        ];
        for (name, stem, pairs, refused) in cases {
            assert_eq!(read(name), ((*stem).to_owned(), owned(pairs), *refused), "{name}");
        }
    }

    #[test]
    fn dogstatsd_tags_keep_colons_in_values_and_tolerate_hashes() {
        let mut labels = Labels::default();
        labels.dogstatsd("#tag1:foo:bar,#tag2:baz,novalue,tag:value,,x:");
        let pairs: Vec<_> = labels.pairs().iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        assert_eq!(pairs, [("tag", "value"), ("tag1", "foo:bar"), ("tag2", "baz")]);
        assert_eq!(labels.refused, 3);
    }

    #[test]
    fn a_dialect_that_is_off_leaves_the_name_alone() {
        let mut labels = Labels::default();
        let none = Dialects { dogstatsd: false, influxdb: false, librato: false, signalfx: false };
        assert_eq!(from_name("foo[a=b]#c=d,e=f", none, &mut labels), "foo[a=b]#c=d,e=f");
        assert!(labels.is_empty() && labels.refused == 0);
    }

    #[test]
    fn of_ten_thousand_tags_few_are_kept() {
        let tags: Vec<String> = (0..10_000).map(|i| format!("t{}:v", 99_999 - i)).collect();
        let tags = tags.join(",");
        let mut labels = Labels::default();
        labels.dogstatsd(&tags);
        assert_eq!(labels.pairs().len(), MAX_LABELS + 1);
    }

    proptest! {
        #[test]
        fn labels_are_sorted_unique_and_legal(name in "[a-z\\[\\]#,=._é-]{0,60}") {
            let (_, pairs, _) = read(&name);
            prop_assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(pairs.iter().all(|(k, v)| naming::is_label_name(k) && !v.is_empty()));
        }
    }
}
