//! Clients that write while something happens: every reply is checked against what was asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::client::{Client, command};
use crate::servers::Ambassador;
use crate::support::wait_for;

const WRITERS: usize = 3;
/// What was acknowledged in the last moment before a primary dies may not have reached a replica: that is the servers' to lose.
pub const LOST_AT_MOST: u64 = WRITERS as u64 * 16;

/// Writes values that count up and name their key, and reads them back. Returns how many acknowledged writes were gone.
fn write(own: usize, client: &mut Client, stop: &AtomicBool, rounds: &AtomicU64) -> u64 {
    let mut lost = 0;
    let mut acknowledged = [0u64; 12];
    for n in 1u64.. {
        if stop.load(SeqCst) {
            break;
        }
        let place = n as usize % acknowledged.len();
        let (key, token) = (format!("w{own}:{place}"), format!("t{own}:{n}"));
        let requests =
            [command(&["SET", &key, &format!("{key}={n}")]), command(&["ECHO", &token]), command(&["GET", &key])];
        client.send_bytes(&requests.concat());
        let (set, echo, get) = (client.reply(), client.reply(), client.reply());
        let is_unknown = |reply: &str| reply.starts_with("-ERR ambassador: the connection to");
        assert!(set == "+OK" || is_unknown(&set), "{set}");
        assert!(echo == token || is_unknown(&echo), "{echo} for {token}");
        if set == "+OK" {
            acknowledged[place] = n;
        }
        if !is_unknown(&get) {
            let value = match get.split_once('=') {
                Some((name, value)) if name == key => value.parse().expect("a number"),
                None if get == "(nil)" => 0,
                _ => panic!("{get} for {key}"),
            };
            assert!(value <= n, "{key}: {value} was not asked for yet");
            lost += acknowledged[place].saturating_sub(value).min(1);
            acknowledged[place] = value;
        }
        rounds.fetch_add(1, SeqCst);
    }
    lost
}

/// Lets clients write while `change` happens, and a while after it; returns how many writes were gone.
pub fn under_load(ambassador: &Ambassador, change: impl FnOnce()) -> u64 {
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    /// Lets the clients end when the change fails, too.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    std::thread::scope(|scope| {
        let guard = Stop(&stop);
        let writers: Vec<_> = (0..WRITERS)
            .map(|own| {
                let (stop, rounds, mut client) = (&stop, &rounds, ambassador.client());
                scope.spawn(move || write(own, &mut client, stop, rounds))
            })
            .collect();
        let more = |count: u64| {
            let until = rounds.load(SeqCst) + count;
            wait_for("more rounds", || {
                (rounds.load(SeqCst) >= until || writers.iter().any(|writer| writer.is_finished())).then_some(())
            });
        };
        more(200);
        change();
        more(400);
        drop(guard);
        writers.into_iter().map(|writer| writer.join().expect("no panic")).sum()
    })
}
