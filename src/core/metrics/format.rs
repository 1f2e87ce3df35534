//! Which format a scraper gets, by its `Accept` header, and how a whole page is rendered in it.

use std::io::{self, Write};
use std::sync::Arc;

use super::{Collect, Encoder, FamilyHead, Labels, OpenMetrics, Point, Protobuf, Text};

/// An exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4 (and 1.0.0, which adds names in quotes: ours never need any).
    Text,
    /// OpenMetrics 1.0.0 (of which 0.0.1 is the same to a reader of ours).
    OpenMetrics,
    /// Prometheus' protobuf, delimited: the one that carries native histograms.
    Protobuf,
}

/// What a scraper gets, and how the reply names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The format.
    pub format: Format,
    /// The reply's `Content-Type`.
    pub content_type: String,
}

/// How names that are not legal everywhere may be written. Ours always are, so the schemes differ by their name only.
const ESCAPING: [&str; 4] = ["allow-utf-8", "underscores", "dots", "values"];

impl Format {
    /// What an `Accept` header asks for: the format of highest quality that we speak, else text 0.0.4.
    pub fn negotiate(accept: Option<&str>) -> Negotiated {
        let mut best = (0.0, Negotiated::new(Self::Text, "0.0.4", None));
        for offer in accept.unwrap_or_default().split(',') {
            let mut parts = offer.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let parameter = |name: &str| {
                offer.split(';').skip(1).find_map(|part| {
                    let (key, value) = part.split_once('=')?;
                    (key.trim() == name).then(|| value.trim().trim_matches('"'))
                })
            };
            let version = parameter("version");
            let escaping = parameter("escaping").filter(|scheme| ESCAPING.contains(scheme));
            let found = match media {
                "application/vnd.google.protobuf" => {
                    let is_ours = parameter("proto") == Some("io.prometheus.client.MetricFamily")
                        && parameter("encoding") == Some("delimited");
                    is_ours.then(|| Negotiated::new(Self::Protobuf, "", escaping))
                }
                "application/openmetrics-text" => match version {
                    Some("0.0.1") => Some(Negotiated::new(Self::OpenMetrics, "0.0.1", escaping)),
                    None | Some("1.0.0") => Some(Negotiated::new(Self::OpenMetrics, "1.0.0", escaping)),
                    Some(_) => None,
                },
                "text/plain" => match version {
                    None | Some("0.0.4") => Some(Negotiated::new(Self::Text, "0.0.4", escaping)),
                    Some("1.0.0") => Some(Negotiated::new(Self::Text, "1.0.0", escaping)),
                    Some(_) => None,
                },
                "text/*" | "*/*" => Some(Negotiated::new(Self::Text, "0.0.4", None)),
                _ => None,
            };
            let quality = parameter("q").and_then(|quality| quality.parse::<f64>().ok()).unwrap_or(1.0);
            if let Some(found) = found.filter(|_| quality > best.0) {
                best = (quality, found);
            }
        }
        best.1
    }

    /// Renders a whole page.
    pub fn render(self, sources: &[Arc<dyn Collect>]) -> Vec<u8> {
        self.render_only(sources, &[])
    }

    /// Renders the families of these names; all of them when there are no names.
    pub fn render_only(self, sources: &[Arc<dyn Collect>], names: &[String]) -> Vec<u8> {
        let mut page = Vec::with_capacity(16 << 10);
        self.encode(sources, names, &mut page, None);
        page
    }

    /// Writes the families of these names, or all of them, to `out` as they are rendered: the page is never held as a whole.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_only(self, sources: &[Arc<dyn Collect>], names: &[String], out: &mut dyn Write) -> io::Result<()> {
        let mut rest = Vec::with_capacity(16 << 10);
        let mut sink = Sink { out, result: Ok(()) };
        self.encode(sources, names, &mut rest, Some(&mut sink));
        sink.take(&mut rest);
        sink.result
    }

    fn encode(self, sources: &[Arc<dyn Collect>], names: &[String], page: &mut Vec<u8>, sink: Option<&mut Sink<'_>>) {
        match self {
            Self::Text => walk(sources, names, &mut Text::new(page), sink),
            Self::OpenMetrics => {
                let mut encoder = OpenMetrics::new(page);
                walk(sources, names, &mut encoder, sink);
                encoder.finish();
            }
            Self::Protobuf => {
                let mut encoder = Protobuf::new(page);
                walk(sources, names, &mut encoder, sink);
                encoder.finish();
            }
        }
    }
}

impl Negotiated {
    fn new(format: Format, version: &str, escaping: Option<&str>) -> Self {
        let mut content_type = match format {
            Format::Text => format!("text/plain; version={version}; charset=utf-8"),
            Format::OpenMetrics => format!("application/openmetrics-text; version={version}; charset=utf-8"),
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
                    .to_owned()
            }
        };
        if let Some(escaping) = escaping {
            content_type += "; escaping=";
            content_type += escaping;
        }
        Self { format, content_type }
    }
}

