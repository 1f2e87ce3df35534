//! A JVM as a source: the keys of a `type: jmx` entry in, the reader's samples out.
//!
//! A `rules-file` is a jmx_exporter file as it is: it names the beans and what becomes of them, and may name the JVM, too.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use tracing::warn;

use super::{Poll, Polling, Sample, Seen};
use crate::adapt_metrics::jmx::{
    Address, ExporterFile, Identity, JmxSettings, JmxSource, Kind as JmxKind, Login, PasswordSource, Pattern, Rules,
    Scrape, Selection, Target, TlsSettings, TlsUse,
};
use crate::adapt_metrics::model::Part;
use crate::core::document::{self, Fields, Mistakes};
use crate::core::metrics::Kind;
use crate::core::secret::SecretFile;

/// Which JVM, as who, which of its beans, and what becomes of them.
#[derive(Debug, Clone)]
pub struct Jvm {
    target: Target,
    selection: Selection,
    families: Families,
    rules: Option<Arc<Rules>>,
    start_delay: Duration,
    timeout: Option<Duration>,
}

/// Whether the JVM's own statistics also leave under the names of Prometheus' Java library (`jvm_memory_used_bytes`, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    Jvm,
    Beans,
}

impl Jvm {
    /// Reads the keys; what is wrong goes to the mistakes.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let file = fields.read("rules-file", |path| rules_file(Path::new(path)));
        let (named, mut selection, rules, start_delay, file_timeout) = match file {
            Some(file) => (file.target, file.selection, Some(file.rules), file.start_delay, file.scrape_timeout),
            None => (None, Selection::default(), None, Duration::ZERO, None),
        };
        let address = match &named {
            Some(_) => fields.read("address", str::parse::<Address>),
            None => fields.require("address", str::parse::<Address>),
        };
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
        selection.include.extend(patterns(fields, "include-object-names"));
        selection.exclude.extend(patterns(fields, "exclude-object-names"));
        let families = fields.read("jvm-families", |text| match text {
            "true" => Ok(Families::Jvm),
            "false" => Ok(Families::Beans),
            _ => Err("it is true or false"),
        });
        // What stands in the settings is stronger than what stands in the file.
        let target = match (address, named) {
            (Some(address), _) => Target { address, login, tls: tls?, rmi_port },
            (None, named) => named?,
        };
        let families = families.unwrap_or(Families::Jvm);
        Some(Self { target, selection, families, rules, start_delay, timeout: file_timeout })
    }

    /// Begins to poll.
    pub fn poll(&self, timeout: Duration) -> Box<dyn Poll> {
        let deadline = self.timeout.map_or(timeout, |own| own.min(timeout));
        let settings = JmxSettings { target: self.target.clone(), selection: self.selection.clone(), deadline };
        let mut source = JmxSource::new(settings);
        if let Some(rules) = &self.rules {
            source = source.with_rules(rules.clone());
        }
        if self.families == Families::Jvm {
            source = source.with_jvm_families();
        }
        Box::new(Beans { source, not_before: Instant::now() + self.start_delay })
    }
}

/// A JVM that is polled.
struct Beans {
    source: JmxSource,
    not_before: Instant,
}

impl Poll for Beans {
    fn poll(&mut self, _within: Duration) -> Polling<'_> {
        Box::pin(async move {
            let wait = self.not_before.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                bail!("the rules file asks not to read the JVM for another {wait:.0?}");
            }
            Ok(seen(self.source.scrape().await?))
        })
    }

    fn close(&mut self) -> super::Closing<'_> {
        Box::pin(self.source.close())
    }
}

/// Reads a jmx_exporter file. What it says and we do not do is logged, a line each.
fn rules_file(path: &Path) -> Result<ExporterFile, String> {
    let document = document::read(path).map_err(|fault| fault.one_line())?;
    let (mut mistakes, mut notes) = (Mistakes::new(path.display()), Mistakes::new(path.display()));
    let environment = |name: &str| std::env::var(name).ok();
    let file = ExporterFile::read(&document, &environment, &mut mistakes, &mut notes);
    if !mistakes.is_empty() {
        return Err(mistakes.to_string());
    }
    for note in notes.sorted() {
        let line = note.at.unwrap_or_default().line;
        warn!(file = %path.display(), line, key = note.key, note = note.reason, "a key of the rules file has no effect");
    }
    Ok(file)
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
