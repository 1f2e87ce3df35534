//! Signals by name or number, as `--sync-on-signal` takes them: `SIGHUP`, `HUP`, `1`.

use std::ffi::c_int;

use rustix::process::Signal;

use crate::core::values::ValueError;

const NAMES: &[(&str, Signal)] = &[
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("CHLD", Signal::CHILD),
    ("CONT", Signal::CONT),
    ("TSTP", Signal::TSTP),
    ("TTIN", Signal::TTIN),
    ("TTOU", Signal::TTOU),
    ("URG", Signal::URG),
    ("WINCH", Signal::WINCH),
    ("IO", Signal::IO),
    ("PWR", Signal::POWER),
];

/// The number of a signal that can start a sync.
///
/// # Errors
/// When there is no such signal, or the process already does something else at it.
pub(crate) fn number(text: &str) -> Result<c_int, ValueError> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, signal)) => signal.as_raw(),
        None => super::numbers::signed(text)
            .ok()
            .and_then(|number| c_int::try_from(number).ok())
            .filter(|number| (1..=64).contains(number))
            .ok_or_else(|| ValueError::new(format!("{text:?} is not a signal; write SIGHUP, HUP or 1")))?,
    };
    let taken = [Signal::KILL, Signal::STOP, Signal::TERM, Signal::INT, Signal::ILL, Signal::FPE, Signal::SEGV];
    if taken.iter().any(|signal| signal.as_raw() == number) {
        return Err(ValueError::new(format!(
            "{text:?} cannot start a sync: it ends the process; use SIGHUP or SIGUSR1"
        )));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_prefix_and_numbers_are_one() {
        assert_eq!(["SIGHUP", "HUP", "hup", "1", "0x1"].map(|text| number(text).unwrap()), [1; 5]);
        assert_eq!(number("SIGUSR1").unwrap(), 10);
    }

    #[test]
    fn signals_that_end_the_process_or_do_not_exist_are_refused() {
        for wrong in ["", "SIG", "NOPE", "0", "65", "-1", "KILL", "15", "SIGINT"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }
}
