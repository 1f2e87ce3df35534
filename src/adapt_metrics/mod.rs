//! adapt-metrics (being built)
pub mod json;
pub mod model;
pub mod naming;
pub mod statsd;
