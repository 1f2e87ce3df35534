//! Faults on purpose, to test how an application bears them: some requests are answered late, some with an error.
//!
//! Rules come in, the fault for one request goes out. A request that is answered with an error is not executed.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::core::values::{self, ValueError};

/// What a request is answered that is struck.
pub const ON_PURPOSE: &str = "ERR ambassador: an error on purpose (--fault-error), nothing was executed";

/// Which faults.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Faults on purpose, and a mirror")]
pub struct FaultSettings {
    /// Answer some requests with an error and do not execute them, as COMMAND=PERCENT; `*` is any command. For tests
    #[arg(long, value_name = "COMMAND=PERCENT", value_delimiter = ',')]
    pub fault_error: Vec<ErrorRule>,

    /// Take some requests in later, and what their connection sends behind them, as COMMAND=DURATION@PERCENT; `*` is any command. For
    /// tests
    #[arg(long, value_name = "COMMAND=DURATION@PERCENT", value_delimiter = ',')]
    pub fault_delay: Vec<DelayRule>,
}

/// `COMMAND=PERCENT`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRule {
    command: String,
    percent: f64,
}

/// `COMMAND=DURATION@PERCENT`.
#[derive(Clone, Debug, PartialEq)]
pub struct DelayRule {
    command: String,
    delay: Duration,
    percent: f64,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Error,
    Delay(Duration),
}

/// All rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    errors: Vec<ErrorRule>,
    delays: Vec<DelayRule>,
}

impl Faults {
    /// The rules, if there are any.
    pub fn new(settings: &FaultSettings) -> Option<Faults> {
        let faults = Faults { errors: settings.fault_error.clone(), delays: settings.fault_delay.clone() };
        (!faults.errors.is_empty() || !faults.delays.is_empty()).then_some(faults)
    }

    /// The fault of a request, by a number from 0 up to 1 for each rule that it meets; the first that strikes.
    pub fn strike(&self, command: &[u8], mut random: impl FnMut() -> f64) -> Option<Fault> {
        let meets = |name: &str| name == "*" || command.eq_ignore_ascii_case(name.as_bytes());
        let mut strikes = |name: &str, percent: f64| meets(name) && random() * 100.0 < percent;
        let error = self.errors.iter().find(|rule| strikes(&rule.command, rule.percent)).map(|_| Fault::Error);
        error.or_else(|| {
            let delay = self.delays.iter().find(|rule| strikes(&rule.command, rule.percent));
            delay.map(|rule| Fault::Delay(rule.delay))
        })
    }
}

impl FromStr for ErrorRule {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<ErrorRule, ValueError> {
        let bad = || ValueError::new(format!("{text:?} is not COMMAND=PERCENT, such as get=5 or *=0.1"));
        let (command, percent) = text.split_once('=').ok_or_else(bad)?;
        let percent = parse_percent(percent).filter(|_| !command.is_empty()).ok_or_else(bad)?;
        Ok(ErrorRule { command: command.to_owned(), percent })
    }
}

impl FromStr for DelayRule {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<DelayRule, ValueError> {
        let bad = || ValueError::new(format!("{text:?} is not COMMAND=DURATION@PERCENT, such as get=50ms@10"));
        let (command, rest) = text.split_once('=').ok_or_else(bad)?;
        let (delay, percent) = rest.split_once('@').ok_or_else(bad)?;
        let percent = parse_percent(percent).filter(|_| !command.is_empty()).ok_or_else(bad)?;
        Ok(DelayRule { command: command.to_owned(), delay: values::duration(delay)?, percent })
    }
}

/// A number from 0 to 100, with or without a sign behind it.
pub fn parse_percent(text: &str) -> Option<f64> {
    text.trim_end_matches('%').parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_its_command_with_its_probability() {
        let faults = Faults {
            errors: vec!["set=50".parse().expect("a rule")],
            delays: vec!["*=20ms@10%".parse().expect("a rule")],
        };
        assert_eq!(faults.strike(b"SET", || 0.49), Some(Fault::Error));
        assert_eq!(faults.strike(b"SET", || 0.5), None);
        assert_eq!(faults.strike(b"get", || 0.09), Some(Fault::Delay(Duration::from_millis(20))));
        assert_eq!(faults.strike(b"get", || 0.1), None);
        for text in ["set", "=1", "set=101", "set=-1", "set=x"] {
            assert!(text.parse::<ErrorRule>().is_err(), "{text}");
        }
        for text in ["set=1ms", "set=1@1", "set=1ms@101", "=1ms@1"] {
            assert!(text.parse::<DelayRule>().is_err(), "{text}");
        }
    }
}
