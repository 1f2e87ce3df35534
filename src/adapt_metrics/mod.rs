//! adapt-metrics (being built)
pub mod model;
pub mod naming;
pub mod statsd;
