//! A JVM as a source: the keys of a `type: jmx` entry in, the reader's samples out.
//!
//! A `rules-file` is a jmx_exporter file as it is: it names the beans and what becomes of them, and may name the JVM, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;
use tracing::{error, info, warn};

use super::{Poll, Polling, Sample, Seen, Series};
use crate::adapt_metrics::jmx::{
    Address, ExporterFile, Identity, JmxSettings, JmxSource, Kind as JmxKind, Login, PasswordSource, Pattern, Scrape,
    Series as JmxSeries, Target, TlsSettings, TlsUse,
};
use crate::adapt_metrics::model::Part;
use crate::core::document::{self, Fields, Mistakes};
use crate::core::metrics::Kind;
use crate::core::secret::SecretFile;

/// Which JVM, as who, which of its beans, and what becomes of them: what stands in the settings, and in a rules file.
#[derive(Debug, Clone)]
pub struct Jvm {
    own: Own,
    file: Option<(PathBuf, Arc<ExporterFile>)>,
}

/// What stands in the settings. It is stronger than what stands in the file.
#[derive(Debug, Clone)]
struct Own {
    address: Option<Address>,
    login: Option<Login>,
    tls: TlsUse,
    rmi_port: Option<u16>,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    families: Families,
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
        let file = fields
            .read("rules-file", |path| rules_file(Path::new(path)).map(|file| (PathBuf::from(path), Arc::new(file))));
        let is_named = file.as_ref().is_some_and(|(_, file)| file.target.is_some());
        let address = match is_named {
            true => fields.read("address", str::parse::<Address>),
            false => fields.require("address", str::parse::<Address>),
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
        let include = patterns(fields, "include-object-names");
        let exclude = patterns(fields, "exclude-object-names");
        let families = fields.read("jvm-families", |text| match text {
            "true" => Ok(Families::Jvm),
            "false" => Ok(Families::Beans),
            _ => Err("it is true or false"),
        });
        if address.is_none() && !is_named {
            return None;
        }
        let families = families.unwrap_or(Families::Jvm);
        Some(Self { own: Own { address, login, tls: tls?, rmi_port, include, exclude, families }, file })
    }

    /// Begins to poll.
    pub fn poll(&self, timeout: Duration) -> Box<dyn Poll> {
        let watched = self.file.as_ref().map(|(path, file)| Watched {
            seen: stamp(path),
            path: path.clone(),
            file: file.clone(),
        });
        let delay = watched.as_ref().map_or(Duration::ZERO, |watched| watched.file.start_delay);
        let source = self.own.source(watched.as_ref().map(|watched| watched.file.as_ref()), timeout);
        Box::new(Beans {
            own: self.own.clone(),
            watched,
            timeout,
            source,
            not_before: Instant::now() + delay,
            known: Vec::new(),
        })
    }
}

impl Own {
    /// A reader by these settings and this file. One of the two names the JVM, which was seen to when they were read; a
    /// file that has stopped to do so is of no use.
    fn source(&self, file: Option<&ExporterFile>, timeout: Duration) -> Option<JmxSource> {
        let target = match (&self.address, file.and_then(|file| file.target.clone())) {
            (Some(address), _) => Target {
                address: address.clone(),
                login: self.login.clone(),
                tls: self.tls.clone(),
                rmi_port: self.rmi_port,
            },
            (None, named) => named?,
        };
        let mut selection = file.map(|file| file.selection.clone()).unwrap_or_default();
        selection.include.extend(self.include.iter().cloned());
        selection.exclude.extend(self.exclude.iter().cloned());
        let deadline = file.and_then(|file| file.scrape_timeout).map_or(timeout, |own| own.min(timeout));
        let mut source = JmxSource::new(JmxSettings { target, selection, deadline });
        if let Some(file) = file {
            source = source.with_rules(file.rules.clone());
        }
        Some(if self.families == Families::Jvm { source.with_jvm_families() } else { source })
    }
}

