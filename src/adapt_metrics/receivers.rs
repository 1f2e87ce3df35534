//! The StatsD receivers of a process: opened from the settings, run as critical tasks, counted under their names.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::anyhow;
use hashbrown::DefaultHashBuilder;
use tracing::info;

use super::hub::Hub;
use super::metrics::Receiver;
use super::model::Source;
use super::settings::Settings;
use super::statsd::datagrams::Datagrams;
use super::statsd::desk::Desk;
use super::statsd::intake::Intake;
use super::statsd::keys::Room;
use super::statsd::relay::{Relay, RelayCounts};
use super::statsd::sockets::{self, SocketFile};
use super::statsd::streams::{Listener, StreamCounts, Streams};
use crate::core::fault::Fault;
use crate::core::lifecycle::Process;
use crate::core::net::{self, Sharing};
use crate::core::values::Bind;

/// All StatsD receivers are one source: a series may come over several of them.
const STATSD: Source = Source(0);
/// How long a receiver may go without coming round; it does so at least once a second.
const STUCK: Duration = Duration::from_secs(10);

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
        opening.datagrams("udp", opened, None)?;
    }
    if let Some(path) = &settings.statsd_listen_unixgram {
        let (opened, file) = sockets::unix_datagram(
            path,
            settings.statsd_unix_mode,
            settings.statsd_receive_buffer,
            "statsd-listen-unixgram",
        )?;
        opening.datagrams("unixgram", opened, Some(file))?;
    }
    let tcp = settings.statsd_listen_tcp.clone().unwrap_or(Bind::Off);
    if let Some(listener) = net::listen(&tcp, Sharing::Exclusive, "statsd-listen-tcp")? {
        let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Fault::failed)?;
        opening.streams("tcp", Listener::Tcp(listener), &address, None);
    }
    if let Some(path) = &settings.statsd_listen_unix {
        let (listener, file) = sockets::unix_stream(path, settings.statsd_unix_mode, "statsd-listen-unix")?;
        let listener = tokio::net::UnixListener::from_std(listener).map_err(Fault::failed)?;
        opening.streams("unix", Listener::Unix(listener), &path.display().to_string(), Some(file));
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
    fn desk(&mut self, name: &'static str, inode: Option<u64>) -> Arc<Desk> {
        let heartbeat = self.process.health.heartbeat(format!("statsd {name}"), STUCK);
        let desk = Desk::new(name, self.hub.clone(), self.relay.clone(), heartbeat);
        self.receivers.push(Receiver { desk: desk.clone(), inode });
        desk
    }

    fn intake(&self) -> Intake {
        let series = self.settings.series_limit;
        // A series is mostly reached by one key; twice as many leave room for other spellings.
        let room = Room { keys: series.saturating_mul(2), bytes: series.saturating_mul(256).min(1 << 30) };
        Intake::new(self.settings.grammar(), self.hub.rules(), STATSD, room, self.members.clone())
    }

    /// Runs a receiver of datagrams on a thread of its own.
    fn datagrams(
        &mut self,
        name: &'static str,
        opened: sockets::Opened,
        file: Option<SocketFile>,
    ) -> Result<(), Fault> {
        info!(receiver = name, address = opened.address, receive_buffer_bytes = opened.buffer, "receiving StatsD");
        let desk = self.desk(name, (name == "udp").then_some(opened.inode));
        let (intake, datagrams, at) = (self.intake(), Datagrams::new(opened.socket, opened.buffer), desk.clone());
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name(format!("statsd-{name}"))
            // The task below may be gone when the thread ends, and then nobody asks.
            .spawn(move || drop(ended.send(datagrams.read(intake, &at))))
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

    fn streams(&mut self, name: &'static str, listener: Listener, address: &str, file: Option<SocketFile>) {
        info!(receiver = name, address, "receiving StatsD");
        let desk = self.desk(name, None);
        let labels = [("receiver", name)];
        let registry = &self.process.metrics;
        let counts = StreamCounts {
            accepted: registry.counter(
                "patterns_adapt_metrics_statsd_connections_total",
                "Connections accepted.",
                &labels,
            ),
            broken: registry.counter(
                "patterns_adapt_metrics_statsd_connection_errors_total",
                "Connections that broke off.",
                &labels,
            ),
            too_long: registry.counter(
                "patterns_adapt_metrics_statsd_too_long_lines_total",
                "Connections closed for a line or a packet that was too long.",
                &labels,
            ),
        };
        let streams = Streams { listener, desk: desk.clone(), intake: Arc::new(Mutex::new(self.intake())), counts };
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
    let counter = |name, help| process.metrics.counter(name, help, &[]);
    let counts = RelayCounts {
        lines: counter("patterns_adapt_metrics_relay_lines_total", "Lines sent on."),
        packets: counter("patterns_adapt_metrics_relay_packets_total", "Datagrams sent on."),
        too_long: counter(
            "patterns_adapt_metrics_relay_too_long_lines_total",
            "Lines longer than a datagram that is sent on.",
        ),
        dropped: counter(
            "patterns_adapt_metrics_relay_dropped_packets_total",
            "Packets that were not sent on because the queue was full.",
        ),
        failed: counter("patterns_adapt_metrics_relay_failed_packets_total", "Datagrams that could not be sent on."),
    };
    let length = settings.statsd_relay_packet_length.as_usize().clamp(64, 65_507);
    Relay::start(address.to_string(), length, counts)
        .map(Some)
        .map_err(|error| Fault::failed(error).context("cannot start the relay"))
}
