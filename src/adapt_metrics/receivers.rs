//! The StatsD receivers of a process: opened from the settings, run as critical tasks, counted under their names.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use hashbrown::DefaultHashBuilder;
use hyper::{Method, StatusCode};
use tracing::info;

use super::graphite::{Dialect, Gauges};
use super::hub::Hub;
use super::metrics::Receiver;
use super::model::Source;
use super::settings::Settings;
use super::statsd::datagrams::Datagrams;
use super::statsd::desk::{Desk, Reads};
use super::statsd::intake::Intake;
use super::statsd::keys::Room;
use super::statsd::relay::{Relay, RelayCounts};
use super::statsd::sockets::{self, SocketFile};
use super::statsd::streams::{Carries, Listener, StreamCounts, Streams};
use crate::core::fault::Fault;
use crate::core::http::{Access, Reply, Request};
use crate::core::lifecycle::Process;
use crate::core::net::{self, Sharing};
use crate::core::values::Bind;

/// The number of the first source that is polled; those before it are the protocols here.
pub const FIRST_POLLED: u16 = 3;
/// How long a receiver may go without coming round; it does so at least once a second.
const STUCK: Duration = Duration::from_secs(10);

/// The receiver that only comes round when somebody posts to it, so that it cannot be late.
const HTTP: &str = "influx-http";
/// A time that does not come.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What a receiver reads. All receivers of one protocol are one source: a series may come over several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Statsd,
    Graphite,
    Pickle,
    Influx,
}

impl Protocol {
    fn source(self) -> Source {
        match self {
            Self::Statsd => Source(0),
            Self::Graphite | Self::Pickle => Source(1),
            Self::Influx => Source(2),
        }
    }
}

/// Opens every listener of the settings and starts to receive.
///
/// # Errors
/// A socket cannot be opened: the fault names the setting.
pub fn start(
    settings: &Settings,
    has_sources: bool,
    hub: &Arc<Hub>,
    process: &Process,
) -> Result<Vec<Receiver>, Fault> {
    let mut opening = Opening {
        settings,
        hub,
        process,
        relay: relay(settings, process)?,
        members: DefaultHashBuilder::default(),
        receivers: Vec::new(),
    };
    let udp = settings.udp(has_sources);
    if let Some(opened) = sockets::udp(&udp, settings.statsd_receive_buffer, "statsd-listen")? {
        opening.datagrams(Protocol::Statsd, "udp", opened, None)?;
    }
    if let Some(path) = &settings.statsd_listen_unixgram {
        let (opened, file) = sockets::unix_datagram(
            path,
            settings.statsd_unix_mode,
            settings.statsd_receive_buffer,
            "statsd-listen-unixgram",
        )?;
        opening.datagrams(Protocol::Statsd, "unixgram", opened, Some(file))?;
    }
    opening.tcp(Protocol::Statsd, "tcp", settings.statsd_listen_tcp.as_ref(), "statsd-listen-tcp")?;
    if let Some(path) = &settings.statsd_listen_unix {
        let (listener, file) = sockets::unix_stream(path, settings.statsd_unix_mode, "statsd-listen-unix")?;
        let listener = tokio::net::UnixListener::from_std(listener).map_err(Fault::failed)?;
        opening.streams(Protocol::Statsd, "unix", Listener::Unix(listener), &path.display().to_string(), Some(file));
    }
    opening.udp(Protocol::Graphite, "graphite-udp", settings.graphite_listen.as_ref(), "graphite-listen")?;
    opening.tcp(Protocol::Graphite, "graphite-tcp", settings.graphite_listen.as_ref(), "graphite-listen")?;
    let pickles = settings.graphite_listen_pickle.as_ref();
    opening.tcp(Protocol::Pickle, "graphite-pickle", pickles, "graphite-listen-pickle")?;
    opening.udp(Protocol::Influx, "influx-udp", settings.influx_listen.as_ref(), "influx-listen")?;
    if settings.influx_http {
        opening.influx_http();
    }
    if opening.receivers.is_empty() && !has_sources {
        return Err(Fault::config(anyhow!(
            "nothing is received and nothing is polled: every listener is off and there are no sources"
        ))
        .hint("set --statsd-listen, or list sources in the settings file"));
    }
    Ok(opening.receivers)
}

struct Opening<'a> {
    settings: &'a Settings,
    hub: &'a Arc<Hub>,
    process: &'a Process,
    relay: Option<Arc<Relay>>,
    /// One hash for all receivers: a member of a set is the same wherever it came in.
    members: DefaultHashBuilder,
    receivers: Vec<Receiver>,
}

