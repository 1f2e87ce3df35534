//! adapt-metrics as its users meet it: the real binary, real sockets, promtool's judgement of the page.
#![cfg(feature = "adapt-metrics")]
#![allow(unreachable_pub, reason = "the modules of a test are its own")]

mod support;

#[path = "adapt_metrics/adapter.rs"]
mod adapter;
#[path = "adapt_metrics/exporter.rs"]
mod exporter;
#[path = "adapt_metrics/formats.rs"]
mod formats;
#[path = "adapt_metrics/graphite.rs"]
mod graphite;
#[path = "adapt_metrics/hostile.rs"]
mod hostile;
#[path = "adapt_metrics/jmx.rs"]
mod jmx;
#[path = "adapt_metrics/jvm.rs"]
mod jvm;
#[path = "adapt_metrics/lifecycle.rs"]
mod lifecycle;
#[path = "adapt_metrics/probe.rs"]
mod probe;
#[path = "adapt_metrics/sources.rs"]
mod sources;
#[path = "adapt_metrics/statsd.rs"]
mod statsd;
#[path = "adapt_metrics/verbs.rs"]
mod verbs;
