//! Which format a scraper gets, by its `Accept` header, and how a whole page is rendered in it.

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
        match self {
            Self::Text => walk(sources, names, &mut Text::new(&mut page)),
            Self::OpenMetrics => {
                let mut encoder = OpenMetrics::new(&mut page);
                walk(sources, names, &mut encoder);
                encoder.finish();
            }
            Self::Protobuf => {
                let mut encoder = Protobuf::new(&mut page);
                walk(sources, names, &mut encoder);
                encoder.finish();
            }
        }
        page
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

fn walk(sources: &[Arc<dyn Collect>], names: &[String], encoder: &mut dyn Encoder) {
    if names.is_empty() {
        return sources.iter().for_each(|source| source.collect(encoder));
    }
    let mut only = Only { encoder, names, takes: false };
    sources.iter().for_each(|source| source.collect(&mut only));
}

/// Lets the families of some names through.
struct Only<'a> {
    encoder: &'a mut dyn Encoder,
    names: &'a [String],
    takes: bool,
}

impl Encoder for Only<'_> {
    fn family(&mut self, head: &FamilyHead<'_>) {
        self.takes = self.names.iter().any(|name| name == head.name);
        if self.takes {
            self.encoder.family(head);
        }
    }

    fn sample(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        if self.takes {
            self.encoder.sample(labels, point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
