//! The JMX reader by itself.

#![cfg(feature = "adapt-metrics")]

#[path = "adapt_metrics/jmx.rs"]
mod jmx;
mod support;
