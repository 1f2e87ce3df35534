//! One line of StatsD: bytes in, samples out, or the reason why there is none.
//!
//! `name:value|type[|field…]`, where a field is `@rate`, `#tags`, `c:container`, `Ttimestamp`, `e:external` or `card:level`.
//! Two ways put several samples in a line: further samples after a colon (`a:1|c:2|g`), and several values of one type
//! (`a:1:2:3|ms`). A line with a DogStatsD tag field holds samples of one type only, since tags may hold colons.
//!
//! Everything that does not depend on the value is read once per distinct key by [`parse`] and remembered by the
//! receiver; a repeated key costs `split` and a number only.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::number;
pub use super::tags::MAX_LABELS;
use super::tags::{self, Dialects, Labels};

/// The most components of one sample, as statsd_exporter has it; `e:` and `card:`, which it does not know, are not counted.
const MAX_COMPONENTS: usize = 6;
/// The longest name, and the longest value of a label, in bytes.
pub const MAX_TEXT: usize = 1024;

/// Why a line or a sample was dropped. The names are those of statsd_exporter where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No colon, no name, or not UTF-8.
    MalformedLine,
    /// Tags in the name and a DogStatsD tag field.
    MixedTaggingStyles,
    /// Nothing after the value.
    NotEnoughParts,
    /// Several values of a type that cannot have them.
    InvalidExtendedAggregateType,
    /// Too few, too many or empty components.
    MalformedComponent,
    /// The value is no number.
    MalformedValue,
    /// An unknown field, or a rate that is no number.
    InvalidSampleFactor,
    /// A `c` field that is not `c:ID`.
    MalformedContainerId,
    /// A time that is not a number.
    MalformedTimestamp,
    /// A type that does not exist, or that is not taken.
    IllegalEvent,
    /// More than [`MAX_LABELS`] labels.
    TooManyLabels,
    /// A name or a label value of more than [`MAX_TEXT`] bytes.
    TooLong,
}

impl Reason {
    /// Every reason, for the counters.
    pub const ALL: [Self; 12] = [
        Self::MalformedLine,
        Self::MixedTaggingStyles,
        Self::NotEnoughParts,
        Self::InvalidExtendedAggregateType,
        Self::MalformedComponent,
        Self::MalformedValue,
        Self::InvalidSampleFactor,
        Self::MalformedContainerId,
        Self::MalformedTimestamp,
        Self::IllegalEvent,
        Self::TooManyLabels,
        Self::TooLong,
    ];

    /// The label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::MalformedLine => "malformed_line",
            Self::MixedTaggingStyles => "mixed_tagging_styles",
            Self::NotEnoughParts => "not_enough_parts_after_colon",
            Self::InvalidExtendedAggregateType => "invalid_extended_aggregate_type",
            Self::MalformedComponent => "malformed_component",
            Self::MalformedValue => "malformed_value",
            Self::InvalidSampleFactor => "invalid_sample_factor",
            Self::MalformedContainerId => "malformed_container_id",
            Self::MalformedTimestamp => "malformed_timestamp",
            Self::IllegalEvent => "illegal_event",
            Self::TooManyLabels => "too_many_labels",
            Self::TooLong => "too_long",
        }
    }
}

/// What a sample does to its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `c`: adds the value over the rate.
    Counter,
    /// `g`: sets, or adds when the value has a sign.
    Gauge,
    /// `ms`: observes milliseconds.
    Timer,
    /// `h`: observes.
    Histogram,
    /// `d`: observes.
    Distribution,
    /// `s`: remembers a member.
    Set,
}

impl Type {
    /// Whether the samples are observations.
    pub fn is_observer(self) -> bool {
        matches!(self, Self::Timer | Self::Histogram | Self::Distribution)
    }
}

/// What is taken beside the tag dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    /// The tag dialects.
    pub tags: Dialects,
    /// Whether `s` is a type, and several values may stand in one counter or gauge (DogStatsD 1.1). statsd_exporter refuses both.
    pub sets_and_packed_numbers: bool,
}

impl Grammar {
    /// Whether a counter or an observation may be infinite or no number at all, which then stays in its sum for ever. Where
    /// names are statsd_exporter's, the values are too; elsewhere such a sample is dropped.
    pub fn takes_what_is_not_finite(self) -> bool {
        !self.sets_and_packed_numbers
    }
}

/// A line cut at its first colon and at the first bar behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut<'a> {
    /// All before the first colon: the name with its tags.
    pub name: &'a [u8],
    /// All between the colon and the bar.
    pub value: &'a [u8],
    /// All from the bar on: type and fields.
    pub suffix: &'a [u8],
}

