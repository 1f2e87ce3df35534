//! A JVM as a source: the keys of a `type: jmx` entry in, the reader's samples out.

use std::time::Duration;

use super::{Poll, Polling, Sample, Seen};
use crate::adapt_metrics::jmx::{
    Address, Identity, JmxSettings, JmxSource, Kind as JmxKind, Login, PasswordSource, Pattern, Scrape, Selection,
    Target, TlsSettings, TlsUse,
};
use crate::adapt_metrics::model::Part;
use crate::core::document::Fields;
use crate::core::metrics::Kind;
use crate::core::secret::SecretFile;

/// Which JVM, as who, and which of its beans.
#[derive(Debug, Clone)]
pub struct Jvm {
    target: Target,
    selection: Selection,
}

impl Jvm {
    /// Reads the keys; what is wrong goes to the mistakes.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let address = fields.require("address", str::parse::<Address>);
        let username = fields.text("username");
        let password = fields.text("password-file").map(SecretFile::new);
        let login = match (username, password) {
            (Some(user), Some(file)) => Some(Login { user, password: PasswordSource::File(file) }),
            (None, None) => None,
            _ => {
                let (at, path) = (fields.at(), fields.path("username"));
                fields.mistakes().add(at, path, "and password-file go together");
                None
            }
        };
        let tls = tls(fields);
        let rmi_port = fields.read("rmi-port", str::parse::<u16>);
        let selection = Selection {
            include: patterns(fields, "include-object-names"),
            exclude: patterns(fields, "exclude-object-names"),
            ..Selection::default()
        };
        Some(Self { target: Target { address: address?, login, tls: tls?, rmi_port }, selection })
    }

    /// Begins to poll.
    pub fn poll(&self, timeout: Duration) -> Box<dyn Poll> {
        let settings =
            JmxSettings { target: self.target.clone(), selection: self.selection.clone(), deadline: timeout };
        Box::new(Beans(JmxSource::new(settings)))
    }
}

struct Beans(JmxSource);

impl Poll for Beans {
    fn poll(&mut self, _within: Duration) -> Polling<'_> {
        Box::pin(async move { Ok(seen(self.0.scrape().await?)) })
    }

    fn close(&mut self) -> super::Closing<'_> {
        Box::pin(self.0.close())
    }
}

fn seen(scrape: Scrape) -> Seen {
    let counts = scrape.counts;
    let skipped = (counts.not_serializable + counts.threw + counts.beans_failed) as u64;
    let example = (skipped > 0).then(|| {
        format!(
            "{} attributes cannot be serialized, {} threw, {} beans could not be read",
            counts.not_serializable, counts.threw, counts.beans_failed
        )
    });
    let sample = |sample: &crate::adapt_metrics::jmx::Sample| {
        let series = &sample.series;
        let (kind, part, suffix) = match series.kind {
            JmxKind::Counter => (Kind::Counter, Part::Whole, ""),
            JmxKind::Gauge => (Kind::Gauge, Part::Whole, ""),
            JmxKind::Unknown => (Kind::Unknown, Part::Whole, ""),
            JmxKind::Info => (Kind::Info, Part::Whole, ""),
            JmxKind::SummaryCount => (Kind::Summary, Part::Count, "_count"),
            JmxKind::SummarySum => (Kind::Summary, Part::Sum, "_sum"),
        };
        let name = series.name.strip_suffix(suffix).unwrap_or(&series.name).to_owned();
        Sample { name, kind, part, help: series.help.clone(), labels: series.labels.clone(), value: sample.value }
    };
    Seen { samples: scrape.samples.iter().map(sample).collect(), skipped, example }
}

fn patterns(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<Pattern> {
    let mut read = Vec::new();
    for (path, item) in fields.list(key) {
        match item.text().map(str::parse::<Pattern>) {
            Some(Ok(pattern)) => read.push(pattern),
            Some(Err(error)) => fields.mistakes().add(item.at, path, error.to_string()),
            None => fields.mistakes().add(item.at, path, "must be an object name, such as java.lang:*"),
        }
    }
    read
}

/// The `tls` key: `auto` (whenever the server wants it), `required` or `never`, and the files that go with it.
fn tls(fields: &mut Fields<'_, '_>) -> Option<TlsUse> {
    let trust = fields.text("ca-file").map(Into::into);
    let server_name = fields.text("server-name");
    let certificate = fields.text("certificate-file");
    let key = fields.text("key-file");
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.into(), key: key.into() }),
        (None, None) => None,
        _ => {
            let (at, path) = (fields.at(), fields.path("certificate-file"));
            fields.mistakes().add(at, path, "and key-file go together");
            return None;
        }
    };
    let settings = TlsSettings { trust, identity, server_name };
    let mode = fields.read("tls", |text| match text {
        "auto" | "required" | "never" => Ok(text.to_owned()),
        _ => Err("it is auto, required or never"),
    });
    Some(match mode.as_deref() {
        Some("required") => TlsUse::Required(settings),
        Some("never") => TlsUse::Never,
        _ => TlsUse::AsAsked(settings),
    })
}
