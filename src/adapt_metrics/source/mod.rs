//! Sources that are polled: each on its own schedule, with a deadline, its last good series kept for a while.
//!
//! A source yields samples by name; here they get the source's labels and prefix and legal names, and replace what the
//! source had on the page. Streams (StatsD) do not come by here.

pub mod definition;
pub mod jvm;
pub mod runner;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

pub use definition::{Definition, KEY, check, read};
pub use runner::Runner;

use super::model::Part;
use crate::core::metrics::Kind;

/// One number of a poll. A source that sees the same series again hands out the same [`Series`], so that nothing is worked
/// out again for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What it is a value of.
    pub series: Arc<Series>,
    /// The value now.
    pub value: f64,
    /// When it was so, by the source, in milliseconds of Unix time. Told where one target is asked for (`/probe`); the page
    /// of all sources tells what is now.
    pub time: Option<i64>,
}

/// A series under the name that the source's own rules gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The family's name.
    pub name: String,
    /// Its type: counter, gauge, info or unknown; or summary, of which the value is a part.
    pub kind: Kind,
    /// Which part of the series the value is.
    pub part: Part,
    /// Its help.
    pub help: String,
    /// Labels in any order.
    pub labels: Vec<(String, String)>,
}

/// What one poll saw.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// The samples.
    pub samples: Vec<Sample>,
    /// Values that were asked for and could not be taken.
    pub skipped: u64,
    /// The last of these, in words.
    pub example: Option<String>,
}

/// A poll under way.
pub type Polling<'a> = Pin<Box<dyn Future<Output = Result<Seen>> + Send + 'a>>;

/// A good-bye under way.
pub type Closing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Something that can be asked for its numbers again and again.
pub trait Poll: Send {
    /// Asks once. The caller drops the future after `within`; the next call must then begin afresh.
    fn poll(&mut self, within: Duration) -> Polling<'_>;

    /// Says good-bye, where the other side would otherwise wait for us.
    fn close(&mut self) -> Closing<'_> {
        Box::pin(std::future::ready(()))
    }
}