/// A rules file that is looked at before each poll, as jmx_exporter does.
struct Watched {
    path: PathBuf,
    file: Arc<ExporterFile>,
    seen: Option<(SystemTime, u64)>,
}

/// When a file was written, and its length: a swapped ConfigMap changes them, too.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// A JVM that is polled.
struct Beans {
    own: Own,
    watched: Option<Watched>,
    timeout: Duration,
    source: Option<JmxSource>,
    not_before: Instant,
    /// The reader's series, and what they are called here, in the order of the last poll.
    known: Vec<(Arc<JmxSeries>, Arc<Series>)>,
}

impl Beans {
    /// Takes up a changed file; the last good one stays when it is wrong.
    async fn reload(&mut self) {
        let Some(watched) = &mut self.watched else { return };
        let stamp = stamp(&watched.path);
        if stamp.is_none() || stamp == watched.seen {
            return;
        }
        watched.seen = stamp;
        let read = rules_file(&watched.path).and_then(|file| {
            let source = self.own.source(Some(&file), self.timeout).ok_or("it names no JVM any more")?;
            Ok((file, source))
        });
        let path = watched.path.display();
        match read {
            Ok((file, source)) => {
                info!(file = %path, rules = file.rules.count(), "the rules are in force");
                watched.file = Arc::new(file);
                if let Some(mut before) = self.source.replace(source) {
                    before.close().await;
                }
            }
            Err(error) => error!(file = %path, error, "the rules are wrong; the last good ones stay"),
        }
    }

    fn series(&mut self, scrape: &Scrape) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(scrape.samples.len());
        for (at, sample) in scrape.samples.iter().enumerate() {
            let is_known = self.known.get(at).is_some_and(|(known, _)| Arc::ptr_eq(known, &sample.series));
            if !is_known {
                self.known.truncate(at);
                self.known.push((sample.series.clone(), Arc::new(series(&sample.series))));
            }
            samples.push(Sample { series: self.known[at].1.clone(), value: sample.value, time: None });
        }
        samples
    }
}

impl Poll for Beans {
    fn poll(&mut self, _within: Duration) -> Polling<'_> {
        Box::pin(async move {
            let wait = self.not_before.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                bail!("the rules file asks not to read the JVM for another {wait:.0?}");
            }
            self.reload().await;
            let Some(source) = &mut self.source else { bail!("neither the settings nor the rules file name a JVM") };
            let scrape = source.scrape().await?;
            let counts = scrape.counts;
            let skipped = (counts.not_serializable + counts.threw + counts.beans_failed) as u64;
            let example = (skipped > 0).then(|| {
                format!(
                    "{} attributes cannot be serialized, {} threw, {} beans could not be read",
                    counts.not_serializable, counts.threw, counts.beans_failed
                )
            });
            Ok(Seen { samples: self.series(&scrape), skipped, example })
        })
    }

    fn close(&mut self) -> super::Closing<'_> {
        Box::pin(async move {
            if let Some(source) = &mut self.source {
                source.close().await;
            }
        })
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

fn series(series: &JmxSeries) -> Series {
    let (kind, part, suffix) = match series.kind {
        JmxKind::Counter => (Kind::Counter, Part::Whole, ""),
        JmxKind::Gauge => (Kind::Gauge, Part::Whole, ""),
        JmxKind::Unknown => (Kind::Unknown, Part::Whole, ""),
        JmxKind::Info => (Kind::Info, Part::Whole, ""),
        JmxKind::SummaryCount => (Kind::Summary, Part::Count, "_count"),
        JmxKind::SummarySum => (Kind::Summary, Part::Sum, "_sum"),
    };
    let name = series.name.strip_suffix(suffix).unwrap_or(&series.name).to_owned();
    Series { name, kind, part, help: series.help.clone(), labels: series.labels.clone() }
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
