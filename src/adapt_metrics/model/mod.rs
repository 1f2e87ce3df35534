//! What is known now: families of series, each with one accumulator that owns its value.
//!
//! Samples come in as changes (StatsD adds and observes) or as states (a scrape replaces); a page goes out sorted by family
//! and labels. No sockets, no clock: the moment is an argument.

pub mod buckets;
pub mod family;
pub mod histogram;
pub mod labels;
pub mod members;
pub mod poll;
pub mod series;
pub mod summary;
pub mod table;
pub mod tick;
mod write;

pub use buckets::Buckets;
pub use family::{Refusal, Shape};
pub use histogram::{Histogram, HistogramOptions, Native};
pub use poll::{Polled, Replaced};
pub use series::{Change, Part, SeriesId};
pub use summary::{Summary, SummaryOptions};
pub use table::{Limits, Placed, Source, Spec, Table};
pub use tick::Tick;