impl Opening<'_> {
    fn desk(&mut self, protocol: Protocol, name: &'static str, inode: Option<u64>) -> Arc<Desk> {
        let within = if name == HTTP { NEVER } else { STUCK };
        let heartbeat = self.process.health.heartbeat(format!("receiver {name}"), within);
        let rules = match protocol {
            Protocol::Statsd => self.hub.rules_place(),
            _ => self.hub.graphite_place(),
        };
        let relay = self.relay.clone().filter(|_| protocol == Protocol::Statsd);
        let desk = Desk::new(name, self.hub.clone(), rules, relay, heartbeat);
        self.receivers.push(Receiver { desk: desk.clone(), inode });
        desk
    }

    /// The reading half for a protocol.
    fn reads(&self, protocol: Protocol) -> Box<dyn Reads> {
        let settings = self.settings;
        let dialect = match protocol {
            Protocol::Statsd => {
                let series = settings.series_limit;
                // A series is mostly reached by one key; twice as many leave room for other spellings.
                let room = Room { keys: series.saturating_mul(2), bytes: series.saturating_mul(256).min(1 << 30) };
                let (rules, members) = (self.hub.rules(), self.members.clone());
                return Box::new(Intake::new(settings.grammar(), rules, protocol.source(), room, members));
            }
            Protocol::Graphite => Dialect::Graphite,
            Protocol::Pickle => Dialect::Pickle,
            Protocol::Influx => Dialect::Influx,
        };
        let is_strict = settings.graphite_strict && protocol != Protocol::Influx;
        let rules = self.hub.graphite_place().load_full();
        Box::new(Gauges::new(dialect, rules, protocol.source(), settings.sample_expiry, is_strict, self.hub.began()))
    }

    fn udp(&mut self, protocol: Protocol, name: &'static str, bind: Option<&Bind>, setting: &str) -> Result<(), Fault> {
        let bind = bind.unwrap_or(&Bind::Off);
        match sockets::udp(bind, self.settings.statsd_receive_buffer, setting)? {
            Some(opened) => self.datagrams(protocol, name, opened, None),
            None => Ok(()),
        }
    }

    fn tcp(&mut self, protocol: Protocol, name: &'static str, bind: Option<&Bind>, setting: &str) -> Result<(), Fault> {
        let Some(listener) = net::listen(bind.unwrap_or(&Bind::Off), Sharing::Exclusive, setting)? else {
            return Ok(());
        };
        let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Fault::failed)?;
        self.streams(protocol, name, Listener::Tcp(listener), &address, None);
        Ok(())
    }

    /// Takes InfluxDB's lines from bodies of POST requests.
    fn influx_http(&mut self) {
        let desk = self.desk(Protocol::Influx, HTTP, None);
        let reads = Arc::new(Mutex::new(self.reads(Protocol::Influx)));
        for path in ["/write", "/api/v2/write"] {
            let (desk, reads) = (desk.clone(), reads.clone());
            self.process.http.route(Method::POST, path, Access::Public, move |request: Request| {
                let mut reads = reads.lock().unwrap_or_else(PoisonError::into_inner);
                let body = request.body.strip_suffix(b"\n").unwrap_or(&request.body);
                desk.batch(reads.as_mut(), std::iter::once(body));
                std::future::ready(Reply::text(StatusCode::NO_CONTENT, ""))
            });
        }
    }

    /// Runs a receiver of datagrams on a thread of its own.
    fn datagrams(
        &mut self,
        protocol: Protocol,
        name: &'static str,
        opened: sockets::Opened,
        file: Option<SocketFile>,
    ) -> Result<(), Fault> {
        info!(receiver = name, address = opened.address, receive_buffer_bytes = opened.buffer, "receiving");
        let desk = self.desk(protocol, name, name.ends_with("udp").then_some(opened.inode));
        let (reads, at) = (self.reads(protocol), desk.clone());
        let datagrams = Datagrams::new(opened.socket, opened.buffer, opened.queue);
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name(name.to_owned())
            // The task below may be gone when the thread ends, and then nobody asks.
            .spawn(move || drop(ended.send(datagrams.read(reads, &at))))
            .map_err(|error| Fault::failed(error).context(format!("cannot start the thread of the receiver {name}")))?;
        let drain = self.process.drain.clone();
        self.process.tasks.spawn(name, async move {
            tokio::pin!(end);
            let ended = tokio::select! {
                ended = &mut end => ended,
                () = drain.cancelled() => {
                    desk.drain();
                    end.await
                }
            };
            desk.close().await;
            drop(file);
            ended.unwrap_or_else(|_| Err(Fault::bug(anyhow!("the receiver panicked"))))
        });
        Ok(())
    }

    fn streams(
        &mut self,
        protocol: Protocol,
        name: &'static str,
        listener: Listener,
        address: &str,
        file: Option<SocketFile>,
    ) {
        info!(receiver = name, address, "receiving");
        let desk = self.desk(protocol, name, None);
        let counts = StreamCounts::new(&self.process.metrics, name);
        let carries = if protocol == Protocol::Pickle { Carries::Pickles } else { Carries::Lines };
        let streams =
            Streams { listener, carries, desk: desk.clone(), intake: Mutex::new(self.reads(protocol)).into(), counts };
        let (connections, drain) = (self.process.connections.clone(), self.process.drain.clone());
        self.process.tasks.spawn(name, async move {
            let ended = streams.accept(connections, drain).await;
            desk.close().await;
            drop(file);
            ended
        });
    }
}

fn relay(settings: &Settings, process: &Process) -> Result<Option<Arc<Relay>>, Fault> {
    let Some(address) = &settings.statsd_relay else { return Ok(None) };
    let counts = RelayCounts::new(&process.metrics);
    let length = settings.statsd_relay_packet_length.as_usize().clamp(64, 65_507);
    Relay::start(address.to_string(), length, counts)
        .map(Some)
        .map_err(|error| Fault::failed(error).context("cannot start the relay"))
}