/// Cuts a line, when it has a name, a colon and a bar.
#[inline]
pub fn cut(line: &[u8]) -> Option<Cut<'_>> {
    let colon = memchr(b':', line)?;
    let rest = &line[colon + 1..];
    // A value is a few bytes long: a plain loop is through before a vector is loaded.
    let bar = rest.iter().position(|byte| *byte == b'|')?;
    Some(Cut { name: &line[..colon], value: &rest[..bar], suffix: &rest[bar..] })
}

/// A sample before its fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    /// The value, unread.
    pub value: &'a str,
    /// Type and fields, with the bar before the type.
    pub suffix: &'a str,
}

/// A line whose name and shape are sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// All before the first colon.
    pub raw_name: &'a str,
    /// The metric's name, without tags.
    pub name: Cow<'a, str>,
    /// The tags that stood in the name.
    pub labels: Labels<'a>,
    /// The samples, in their order.
    pub samples: Vec<Raw<'a>>,
}

/// What the fields of a sample say; all of it is independent of the value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields<'a> {
    /// The sample's type.
    pub kind: Type,
    /// The sampling rate; 1 when absent, zero or unreadable.
    pub rate: f64,
    /// A rate stood there and was no number: counted, and the sample is kept.
    pub unreadable_rate: bool,
    /// The labels of name and fields.
    pub labels: Labels<'a>,
    /// Whether a timestamp stood there; such a key never repeats, so it is not worth remembering.
    pub has_timestamp: bool,
}

/// Reads the name and finds the samples of a line that is not empty.
///
/// # Errors
/// The reason why the line holds no sample at all: the client's fault.
pub fn parse(line: &[u8], grammar: Grammar) -> Result<Line<'_>, Reason> {
    let text = std::str::from_utf8(line).map_err(|_| Reason::MalformedLine)?;
    let Some((raw_name, rest)) = text.split_once(':').filter(|(name, _)| !name.is_empty()) else {
        return Err(Reason::MalformedLine);
    };
    let mut labels = Labels::default();
    let name = tags::from_name(raw_name, grammar.tags, &mut labels);
    if name.len() > MAX_TEXT {
        return Err(Reason::TooLong);
    }
    let has_tag_field = memmem::find(rest.as_bytes(), b"|#").is_some();
    if has_tag_field && !labels.is_empty() {
        return Err(Reason::MixedTaggingStyles);
    }
    let Some((values, after)) = rest.split_once('|') else { return Err(Reason::NotEnoughParts) };
    let kind = after.split('|').next().unwrap_or_default();
    let samples = if values.contains(':') {
        let takes_many =
            matches!(kind, "ms" | "h" | "d") || (grammar.sets_and_packed_numbers && matches!(kind, "c" | "g"));
        if !takes_many {
            return Err(Reason::InvalidExtendedAggregateType);
        }
        let suffix = &rest[values.len()..];
        values.split(':').map(|value| Raw { value, suffix }).collect()
    } else if has_tag_field {
        vec![Raw { value: values, suffix: &rest[values.len()..] }]
    } else {
        separate(rest)
    };
    Ok(Line { raw_name, name, labels, samples })
}

/// Separates `1|c:2|g`. A colon inside a `c:`, `e:` or `card:` field belongs to the field.
fn separate(mut rest: &str) -> Vec<Raw<'_>> {
    let mut samples = Vec::with_capacity(1);
    loop {
        let mut end = None;
        let mut component = 0;
        let mut start = 0;
        while start <= rest.len() {
            let tail = &rest[start..];
            let has_colon = component >= 2 && ["c:", "e:", "card:"].iter().any(|field| tail.starts_with(field));
            let bar = tail.find('|').unwrap_or(tail.len());
            if let Some(colon) = tail[..bar].find(':').filter(|_| !has_colon) {
                end = Some(start + colon);
                break;
            }
            start += bar + 1;
            component += 1;
        }
        let sample = &rest[..end.unwrap_or(rest.len())];
        let value_end = sample.find('|').unwrap_or(sample.len());
        samples.push(Raw { value: &sample[..value_end], suffix: &sample[value_end..] });
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => return samples,
        }
    }
}

/// Reads the value of a sample.
///
/// # Errors
/// The component count or the number is wrong: the client's fault, and the other samples of the line stand.
pub fn value(raw: Raw<'_>) -> Result<f64, Reason> {
    let components = 1 + raw.suffix.bytes().filter(|byte| *byte == b'|').count();
    if components < 2 || (components > MAX_COMPONENTS && components - newer_fields(raw.suffix) > MAX_COMPONENTS) {
        return Err(Reason::MalformedComponent);
    }
    number::parse(raw.value.as_bytes()).ok_or(Reason::MalformedValue)
}

