//! Which of several good servers is the better one: by zone, by distance, by weight, and by how slow it is beside the others.
//!
//! Labels, round trips and smoothed times come in; a tier (lower is better), a weight and a factor of slowness go out. No I/O, no clock.

use std::str::FromStr;

use crate::core::values::{Endpoint, ValueError};

/// Round trips that count before a server is judged by its slowness.
const EVIDENCE: u64 = 10;
/// What nobody is blamed for, in nanoseconds.
const GRACE: u64 = 500_000;
/// From this factor on a server is so much slower than the best that it is better left alone.
const OUTLIER: u32 = 8;

/// What a user says about one server: `ADDRESS=LABEL`, where the address is a host, or a host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<T> {
    server: String,
    value: T,
}

impl<T: FromStr> FromStr for Label<T> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Label<T>, ValueError> {
        let bad = || ValueError::new(format!("{text:?} is not SERVER=VALUE, such as redis-1:6379=b"));
        let (server, value) = text.rsplit_once('=').ok_or_else(bad)?;
        match value.parse() {
            Ok(value) if !server.is_empty() => Ok(Label { server: server.to_owned(), value }),
            _ => Err(bad()),
        }
    }
}

/// The label of a server, if it has one; one with its port outweighs one for its host.
pub fn label<'a, T>(labels: &'a [Label<T>], address: &Endpoint) -> Option<&'a T> {
    let shown = address.to_string();
    let host = match address {
        Endpoint::Tcp { host, .. } => host.as_str(),
        Endpoint::Unix(_) => "",
    };
    let find = |name: &str| labels.iter().find(|label| label.server == name).map(|label| &label.value);
    find(&shown).or_else(|| find(host))
}

/// The tiers by distance: 0 for those about as near as the nearest. A server keeps its tier until the difference is clear.
pub fn by_distance(round_trips: &[Option<u64>], before: &[u8]) -> Vec<u8> {
    let Some(nearest) = round_trips.iter().flatten().min() else { return vec![0; round_trips.len()] };
    let near = |(nanos, before): (&Option<u64>, &u8)| match nanos {
        None => 1,
        Some(nanos) if *before == 0 => u8::from(*nanos > nearest * 2 + GRACE),
        Some(nanos) => u8::from(*nanos > nearest * 3 / 2 + GRACE / 2),
    };
    round_trips.iter().zip(before).map(near).collect()
}

/// How slow each server is beside the best: 1 is as good as any. In: smoothed nanoseconds, and how many round trips they stand on.
pub fn slowness(times: &[(u64, u64)]) -> Vec<u32> {
    let proven = |(_, evidence): &&(u64, u64)| *evidence >= EVIDENCE;
    let Some(best) = times.iter().filter(proven).map(|(nanos, _)| *nanos).min() else { return vec![1; times.len()] };
    let factor = |time: &(u64, u64)| match proven(&time) {
        true => u32::try_from(1 + time.0 / (2 * best + GRACE)).unwrap_or(u32::MAX),
        false => 1,
    };
    times.iter().map(factor).collect()
}

/// Whom to leave alone for a while: the slowest outliers, and never more than `at_most` with those who are left alone already.
pub fn outliers(slowness: &[u32], is_out: &[bool], at_most: usize) -> Vec<usize> {
    let room = at_most.saturating_sub(is_out.iter().filter(|out| **out).count());
    let mut found: Vec<usize> =
        (0..slowness.len()).filter(|place| !is_out[*place] && slowness[*place] >= OUTLIER).collect();
    found.sort_by_key(|place| std::cmp::Reverse(slowness[*place]));
    found.truncate(room);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_a_host_or_one_of_its_ports() {
        let labels: Vec<Label<String>> =
            ["redis-1=a", "redis-1:6380=b", "[::1]:1=c"].iter().map(|text| text.parse().expect("a label")).collect();
        let find = |address: &str| label(&labels, &address.parse().expect("an address")).map(String::as_str);
        assert_eq!(find("redis-1:6379"), Some("a"));
        assert_eq!(find("redis-1:6380"), Some("b"));
        assert_eq!(find("[::1]:1"), Some("c"));
        assert_eq!(find("redis-2:6379"), None);
        assert!("redis-1".parse::<Label<String>>().is_err() && "a=b".parse::<Label<u16>>().is_err());
    }

    #[test]
    fn a_server_is_far_only_when_that_is_clear() {
        let (near, same, far) = (Some(200_000), Some(600_000), Some(5_000_000));
        assert_eq!(by_distance(&[near, same, far, None], &[0, 0, 0, 0]), [0, 0, 1, 1]);
        // Between the two thresholds it stays what it was.
        assert_eq!(by_distance(&[near, Some(800_000)], &[0, 0]), [0, 0]);
        assert_eq!(by_distance(&[near, Some(800_000)], &[0, 1]), [0, 1]);
        assert_eq!(by_distance(&[None, None], &[0, 0]), [0, 0]);
    }

    #[test]
    fn only_clear_outliers_are_left_alone_and_never_too_many() {
        let times = [(200_000, 50), (300_000, 50), (50_000_000, 50), (80_000_000, 50), (90_000_000, 3)];
        let slow = slowness(&times);
        assert_eq!((slow[0], slow[1], slow[4]), (1, 1, 1));
        assert_eq!(outliers(&slow, &[false; 5], 2), [3, 2]);
        assert_eq!(outliers(&slow, &[false; 5], 1), [3]);
        assert_eq!(outliers(&slow, &[false, false, false, true, false], 1), [0usize; 0]);
        assert_eq!(slowness(&[(9, 0), (10_000_000_000, 1)]), [1, 1]);
    }
}
