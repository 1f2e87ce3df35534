//! Logs: a constant message with fields, on standard error, as text on a terminal and as JSON elsewhere.
//!
//! The level says who must act (error: the operator now; warn: somebody later; info: life-cycle; debug: per connection
//! or sync; trace: per request) and can be changed at run time. A standard error that is closed is ignored.

use std::io::{self, IsTerminal};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::fault::Fault;
use super::values::ValueError;

/// Whether records go out as JSON: then the fault that ends the process must, too.
static JSON: AtomicBool = AtomicBool::new(false);

/// Which records are written: a level, or `target=level` pairs with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

impl FromStr for Filter {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        parse(text).map(|_| Self(text.to_owned()))
    }
}

fn parse(text: &str) -> Result<EnvFilter, ValueError> {
    const HELP: &str = "write error, warn, info, debug, trace, or pairs such as info,patterns::core=debug";
    if text.trim().is_empty() {
        return Err(ValueError::new(format!("a filter is missing; {HELP}")));
    }
    // A word alone is a level; the filter's own grammar would take a mistyped one for the name of a target.
    let is_word = |part: &str| !part.contains(['=', '[']) && part.parse::<tracing::Level>().is_err() && part != "off";
    if let Some(word) = text.split(',').find(|part| is_word(part.trim())) {
        return Err(ValueError::new(format!("{word:?} is not a level; {HELP}")));
    }
    EnvFilter::try_new(text).map_err(|error| ValueError::new(format!("{error}; {HELP}")))
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Changes the filter of a process whose logging is up.
#[derive(Clone)]
pub struct Handle(reload::Handle<EnvFilter, Registry>);

impl Handle {
    /// Replaces the filter.
    ///
    /// # Errors
    /// The text is no filter.
    pub fn set(&self, filter: &str) -> Result<(), ValueError> {
        self.apply(&filter.parse()?)
    }

    /// Replaces the filter by one that was parsed before.
    ///
    /// # Errors
    /// Logging has ended.
    pub fn apply(&self, filter: &Filter) -> Result<(), ValueError> {
        self.0.reload(parse(&filter.0)?).map_err(|error| ValueError::new(error.to_string()))
    }
}

/// Starts logging for the process. A second call changes nothing and answers with a handle that reaches nobody.
pub fn start(filter: &Filter, format: Format) -> Handle {
    let filter = parse(&filter.0).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let terminal = io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(filter);
    // An error is returned only when logging is up already, as in tests that share a process.
    let _ = if format == Format::Text || (format == Format::Auto && terminal) {
        let colour = terminal
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var("TERM").as_deref() != Ok("dumb");
        let layer =
            fmt::layer().with_writer(io::stderr).with_ansi(colour).with_target(false).log_internal_errors(false);
        registry.with(layer).try_init()
    } else {
        JSON.store(true, Relaxed);
        let layer = fmt::layer().json().flatten_event(true).with_writer(io::stderr).log_internal_errors(false);
        registry.with(layer).try_init()
    };
    Handle(handle)
}

/// Tells the fault that ends the process: as a record where logs are JSON, else as text for people.
pub fn report(fault: &Fault) {
    if JSON.load(Relaxed) {
        tracing::error!(error = fault.one_line(), help = fault.hints().join("; "), "ended by a fault");
    } else {
        fault.print();
    }
}

/// Lets a repeated message through once, then once per interval with the number of those that were held back.
#[derive(Debug)]
pub struct Repeats {
    interval: Duration,
    last: Mutex<Option<(String, Instant, u64)>>,
}

impl Repeats {
    /// Holds repeats back for `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: Mutex::new(None) }
    }

    /// Whether to write the message now, and if so, how many like it were held back before.
    pub fn admit(&self, message: &str, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &mut *last {
            Some((text, since, held)) if text == message && now.duration_since(*since) < self.interval => {
                *held += 1;
                None
            }
            other => {
                let held = other.take().filter(|(text, ..)| text == message).map_or(0, |(_, _, held)| held);
                *other = Some((message.to_owned(), now, 0));
                Some(held)
            }
        }
    }

    /// Forgets: the next message is written whatever it says.
    pub fn reset(&self) {
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_or_pairs() {
        for good in ["info", "debug", "off", "warn,patterns::core=trace"] {
            assert!(good.parse::<Filter>().is_ok(), "{good}");
        }
        for bad in ["", "verbose", "patterns=loud", "info,debgu"] {
            assert!(bad.parse::<Filter>().unwrap_err().to_string().contains("write error, warn"), "{bad}");
        }
    }

    #[test]
    fn repeats_are_held_back_and_counted() {
        let repeats = Repeats::new(Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(repeats.admit("a", start), Some(0));
        assert_eq!(repeats.admit("a", start + Duration::from_secs(1)), None);
        assert_eq!(repeats.admit("a", start + Duration::from_secs(2)), None);
        assert_eq!(repeats.admit("a", start + Duration::from_secs(11)), Some(2));
        assert_eq!(repeats.admit("b", start + Duration::from_secs(11)), Some(0));
        repeats.reset();
        assert_eq!(repeats.admit("b", start + Duration::from_secs(11)), Some(0));
    }
}
