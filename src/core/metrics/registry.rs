//! Our own instruments: counters, gauges and histograms that cost one atomic operation, found again by name and labels.
//!
//! Label values must come from a bounded set (a status, a reason, a configured name): nothing here ever forgets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::process::Process;
use super::{Collect, Encoder, FamilyHead, Format, Kind, Point};

/// Counts what happened.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What was counted so far.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Holds what is now.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Adds to the value (or takes away, when negative).
    pub fn add(&self, difference: f64) {
        // The closure always answers, so the update cannot fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |bits| Some((f64::from_bits(bits) + difference).to_bits()));
    }

    /// The value now.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// Counts observations in fixed buckets.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    sum: Gauge,
}

impl Histogram {
    /// Bounds for what takes from a millisecond to minutes, in seconds.
    pub const SECONDS: &'static [f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { bounds, counts, sum: Gauge::default() }))
    }

    /// Counts one observation, in the unit of the bounds.
    pub fn observe(&self, value: f64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        self.0.counts[bucket].fetch_add(1, Relaxed);
        self.0.sum.add(value);
    }
}

enum Instrument {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

struct Family {
    kind: Kind,
    help: &'static str,
    series: BTreeMap<Vec<(&'static str, String)>, Instrument>,
}

#[derive(Default)]
struct Inner {
    families: Mutex<BTreeMap<&'static str, Family>>,
    sources: Mutex<Vec<Arc<dyn Collect>>>,
    /// Tells the process's own families; where a source has one of the same name, the source's is told.
    process: Option<Arc<Process>>,
}

/// All that a process tells on `/metrics`: instruments by name, and further sources that collect themselves.
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Inner>,
    /// What every instrument made here carries.
    labels: Vec<(&'static str, String)>,
}

impl Registry {
    /// An empty registry with the process's own families (start time, CPU seconds, memory, open files, build).
    pub fn with_process() -> Self {
        let inner = Inner { process: Some(Arc::new(Process::new())), ..Inner::default() };
        Self { inner: Arc::new(inner), labels: Vec::new() }
    }

    /// The same registry; every instrument that is made through this handle carries the label first. Of a family, either all
    /// instruments are made so or none.
    #[must_use]
    pub fn labelled(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut labelled = self.clone();
        labelled.labels.push((name, value.into()));
        labelled
    }

    /// Adds a source that walks its own families; their names must not be taken, or be told by [`Collect::holds`].
    pub fn register(&self, source: Arc<dyn Collect>) {
        self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The counter of this name and these labels; made at the first call.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.instrument(
            name,
            Kind::Counter,
            help,
            labels,
            || Instrument::Counter(Counter::default()),
            |found| match found {
                Instrument::Counter(counter) => Some(counter.clone()),
                _ => None,
            },
        )
        .unwrap_or_default()
    }

    /// The gauge of this name and these labels; made at the first call.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.instrument(
            name,
            Kind::Gauge,
            help,
            labels,
            || Instrument::Gauge(Gauge::default()),
            |found| match found {
                Instrument::Gauge(gauge) => Some(gauge.clone()),
                _ => None,
            },
        )
        .unwrap_or_default()
    }

    /// The histogram of this name and these labels, with ascending bucket bounds; made at the first call.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        labels: &[(&'static str, &str)],
    ) -> Histogram {
        self.instrument(
            name,
            Kind::Histogram,
            help,
            labels,
            || Instrument::Histogram(Histogram::new(bounds)),
            |found| match found {
                Instrument::Histogram(histogram) => Some(histogram.clone()),
                _ => None,
            },
        )
        .unwrap_or_else(|| Histogram::new(bounds))
    }

    /// Renders the whole page.
    pub fn render(&self, format: Format) -> Vec<u8> {
        self.render_only(format, &[])
    }

    /// Renders the families of these names; all of them when there are no names.
    pub fn render_only(&self, format: Format, names: &[String]) -> Vec<u8> {
        format.render_only(&self.all(), names)
    }

    /// Writes the families of these names, or all of them, to `out` as they are rendered.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_only(&self, format: Format, names: &[String], out: &mut dyn Write) -> io::Result<()> {
        format.write_only(&self.all(), names, out)
    }

    fn all(&self) -> Vec<Arc<dyn Collect>> {
        let mut sources = self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sources.push(Arc::new(self.clone()));
        sources.extend(self.inner.process.clone().map(|process| process as Arc<dyn Collect>));
        sources
    }

    fn instrument<T>(
        &self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        labels: &[(&'static str, &str)],
        make: impl FnOnce() -> Instrument,
        pick: impl FnOnce(&Instrument) -> Option<T>,
    ) -> Option<T> {
        let mut families = self.inner.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| Family { kind, help, series: BTreeMap::new() });
        debug_assert!(family.kind == kind, "{name} is registered with two types");
        let own = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let labels = self.labels.iter().cloned().chain(own).collect();
        pick(family.series.entry(labels).or_insert_with(make))
    }
}

impl Collect for Registry {
    fn collect(&self, out: &mut dyn Encoder) {
        let families = self.inner.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in families.iter() {
            out.family(&FamilyHead { name, kind: family.kind, unit: unit(name), help: family.help });
            for (labels, instrument) in &family.series {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                match instrument {
                    Instrument::Counter(counter) => out.sample(&labels, Point::Value(counter.value() as f64)),
                    Instrument::Gauge(gauge) => out.sample(&labels, Point::Value(gauge.value())),
                    Instrument::Histogram(Histogram(buckets)) => sample_histogram(out, &labels, buckets),
                }
            }
        }
    }
}

fn sample_histogram(out: &mut dyn Encoder, labels: &[(&str, &str)], buckets: &Buckets) {
    let mut count = 0;
    let mut cumulative = Vec::with_capacity(buckets.bounds.len());
    for (i, bucket) in buckets.counts.iter().enumerate() {
        count += bucket.load(Relaxed);
        cumulative.extend(buckets.bounds.get(i).map(|bound| (*bound, count)));
    }
    out.sample(
        labels,
        Point::Histogram { buckets: &cumulative, sum: buckets.sum.value(), count, created: None, native: None },
    );
}

/// The unit that a well-made name ends in.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    ["seconds", "bytes", "ratio"]
        .into_iter()
        .find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_and_labels_are_the_same_instrument() {
        let registry = Registry::default();
        registry.counter("x_total", "X.", &[("a", "1")]).add(2);
        registry.counter("x_total", "X.", &[("a", "1")]).increment();
        registry.counter("x_total", "X.", &[("a", "2")]).increment();
        registry.gauge("y_bytes", "Y.", &[]).set(2.5);
        let histogram = registry.histogram("z_seconds", "Z.", &[0.1, 1.0], &[]);
        [0.1, 0.5, 5.0].into_iter().for_each(|value| histogram.observe(value));
        insta::assert_snapshot!(String::from_utf8(registry.render(Format::Text)).unwrap());
    }
}
