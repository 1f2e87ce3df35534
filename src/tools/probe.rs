//! `patterns probe`: asks a running mode for its health, with plain sockets and one deadline.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::config;
use crate::core::fault::Fault;
use crate::core::mode::Invocation;
use crate::core::stdout::say;
use crate::core::values::{self, Bind};
use crate::modes;

/// The longest answer that is read: probes answer with a few lines.
const MAX_ANSWER: u64 = 64 << 10;

#[derive(Args)]
pub(super) struct Probe {
    /// What to ask for
    #[arg(value_enum)]
    kind: Kind,
    /// The mode that runs; its port comes from its environment, as it does for the mode itself
    #[arg(required_unless_present = "http_bind")]
    mode: Option<String>,
    /// Where the mode serves HTTP, if it was set by a flag
    #[arg(long, value_name = "HOST:PORT")]
    http_bind: Option<Bind>,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    timeout: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Has the start been completed?
    Startup,
    /// May traffic come?
    Ready,
    /// Is the main loop alive?
    Live,
}

impl Probe {
    pub(super) fn run(&self) -> Result<(), Fault> {
        let bind = self.bind()?;
        let path = match self.kind {
            Kind::Startup => "/startupz",
            Kind::Ready => "/readyz",
            Kind::Live => "/livez",
        };
        let (status, text) = ask(&bind, path, self.timeout).map_err(Fault::failed)?;
        if status == 200 { say(text) } else { Err(Fault::failed(anyhow!("{}", text.trim_end()))) }
    }

    fn bind(&self) -> Result<Bind, Fault> {
        if let Some(bind) = &self.http_bind {
            return Ok(bind.clone());
        }
        let mode = config::mode(self.mode.as_deref().unwrap_or_default())?;
        // Options that the mode requires do not matter here: only where it serves HTTP.
        let set = std::env::var("PATTERNS_HTTP_BIND").ok();
        let given = Invocation::new(mode, modes::ALL, mode.name, Vec::new())
            .map(|invocation| invocation.resolved.common.http_bind);
        match (given, set) {
            (Ok(bind), _) => Ok(bind),
            (Err(_), Some(text)) => text.parse().map_err(|error| Fault::config(anyhow!("PATTERNS_HTTP_BIND: {error}"))),
            (Err(_), None) => mode.http_bind.parse().map_err(Fault::bug),
        }
    }
}

/// Sends one request and reads the whole answer: its status and its body.
fn ask(bind: &Bind, path: &str, timeout: Duration) -> anyhow::Result<(u16, String)> {
    let (host, port) = match bind {
        Bind::Off => return Err(anyhow!("the mode serves no HTTP (--http-bind off)")),
        Bind::Any(port) => ("127.0.0.1", *port),
        Bind::Host(host, port) => (host.as_str(), *port),
    };
    let unreachable = || format!("cannot reach the mode on {host}:{port}");
    let address = (host, port).to_socket_addrs().with_context(unreachable)?.next().with_context(unreachable)?;
    let mut stream = TcpStream::connect_timeout(&address, timeout).with_context(unreachable)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        .with_context(unreachable)?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER)
        .read_to_end(&mut answer)
        .with_context(|| format!("{host}:{port} gave no whole answer within {timeout:?}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.with_context(|| format!("{host}:{port} does not speak HTTP"))?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}
