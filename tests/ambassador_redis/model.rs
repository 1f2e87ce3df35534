//! Every reply against a model, under faults: none lost, swapped, repeated or stale.
//!
//! Each key has one writer, whose values count up and name their key; what was asked for and what was acknowledged is known to all. A
//! reader may get no less than what was acknowledged before it asked, and no more than what had been asked for when the reply came.
//! `MODEL_SEED` and `MODEL_FAULTS` make it another or a longer run.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crate::client::{Client, command};
use crate::servers::{Ambassador, RedisServer};
use crate::support::wait_for;

const WRITERS: usize = 3;
const KEYS: usize = 4;

/// Carries connections to a primary, until it is cut.
pub struct Relay {
    pub port: u16,
    open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub fn to(primary: u16) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay {
            port: listener.local_addr().unwrap().port(),
            open: Arc::new(AtomicBool::new(true)),
            streams: Arc::default(),
        };
        let (open, streams) = (relay.open.clone(), relay.streams.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", primary)) else { continue };
                if !open.load(SeqCst) {
                    continue;
                }
                let mut streams = streams.lock().unwrap();
                for (mut from, mut to) in [
                    (near.try_clone().unwrap(), far.try_clone().unwrap()),
                    (far.try_clone().unwrap(), near.try_clone().unwrap()),
                ] {
                    std::thread::spawn(move || {
                        let mut buffer = [0; 4096];
                        while let Ok(read @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..read]).is_err() {
                                break;
                            }
                        }
                        drop(to.shutdown(Shutdown::Both));
                    });
                }
                streams.extend([near, far]);
            }
        });
        relay
    }

    pub fn cut(&self) {
        self.open.store(false, SeqCst);
        self.streams.lock().unwrap().drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    pub fn mend(&self) {
        self.open.store(true, SeqCst);
    }
}

/// What is known of one key.
#[derive(Default)]
struct Known {
    asked: AtomicU64,
    acknowledged: AtomicU64,
}

#[derive(Default)]
struct Model {
    keys: [[Known; KEYS]; WRITERS],
    done: AtomicU64,
    stop: AtomicBool,
}

impl Model {
    /// Checks a value of a key that was `acknowledged` before it was asked for.
    fn check(&self, writer: usize, key: usize, acknowledged: u64, reply: &str) {
        let value = match reply {
            "(nil)" => 0,
            text => {
                let (name, value) = text.split_once('=').unwrap_or_else(|| panic!("{reply} for k{writer}:{key}"));
                assert_eq!(name, format!("k{writer}:{key}"), "the reply to another request");
                value.parse().expect("a number")
            }
        };
        let asked = self.keys[writer][key].asked.load(SeqCst);
        assert!(value >= acknowledged, "k{writer}:{key}: {value} after {acknowledged} was acknowledged");
        assert!(value <= asked, "k{writer}:{key}: {value}, but only {asked} was ever asked for");
    }

    fn write(&self, writer: usize, client: &mut Client) {
        let (mut count, mut unknown) = (0, 0);
        for n in 1u64.. {
            if self.stop.load(SeqCst) {
                return;
            }
            let key = n as usize % KEYS;
            let known = &self.keys[writer][key];
            let (name, counter, token) = (format!("k{writer}:{key}"), format!("c{writer}"), format!("t{writer}:{n}"));
            known.asked.store(n, SeqCst);
            let set = command(&["SET", &name, &format!("{name}={n}")]);
            let rest = [command(&["GET", &name]), command(&["ECHO", &token]), command(&["INCR", &counter])];
            // Sometimes in one piece, sometimes one after the other.
            if n % 3 == 0 {
                client.send_bytes(&[set, rest.concat()].concat());
            } else {
                client.send_bytes(&set);
                client.send_bytes(&rest.concat());
            }
            let (set, get, echo, incr) = (client.reply(), client.reply(), client.reply(), client.reply());
            let is_unknown = |reply: &str| reply.starts_with("-ERR ambassador: the connection to");
            if set == "+OK" {
                known.acknowledged.store(n, SeqCst);
            } else {
                assert!(is_unknown(&set), "{set}");
            }
            if !is_unknown(&get) {
                self.check(writer, key, known.acknowledged.load(SeqCst), &get);
            }
            assert!(echo == token || is_unknown(&echo), "{echo} for {token}");
            match incr.strip_prefix(':') {
                Some(value) => {
                    let value: u64 = value.parse().unwrap();
                    assert!(
                        (count + 1..=count + 1 + unknown).contains(&value),
                        "{value} after {count}, {unknown} unknown"
                    );
                    (count, unknown) = (value, 0);
                }
                None => {
                    assert!(is_unknown(&incr), "{incr}");
                    unknown += 1;
                }
            }
            self.done.fetch_add(1, SeqCst);
        }
    }

