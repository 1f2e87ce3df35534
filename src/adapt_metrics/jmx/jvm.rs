//! The JVM's own statistics under the names that Prometheus' Java library gives them, so that dashboards and alerts
//! made for an in-process exporter go on working.
//!
//! In: readings of the platform's beans. Out: `jvm_*` samples. Left out: what takes an operation (thread states,
//! deadlocks) or a listener (allocation by pool), since we only read; and `process_*`, which on our page is our own
//! process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::bean::Pattern;
use super::beans::{Beans, Selection, Text};
use super::connection::Connection;
use super::error::JmxError;
use super::naming;
use super::sample::{Kind, Sample, Series};
use super::walk::Reading;

/// A bean's `type` property, the way to the value, and what it is called on the page.
struct Family {
    place: (&'static str, &'static str),
    name: &'static str,
    kind: Kind,
    /// From the bean's unit to the base unit.
    factor: f64,
    /// The label that holds the bean's name, or else the memory area.
    label: Option<&'static str>,
    help: &'static str,
}

const fn family(
    place: (&'static str, &'static str),
    name: &'static str,
    kind: Kind,
    label: Option<&'static str>,
    help: &'static str,
) -> Family {
    Family { place, name, kind, factor: 1.0, label, help }
}

const MILLISECONDS: f64 = 0.001;
const POOL: Option<&str> = Some("pool");
const AREA: Option<&str> = Some("area");

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    family(("BufferPool", "MemoryUsed"), "jvm_buffer_pool_used_bytes", Kind::Gauge, POOL, "Bytes in use in a pool of buffers"),
    family(("BufferPool", "TotalCapacity"), "jvm_buffer_pool_capacity_bytes", Kind::Gauge, POOL, "Bytes that a pool of buffers holds"),
    family(("BufferPool", "Count"), "jvm_buffer_pool_used_buffers", Kind::Gauge, POOL, "Buffers in a pool"),
    family(("ClassLoading", "LoadedClassCount"), "jvm_classes_currently_loaded", Kind::Gauge, None, "Classes that are loaded now"),
    family(("ClassLoading", "TotalLoadedClassCount"), "jvm_classes_loaded_total", Kind::Counter, None, "Classes loaded since the start"),
    family(("ClassLoading", "UnloadedClassCount"), "jvm_classes_unloaded_total", Kind::Counter, None, "Classes unloaded since the start"),
    Family { factor: MILLISECONDS, ..family(("Compilation", "TotalCompilationTime"), "jvm_compilation_time_seconds_total", Kind::Counter, None, "Time spent on compiling classes") },
    family(("GarbageCollector", "CollectionCount"), "jvm_gc_collection_seconds_count", Kind::SummaryCount, Some("gc"), "Time spent in a garbage collector"),
    Family { factor: MILLISECONDS, ..family(("GarbageCollector", "CollectionTime"), "jvm_gc_collection_seconds_sum", Kind::SummarySum, Some("gc"), "Time spent in a garbage collector") },
    family(("Memory", "ObjectPendingFinalizationCount"), "jvm_memory_objects_pending_finalization", Kind::Gauge, None, "Objects that wait for their finalizer"),
    family(("Memory", "MemoryUsage.used"), "jvm_memory_used_bytes", Kind::Gauge, AREA, "Bytes in use in a memory area"),
    family(("Memory", "MemoryUsage.committed"), "jvm_memory_committed_bytes", Kind::Gauge, AREA, "Bytes committed to a memory area"),
    family(("Memory", "MemoryUsage.max"), "jvm_memory_max_bytes", Kind::Gauge, AREA, "Bytes that a memory area may take; -1 without a limit"),
    family(("Memory", "MemoryUsage.init"), "jvm_memory_init_bytes", Kind::Gauge, AREA, "Bytes that a memory area started with"),
    family(("MemoryPool", "Usage.used"), "jvm_memory_pool_used_bytes", Kind::Gauge, POOL, "Bytes in use in a memory pool"),
    family(("MemoryPool", "Usage.committed"), "jvm_memory_pool_committed_bytes", Kind::Gauge, POOL, "Bytes committed to a memory pool"),
    family(("MemoryPool", "Usage.max"), "jvm_memory_pool_max_bytes", Kind::Gauge, POOL, "Bytes that a memory pool may take; -1 without a limit"),
    family(("MemoryPool", "Usage.init"), "jvm_memory_pool_init_bytes", Kind::Gauge, POOL, "Bytes that a memory pool started with"),
    family(("MemoryPool", "CollectionUsage.used"), "jvm_memory_pool_collection_used_bytes", Kind::Gauge, POOL, "Bytes in use in a memory pool after its last collection"),
    family(("MemoryPool", "CollectionUsage.committed"), "jvm_memory_pool_collection_committed_bytes", Kind::Gauge, POOL, "Bytes committed to a memory pool after its last collection"),
    family(("MemoryPool", "CollectionUsage.max"), "jvm_memory_pool_collection_max_bytes", Kind::Gauge, POOL, "Bytes that a memory pool could take after its last collection"),
    family(("MemoryPool", "CollectionUsage.init"), "jvm_memory_pool_collection_init_bytes", Kind::Gauge, POOL, "Bytes that a memory pool started with, as of its last collection"),
    family(("Threading", "ThreadCount"), "jvm_threads_current", Kind::Gauge, None, "Threads that live now"),
    family(("Threading", "DaemonThreadCount"), "jvm_threads_daemon", Kind::Gauge, None, "Daemon threads that live now"),
    family(("Threading", "PeakThreadCount"), "jvm_threads_peak", Kind::Gauge, None, "The most threads that lived at once"),
    family(("Threading", "TotalStartedThreadCount"), "jvm_threads_started_total", Kind::Counter, None, "Threads started since the start"),
];

