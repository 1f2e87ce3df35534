//! A JVM's beans as samples, over RMI and without a JVM on our side.
//!
//! ```text
//!  address ─▶ channel ─▶ connection ─▶ beans ─▶ walk ─▶ plan ─▶ samples
//!              (rmi,       (lookup,      (names,   (one     (names, labels,
//!              serial,      login,        infos,    value    remembered)
//!              tls)         calls)        values)   each)
//! ```
//!
//! Left of `walk` nothing knows of metrics, right of it nothing knows of Java. `serial`, `rmi`, `value`, `bean`,
//! `walk`, `naming` and `plan` do no I/O. The JVM is asked and never told: no operation is invoked, nothing is set.

mod address;
mod bean;
mod beans;
mod candidates;
mod channel;
mod collect;
mod connection;
mod customize;
mod error;
mod exporter_file;
mod java_class;
mod java_number;
mod java_regex;
mod java_template;
mod jvm;
mod local;
mod login;
mod naming;
mod plan;
mod rmi;
mod rules;
#[cfg(test)]
mod rules_tests;
mod sample;
mod serial;
mod tls;
mod value;
mod walk;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use address::Address;
pub use bean::Pattern;
pub use beans::{Selection, Text};
pub use connection::{Target, TlsUse};
pub use customize::Customizer;
pub use error::JmxError;
pub use exporter_file::ExporterFile;
pub use login::{Login, PasswordSource};
pub use rules::Rules;
pub use sample::{Counts, Kind, Sample, Scrape, Series};
pub use tls::{Identity, TlsSettings};

use beans::Beans;
use collect::Collection;
use connection::Connection;
use jvm::JvmFamilies;
use plan::{Planner, Plans};
use walk::Reading;

/// Which JVM to read, and what of it.
#[derive(Debug, Clone)]
pub struct JmxSettings {
    /// The JVM.
    pub target: Target,
    /// Its beans.
    pub selection: Selection,
    /// For a whole scrape, connecting included.
    pub deadline: Duration,
}

/// One JVM. The connection is kept between scrapes.
pub struct JmxSource {
    settings: JmxSettings,
    rules: Arc<Rules>,
    connection: Option<Connection>,
    beans: Beans<Plans>,
    jvm: Option<JvmFamilies>,
    planner: Planner,
    collection: Collection,
}

/// The server is told good-bye for at most this long.
const GOOD_BYE: Duration = Duration::from_millis(500);

impl JmxSource {
    /// Nothing is dialled before the first scrape.
    pub fn new(settings: JmxSettings) -> JmxSource {
        JmxSource {
            settings,
            rules: Arc::default(),
            connection: None,
            beans: Beans::new(),
            jvm: None,
            planner: Planner::default(),
            collection: Collection::default(),
        }
    }

    /// Names samples by these rules; without them, after their beans.
    #[must_use]
    pub fn with_rules(mut self, rules: Arc<Rules>) -> JmxSource {
        if rules.want_text() {
            self.settings.selection.text = Text::Wanted;
        }
        self.rules = rules;
        self
    }

    /// Adds the JVM's own statistics under the names of Prometheus' Java library (`jvm_memory_used_bytes` …), whatever
    /// the selection and the rules are.
    #[must_use]
    pub fn with_jvm_families(mut self) -> JmxSource {
        self.jvm = Some(JvmFamilies::new());
        self
    }

    /// Reads all beans once.
    ///
    /// Cancel safe: a scrape that is dropped costs its connection, nothing else.
    ///
    /// # Errors
    /// The JVM could not be read; the error says why. The next scrape starts with a new connection, so that repeating
    /// is always safe.
    pub async fn scrape(&mut self) -> Result<Scrape, JmxError> {
        let started = Instant::now();
        let deadline = self.settings.deadline;
        let peer = self.settings.target.address.to_string();
        let read = tokio::time::timeout(deadline, self.read(started)).await;
        let mut scrape = read.map_err(|_| JmxError::Deadline { peer, deadline })??;
        scrape.took = started.elapsed();
        Ok(scrape)
    }

    /// Every single value that the JVM has, text included, as the patterns of rules see it:
    /// `domain<key=value, …><outer, inner>attribute: value`. For people who write rules.
    ///
    /// # Errors
    /// As for [`JmxSource::scrape`].
    pub async fn dump(&mut self) -> Result<Vec<String>, JmxError> {
        let JmxSettings { target, selection, deadline } = &self.settings;
        let selection = Selection { text: Text::Wanted, ..selection.clone() };
        let dump = async {
            let mut connection = Connection::open(target).await?;
            let mut lines = Vec::new();
            let each = |(): &mut (), reading: &Reading<'_>| {
                let value = reading.value.text().unwrap_or_default();
                lines.push(format!("{}: {value}", naming::match_name(reading, reading.attribute)));
            };
            Beans::new().read(&mut connection, &selection, Instant::now(), each).await?;
            connection.close().await;
            Ok(lines)
        };
        let late = |_| JmxError::Deadline { peer: target.address.to_string(), deadline: *deadline };
        tokio::time::timeout(*deadline, dump).await.map_err(late)?
    }

    /// Ends the connection, so that the JVM need not wait for it to time out.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The JVM's own timer does it otherwise.
            let _ = tokio::time::timeout(GOOD_BYE, connection.close()).await;
        }
    }

    async fn read(&mut self, now: Instant) -> Result<Scrape, JmxError> {
        // Taken out, and put back only when it is known to be sound.
        let kept = self.connection.take().filter(|connection| !connection.is_stale(now));
        let was_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(&self.settings.target).await?,
        };
        let scrape = match self.read_on(&mut connection, now).await {
            // The JVM restarted, or forgot us. That is no failure of this scrape yet.
            Err(error) if was_kept && error.is_worth_a_new_connection() => {
                connection = Connection::open(&self.settings.target).await?;
                self.read_on(&mut connection, now).await?
            }
            scrape => scrape?,
        };
        self.connection = Some(connection);
        Ok(scrape)
    }

    async fn read_on(&mut self, connection: &mut Connection, now: Instant) -> Result<Scrape, JmxError> {
        let (selection, rules) = (&self.settings.selection, &self.rules);
        let planner = &mut self.planner;
        let mut made = Vec::new();
        let mut unmatched = 0;
        let each = |plans: &mut Plans, reading: &Reading<'_>| match plans.sample(reading, rules, planner) {
            Some(sample) => made.push(sample),
            None => unmatched += 1,
        };
        let mut counts = self.beans.read(connection, selection, now, each).await?;
        counts.unmatched = unmatched;
        self.beans.notes_mut().for_each(Plans::sweep);
        self.planner.rest();
        let mut samples = self.collection.settle(made);
        if let Some(jvm) = &mut self.jvm {
            samples.extend(jvm.read(connection, now).await?);
        }
        Ok(Scrape { samples, counts, took: Duration::ZERO })
    }
}