fn walk(sources: &[Arc<dyn Collect>], names: &[String], encoder: &mut dyn Encoder, mut sink: Option<&mut Sink<'_>>) {
    for (at, source) in sources.iter().enumerate() {
        let mut through =
            Through { encoder: &mut *encoder, names, before: &sources[..at], takes: false, sink: sink.as_deref_mut() };
        source.collect(&mut through);
    }
}

/// Lets those families through that are asked for and that no source before has told.
struct Through<'a, 's, 'o> {
    encoder: &'a mut dyn Encoder,
    names: &'a [String],
    before: &'a [Arc<dyn Collect>],
    takes: bool,
    sink: Option<&'s mut Sink<'o>>,
}

impl Encoder for Through<'_, '_, '_> {
    fn family(&mut self, head: &FamilyHead<'_>) {
        let is_asked = self.names.is_empty() || self.names.iter().any(|name| name == head.name);
        self.takes = is_asked && !self.before.iter().any(|source| source.holds(head.name));
        if self.takes {
            self.encoder.family(head);
        }
    }

    fn sample(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        if self.takes {
            self.encoder.sample(labels, point);
        }
    }

    fn at(&mut self, time: Option<i64>) {
        self.encoder.at(time);
    }

    fn pause(&mut self) {
        if let Some(sink) = &mut self.sink
            && let Some(written) = self.encoder.written()
        {
            sink.take(written);
        }
    }
}

/// Where a page goes while it is rendered; after an error the rest goes nowhere.
struct Sink<'o> {
    out: &'o mut dyn Write,
    result: io::Result<()>,
}

impl Sink<'_> {
    fn take(&mut self, written: &mut Vec<u8>) {
        if self.result.is_ok() {
            self.result = self.out.write_all(written);
        }
        written.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::metrics::Kind;

    /// Families of one series each.
    struct Names(&'static [&'static str]);

    impl Collect for Names {
        fn collect(&self, out: &mut dyn Encoder) {
            for name in self.0 {
                out.family(&FamilyHead { name, kind: Kind::Gauge, unit: "", help: "" });
                out.sample(&[], Point::Value(self.0.len() as f64));
                out.pause();
            }
        }

        fn holds(&self, family: &str) -> bool {
            self.0.contains(&family)
        }
    }

    #[test]
    fn a_name_that_two_sources_have_is_told_by_the_first() {
        let sources: [Arc<dyn Collect>; 2] = [Arc::new(Names(&["a"])), Arc::new(Names(&["a", "b"]))];
        assert_eq!(Format::Text.render(&sources), b"# TYPE a gauge\na 1\n# TYPE b gauge\nb 2\n");
        assert_eq!(Format::Text.render_only(&sources, &["b".to_owned()]), b"# TYPE b gauge\nb 2\n");
    }

    #[test]
    fn a_page_that_is_sent_as_it_is_rendered_is_the_same_page() {
        let sources: [Arc<dyn Collect>; 2] = [Arc::new(Names(&["a", "b"])), Arc::new(Names(&["c"]))];
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            let mut out = Vec::new();
            format.write_only(&sources, &[], &mut out).unwrap();
            assert_eq!(out, format.render(&sources), "{format:?}");
        }
    }

    #[test]
    fn the_scraper_gets_the_best_format_that_it_asks_for() {
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let cases = [
            (
                // Prometheus 2.45.
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2".to_owned(),
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            (
                // Prometheus 3.
                format!("{protobuf};q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4"),
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3".to_owned(),
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            ("text/plain;version=1.0.0;escaping=dots".to_owned(), "text/plain; version=1.0.0; charset=utf-8; escaping=dots"),
            ("application/openmetrics-text; version=0.0.1".to_owned(), "application/openmetrics-text; version=0.0.1; charset=utf-8"),
            ("application/openmetrics-text; version=2.0.0, text/plain;q=0.1".to_owned(), "text/plain; version=0.0.4; charset=utf-8"),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.1".to_owned(), "text/plain; version=0.0.4; charset=utf-8"),
            ("application/vnd.google.protobuf".to_owned(), "text/plain; version=0.0.4; charset=utf-8"),
            ("application/json".to_owned(), "text/plain; version=0.0.4; charset=utf-8"),
            (String::new(), "text/plain; version=0.0.4; charset=utf-8"),
        ];
        for (accept, content_type) in cases {
            assert_eq!(Format::negotiate(Some(&accept)).content_type, content_type, "{accept}");
        }
        assert_eq!(Format::negotiate(None).format, Format::Text);
    }
}