/// Of the runtime bean; they become labels.
const RUNTIME: [&str; 3] = ["VmName", "VmVendor", "VmVersion"];
const PATTERNS: [&str; 2] = ["java.lang:*", "java.nio:type=BufferPool,*"];

/// The platform beans of one JVM between scrapes.
pub(crate) struct JvmFamilies {
    selection: Selection,
    beans: Beans<()>,
    /// By the reading's whole place.
    series: HashMap<String, Arc<Series>>,
}

impl JvmFamilies {
    pub(crate) fn new() -> JvmFamilies {
        // `MemoryUsage.used` stands for an item of both HeapMemoryUsage and NonHeapMemoryUsage.
        let attributes = FAMILIES.iter().flat_map(|family| match family.place.1.split_once('.') {
            Some(("MemoryUsage", _)) => vec!["HeapMemoryUsage", "NonHeapMemoryUsage"],
            Some((attribute, _)) => vec![attribute],
            None => vec![family.place.1],
        });
        let attributes: Vec<String> = attributes.chain(RUNTIME).map(str::to_owned).collect();
        let include: Vec<Pattern> = PATTERNS.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        let include_attributes = include.iter().map(|pattern| (pattern.clone(), attributes.clone())).collect();
        let selection = Selection { include, include_attributes, text: Text::Wanted, ..Selection::default() };
        JvmFamilies { selection, beans: Beans::new(), series: HashMap::new() }
    }

    /// # Errors
    /// The connection is of no further use.
    pub(crate) async fn read(&mut self, connection: &mut Connection, now: Instant) -> Result<Vec<Sample>, JmxError> {
        let (mut samples, mut runtime) = (Vec::new(), Vec::new());
        let series = &mut self.series;
        let each = |(): &mut (), reading: &Reading<'_>| {
            if RUNTIME.contains(&reading.attribute) {
                runtime.extend(reading.value.text().map(|text| (reading.attribute.to_owned(), text)));
            } else if let Some((family, value)) = find(reading).zip(reading.value.number()) {
                let key = naming::match_name(reading, reading.attribute);
                let series = series.entry(key).or_insert_with(|| Arc::new(make(family, reading)));
                samples.push(Sample { series: Arc::clone(series), value: value * family.factor });
            }
        };
        self.beans.read(connection, &self.selection, now, each).await?;
        samples.extend(runtime_info(&runtime).map(|series| Sample { series: Arc::new(series), value: 1.0 }));
        Ok(samples)
    }
}

fn find(reading: &Reading<'_>) -> Option<&'static Family> {
    let kind = reading.bean.property("type")?;
    FAMILIES.iter().find(|family| {
        family.place.0 == kind
            && match (family.place.1.split_once('.'), reading.keys) {
                (None, []) => family.place.1 == reading.attribute,
                (Some((outer, item)), [key]) => {
                    item == reading.attribute && (outer == key || area(key) != key && outer == "MemoryUsage")
                }
                _ => false,
            }
    })
}

fn make(family: &Family, reading: &Reading<'_>) -> Series {
    let labels = family.label.map(|label| {
        let value = if label == "area" {
            reading.keys.first().map_or("", |attribute| area(attribute))
        } else {
            reading.bean.property("name").unwrap_or_default()
        };
        (label.to_owned(), value.to_owned())
    });
    Series {
        name: family.name.to_owned(),
        kind: family.kind,
        help: family.help.to_owned(),
        labels: labels.into_iter().collect(),
    }
}

fn area(attribute: &str) -> &str {
    match attribute {
        "HeapMemoryUsage" => "heap",
        "NonHeapMemoryUsage" => "nonheap",
        other => other,
    }
}

fn runtime_info(attributes: &[(String, String)]) -> Option<Series> {
    let attribute = |name| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let machine = attribute("VmName")?;
    // The library takes the runtime's name from a system property, which is no attribute of its own.
    let runtime = match machine.as_str() {
        name if name.starts_with("OpenJDK") => "OpenJDK Runtime Environment".to_owned(),
        name if name.starts_with("Java HotSpot") => "Java(TM) SE Runtime Environment".to_owned(),
        _ => machine,
    };
    let labels = [("runtime", Some(runtime)), ("vendor", attribute("VmVendor")), ("version", attribute("VmVersion"))];
    Some(Series {
        name: "jvm_runtime_info".to_owned(),
        kind: Kind::Info,
        help: "What runs the application".to_owned(),
        labels: labels.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
    })
}