    fn read(&self, reader: usize, client: &mut Client) {
        for n in 0usize.. {
            if self.stop.load(SeqCst) {
                return;
            }
            let wanted: Vec<(usize, usize, u64)> = (0..1 + n % 5)
                .map(|step| {
                    let (writer, key) = ((n + reader + step) % WRITERS, (n / 3 + step) % KEYS);
                    (writer, key, self.keys[writer][key].acknowledged.load(SeqCst))
                })
                .collect();
            let requests: Vec<u8> =
                wanted.iter().flat_map(|(writer, key, _)| command(&["GET", &format!("k{writer}:{key}")])).collect();
            client.send_bytes(&requests);
            for (writer, key, acknowledged) in wanted {
                self.check(writer, key, acknowledged, &client.reply());
            }
            self.done.fetch_add(1, SeqCst);
        }
    }

    /// Lets the clients do something more.
    fn go_on(&self, operations: u64) {
        let until = self.done.load(SeqCst) + operations;
        wait_for("the clients", || (self.done.load(SeqCst) >= until || self.stop.load(SeqCst)).then_some(()));
    }
}

/// Ends the clients when one of them has failed, so that the test fails with its words.
struct Stop<'a>(&'a Model);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, SeqCst);
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn under_faults_every_reply_is_one_that_a_single_redis_could_give() {
    let mut seed = setting("MODEL_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let primary = RedisServer::start();
    let relays = [Relay::to(primary.port), Relay::to(primary.port)];
    let replicas = [RedisServer::start(), RedisServer::start()];
    let mut arguments = vec!["--primary".to_owned(), format!("127.0.0.1:{}", primary.port)];
    for (replica, relay) in replicas.iter().zip(&relays) {
        replica.follow(relay.port);
        arguments.extend(["--replica".to_owned(), format!("127.0.0.1:{}", replica.port)]);
    }
    arguments.extend(["--workers", "2", "--probe-timeout", "200ms"].map(str::to_owned));
    let ambassador = Ambassador::start(&arguments);
    ambassador.wait_until_ready();
    let model = Model::default();
    std::thread::scope(|scope| {
        let _stop = Stop(&model);
        for number in 0..WRITERS {
            let (model, mut writer, mut reader) = (&model, ambassador.client(), ambassador.client());
            scope.spawn(move || {
                let _stop = Stop(model);
                model.write(number, &mut writer);
            });
            scope.spawn(move || {
                let _stop = Stop(model);
                model.read(number, &mut reader);
            });
        }
        for _ in 0..setting("MODEL_FAULTS", 12) {
            model.go_on(200);
            let which = random(2) as usize;
            match random(6) {
                0 => {
                    replicas[which].process.signal("STOP");
                    model.go_on(300);
                    replicas[which].process.signal("CONT");
                }
                1 => {
                    relays[which].cut();
                    model.go_on(500);
                    relays[which].mend();
                }
                2 => drop(primary.client().ask("CLIENT KILL TYPE normal SKIPME yes")),
                3 => drop(replicas[which].client().ask("CLIENT KILL TYPE normal SKIPME yes")),
                4 => {
                    primary.process.signal("STOP");
                    // Nothing can be written meanwhile; that it is noticed is enough.
                    wait_for("the silence to be noticed", || (ambassador.get("/readyz").0 == 503).then_some(()));
                    primary.process.signal("CONT");
                }
                _ => {
                    drop(primary.client().ask("CLIENT KILL TYPE replica"));
                    drop(replicas[which].client().ask("DEBUG SLEEP 0.3"));
                }
            }
        }
        model.go_on(200);
    });
    assert!(model.done.load(SeqCst) > 0);
}