/// The fields of DogStatsD 1.5 and 1.6, each at most once.
fn newer_fields(suffix: &str) -> usize {
    ["|e:", "|card:"].iter().filter(|field| suffix.contains(*field)).count()
}

/// Reads type and fields of a sample; `labels` are those of the name.
///
/// # Errors
/// The reason why the sample is dropped: the client's fault, and the other samples of the line stand.
pub fn fields<'a>(raw: Raw<'a>, labels: &Labels<'a>, grammar: Grammar) -> Result<Fields<'a>, Reason> {
    let mut components = raw.suffix.split('|').skip(1);
    let kind = components.next().ok_or(Reason::MalformedComponent)?;
    if components.clone().any(str::is_empty) {
        return Err(Reason::MalformedComponent);
    }
    let mut read =
        Fields { kind: Type::Counter, rate: 1.0, unreadable_rate: false, labels: labels.clone(), has_timestamp: false };
    read.labels.refused = 0;
    let rates = if kind == "c" { Rates::Multiply } else { Rates::Replace };
    for component in components {
        read.field(component, rates, grammar)?;
    }
    read.kind = match kind {
        "c" => Type::Counter,
        "g" => Type::Gauge,
        "ms" => Type::Timer,
        "h" => Type::Histogram,
        "d" => Type::Distribution,
        "s" if grammar.sets_and_packed_numbers => Type::Set,
        _ => return Err(Reason::IllegalEvent),
    };
    if read.labels.pairs().len() > MAX_LABELS {
        return Err(Reason::TooManyLabels);
    }
    if read.labels.pairs().iter().any(|(name, value)| name.len().max(value.len()) > MAX_TEXT) {
        return Err(Reason::TooLong);
    }
    Ok(read)
}

/// What the fields of a refused sample count for all that: those before the one that it is refused for have been read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Whether there were labels.
    pub has_labels: bool,
    /// Tags left out.
    pub tag_errors: u64,
    /// Rates that are no number.
    pub unreadable_rates: u64,
}

/// Counts what a refused sample had.
pub fn lost(raw: Raw<'_>, grammar: Grammar) -> Lost {
    let mut labels = Labels::default();
    let mut unreadable_rates = 0;
    for component in raw.suffix.split('|').skip(2) {
        match component.as_bytes().first() {
            Some(b'@') => unreadable_rates += u64::from(number::parse(&component.as_bytes()[1..]).is_none()),
            Some(b'#') if grammar.tags.dogstatsd => labels.dogstatsd(&component[1..]),
            Some(b'#' | b'T') => {}
            _ if ["c:", "e:", "card:"].iter().any(|field| component.starts_with(field)) => {}
            _ => break,
        }
    }
    Lost { has_labels: !labels.is_empty(), tag_errors: labels.refused, unreadable_rates }
}

/// What a second rate does to the first. Nobody means to send two; statsd_exporter divides a counter by each.
#[derive(Clone, Copy, PartialEq)]
enum Rates {
    Multiply,
    Replace,
}

impl<'a> Fields<'a> {
    fn field(&mut self, component: &'a str, rates: Rates, grammar: Grammar) -> Result<(), Reason> {
        let (first, rest) = component.split_at_checked(1).ok_or(Reason::InvalidSampleFactor)?;
        match first {
            "@" => {
                let rate = number::parse(rest.as_bytes());
                self.unreadable_rate |= rate.is_none();
                let rate = rate.filter(|rate| *rate != 0.0).unwrap_or(1.0);
                self.rate = if rates == Rates::Multiply { self.rate * rate } else { rate };
            }
            "#" if grammar.tags.dogstatsd => self.labels.dogstatsd(rest),
            "#" => {}
            "c" if component.starts_with("card:") => {}
            "c" => match rest.strip_prefix(':').filter(|id| !id.is_empty()) {
                Some(id) => self.labels.set(Cow::Borrowed("container_id"), Cow::Borrowed(id)),
                None => return Err(Reason::MalformedContainerId),
            },
            "T" => {
                // Whatever stands there, the sample counts now: a page has no place for other times.
                self.has_timestamp = true;
            }
            // Who sent it, encrypted for the Datadog agent's eyes: nothing that a metric could say.
            "e" if rest.starts_with(':') => {}
            _ => return Err(Reason::InvalidSampleFactor),
        }
        Ok(())
    }

    /// How often an observation counts at its rate.
    pub fn repeats(&self) -> u32 {
        let times = 1.0 / self.rate;
        // What Go's conversion makes of it, bounded: a rate of 1e-9 must not cost a billion observations.
        if times.is_finite() { times.clamp(0.0, 1_000_000.0) as u32 } else { 0 }
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
