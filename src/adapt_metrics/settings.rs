//! The adapter's settings: where StatsD comes in, how it is named, and how many series there may be.

use std::time::Duration;

use clap::Args;

use super::model::Limits;
use super::naming::Naming;
use crate::core::values::{self, Bind, ByteSize};

/// The options of `patterns adapt-metrics`.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// UDP address for StatsD; `off` for none. Without any listener and any source it is :9125
    #[arg(long, value_name = "HOST:PORT")]
    pub statsd_listen: Option<Bind>,

    /// Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default
    #[arg(long, value_name = "SIZE", default_value = "4MiB")]
    pub statsd_receive_buffer: ByteSize,

    /// How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total
    #[arg(long, value_name = "NAMING", value_enum, default_value = "uniform")]
    pub statsd_naming: Naming,

    /// How long a StatsD series without samples stays on the page; 0 is for ever
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = values::duration)]
    pub statsd_ttl: Duration,

    /// The most series in all; further ones go to the overflow series of their family, or are dropped and counted
    #[arg(long, value_name = "COUNT", default_value = "200000")]
    pub series_limit: usize,

    /// The most series of one family
    #[arg(long, value_name = "COUNT", default_value = "100000")]
    pub series_limit_per_family: usize,

    /// The most series of one source
    #[arg(long, value_name = "COUNT", default_value = "200000")]
    pub series_limit_per_source: usize,
}

impl Settings {
    /// The limits of the table.
    pub fn limits(&self) -> Limits {
        Limits { total: self.series_limit, family: self.series_limit_per_family, source: self.series_limit_per_source }
    }
}
