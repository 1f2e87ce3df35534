//! A JMX connection: looked up, logged in, and asked. One deadline of the caller's bounds all of it.
//!
//! The server's side lives by its own idle timer of two minutes, without any lease (DGC) of ours; a connection that has
//! rested for longer than [`Connection::REST`] must be opened anew.

use std::time::{Duration, Instant};

use super::address::{Address, Entry, Place};
use super::channel::{Channel, Cover, Finished};
use super::error::JmxError;
use super::local;
use super::login::Login;
use super::rmi::{self, Method, ObjectId, Reply, Shape, Sockets, Stub};
use super::serial::{Graph, Value, Writer};
use super::tls::{Tls, TlsSettings};
use super::value::{self, BeanInfo, JmxValue, Thrown};

/// Whom to ask and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the JVM answers.
    pub address: Address,
    /// Who we are; nobody, where the server does not ask.
    pub login: Option<Login>,
    /// When to speak TLS.
    pub tls: TlsUse,
    /// Instead of the port in the server's stub, where a network maps it.
    pub rmi_port: Option<u16>,
}

/// When to speak TLS. The stub says what the JMX server itself wants, so only the registry is in question.
#[derive(Debug, Clone)]
pub enum TlsUse {
    /// Whenever the other side wants it.
    AsAsked(TlsSettings),
    /// Always: a server that would talk without it gets no password from us.
    Required(TlsSettings),
    /// Not even where the server asks for it, which is then an error.
    Never,
}

pub(crate) struct Connection {
    channel: Channel,
    id: ObjectId,
    dial: Dial,
    last_used: Instant,
}

/// How to reach the server's socket again.
struct Dial {
    host: String,
    port: u16,
    tls: Option<Tls>,
}

/// The attributes of one bean that are wanted.
pub(crate) struct Wanted<'a> {
    pub(crate) bean: &'a str,
    pub(crate) attributes: &'a [&'a str],
}

/// Why a bean gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    Threw(Thrown),
    /// A value cannot be serialized, and took the whole answer with it.
    NotSerializable(Thrown),
    /// The answer is not what JMX says it is.
    Unintelligible,
}

pub(crate) type Attributes = Vec<(String, JmxValue)>;

impl Connection {
    /// The server forgets a connection after 120 s without a call.
    pub(crate) const REST: Duration = Duration::from_secs(100);

    /// # Errors
    /// The server is not there, is not a JMX server, or refuses the login. Safe to repeat.
    pub(crate) async fn open(target: &Target) -> Result<Connection, JmxError> {
        let (tls, required) = match &target.tls {
            TlsUse::AsAsked(settings) => (Some(settings), false),
            TlsUse::Required(settings) => (Some(settings), true),
            TlsUse::Never => (None, false),
        };
        let server = match &target.address.0 {
            Place::Server(server) => server.clone(),
            Place::Local(choice) => local::find(choice).await?,
        };
        let host = &server.host;
        let (registry, stub) = match &server.entry {
            Entry::Stub(stub) => (None, stub.clone()),
            Entry::Registry { port, name } => {
                let (mut registry, covered) = open_registry(host, *port, tls, required).await?;
                let stub = lookup(&mut registry, name).await?;
                (Some((registry, *port, covered)), stub)
            }
        };
        let port = target.rmi_port.unwrap_or(stub.port);
        let tls = match (stub.sockets, tls, required) {
            (Sockets::Plain, _, false) => None,
            (_, Some(settings), _) => Some(Tls::load(settings)?),
            (Sockets::Tls, None, _) => return Err(JmxError::TlsWanted { peer: format!("{host}:{port}") }),
            (Sockets::Plain, None, true) => None,
        };
        let dial = Dial { host: host.clone(), port, tls };
        // With rmi.port set to the registry's port one socket serves for both.
        let mut channel = match registry {
            Some((channel, registry_port, Covered::Plain)) if registry_port == port && dial.tls.is_none() => channel,
            _ => dial.open().await?,
        };
        let id = log_in(&mut channel, &stub, target.login.as_ref()).await?;
        Ok(Connection { channel, id, dial, last_used: Instant::now() })
    }

    pub(crate) fn peer(&self) -> &str {
        self.channel.peer()
    }

    /// Whether the server may have forgotten this connection by now.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_used) > Self::REST
    }

    /// The names of the beans that the patterns select; of all beans where there is none.
    ///
    /// # Errors
    /// The connection is of no further use.
    pub(crate) async fn names(&mut self, patterns: &[&str]) -> Result<Vec<String>, JmxError> {
        let peer = self.peer().to_owned();
        let mut names = Vec::new();
        let mut wrong = None;
        let encode = |at: usize, writer: &mut Writer| {
            match patterns.get(at) {
                Some(pattern) => writer.object_name(pattern),
                None => writer.null(),
            }
            writer.null(); // the query expression
            writer.null(); // the subject
        };
        let unexpected = || JmxError::Unexpected { peer: peer.clone(), what: "the query for bean names" };
        self.calls(Method::QueryNames, patterns.len().max(1), encode, |_, answer| match answer {
            Ok((graph, set)) => match value::elements(&graph, set) {
                Some(set) => names.extend(set.iter().filter_map(|name| value::object_name(&graph, *name))),
                None => wrong = Some(unexpected()),
            },
            Err(Failed::Threw(thrown) | Failed::NotSerializable(thrown)) => {
                wrong = Some(JmxError::Refused { peer: peer.clone(), what: "name its beans", thrown });
            }
            Err(Failed::Unintelligible) => wrong = Some(unexpected()),
        })
        .await?;
        wrong.map_or(Ok(names), Err)
    }

    /// The descriptions of beans, in the order of their names.
    ///
    /// # Errors
    /// The connection is of no further use.
    pub(crate) async fn infos(
        &mut self,
        beans: &[&str],
        mut each: impl FnMut(usize, Result<BeanInfo, Failed>),
    ) -> Result<(), JmxError> {
        let encode = |at: usize, writer: &mut Writer| {
            writer.object_name(beans[at]);
            writer.null();
        };
        self.calls(Method::BeanInfo, beans.len(), encode, |at, answer| {
            let info = answer.and_then(|(graph, info)| value::bean_info(&graph, info).ok_or(Failed::Unintelligible));
            each(at, info);
        })
        .await
    }

    /// Many attributes of many beans, one call a bean. Attributes whose getter threw are missing in the answer.
    ///
    /// # Errors
    /// The connection is of no further use.
    pub(crate) async fn attributes(
        &mut self,
        wanted: &[Wanted<'_>],
        mut each: impl FnMut(usize, Result<Attributes, Failed>),
    ) -> Result<(), JmxError> {
        let encode = |at: usize, writer: &mut Writer| {
            writer.object_name(wanted[at].bean);
            writer.texts(wanted[at].attributes.iter().copied());
            writer.null();
        };
        self.calls(Method::Attributes, wanted.len(), encode, |at, answer| {
            each(
                at,
                answer.and_then(|(graph, list)| value::attribute_list(&graph, list).ok_or(Failed::Unintelligible)),
            );
        })
        .await
    }

    /// Attributes of one bean, one call an attribute: slow, but one that fails does not spoil the others.
    ///
    /// # Errors
    /// The connection is of no further use.
    pub(crate) async fn one_by_one(
        &mut self,
        wanted: &Wanted<'_>,
        mut each: impl FnMut(usize, Result<JmxValue, Failed>),
    ) -> Result<(), JmxError> {
        let encode = |at: usize, writer: &mut Writer| {
            writer.object_name(wanted.bean);
            writer.text(wanted.attributes[at]);
            writer.null();
        };
        self.calls(Method::Attribute, wanted.attributes.len(), encode, |at, answer| {
            each(at, answer.map(|(graph, value)| JmxValue::read(&graph, value)));
        })
        .await
    }

    /// Says good-bye, so that the server need not keep a timer for us. Best effort.
    pub(crate) async fn close(mut self) {
        let id = self.id;
        let encode = |_, out| {
            let writer = rmi::call(out, id, Method::Close);
            writer.into_bytes()
        };
        // It ends either way.
        let _ = self.channel.exchange(1, Shape::Void, encode, |_, _| ()).await;
    }

    /// Makes `count` calls of one kind. A reply that breaks off costs a new socket, not the batch.
    async fn calls(
        &mut self,
        method: Method,
        count: usize,
        encode: impl Fn(usize, &mut Writer),
        mut each: impl FnMut(usize, Result<(Graph, Value), Failed>),
    ) -> Result<(), JmxError> {
        let id = self.id;
        let mut done = 0;
        while done < count {
            let encode = |at: usize, out| {
                let mut writer = rmi::call(out, id, method);
                encode(done + at, &mut writer);
                writer.into_bytes()
            };
            let take = |at: usize, reply| {
                let answer = match reply {
                    Reply::Value(graph, value) => Ok((graph, value)),
                    Reply::Thrown(thrown) => Err(Failed::Threw(thrown)),
                    Reply::Aborted(thrown) => Err(Failed::NotSerializable(thrown)),
                };
                each(done + at, answer);
            };
            let finished = self.channel.exchange(count - done, Shape::Object, encode, take).await?;
            self.last_used = Instant::now();
            match finished {
                Finished::All => return Ok(()),
                Finished::BrokenOff(at) => {
                    done += at + 1;
                    self.channel = self.dial.open().await?;
                }
            }
        }
        Ok(())
    }
}

impl Dial {
    async fn open(&self) -> Result<Channel, JmxError> {
        let cover = self.tls.as_ref().map_or(Cover::Plain, Cover::Tls);
        Channel::open(&self.host, self.port, cover).await
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Covered {
    Plain,
    Tls,
}

/// A registry does not say beforehand whether it speaks TLS; it answers plain words with an alert.
async fn open_registry(
    host: &str,
    port: u16,
    tls: Option<&TlsSettings>,
    required: bool,
) -> Result<(Channel, Covered), JmxError> {
    if !required {
        match (Channel::open(host, port, Cover::Plain).await, tls) {
            (Err(JmxError::TlsWanted { .. }), Some(_)) => {}
            (opened, _) => return opened.map(|channel| (channel, Covered::Plain)),
        }
    }
    let tls = Tls::load(tls.unwrap_or(&TlsSettings::default()))?;
    Ok((Channel::open(host, port, Cover::Tls(&tls)).await?, Covered::Tls))
}

/// One call outside the batches.
async fn ask(
    channel: &mut Channel,
    id: ObjectId,
    method: Method,
    arguments: impl Fn(&mut Writer),
) -> Result<Reply, JmxError> {
    let mut answer = None;
    let encode = |_, out| {
        let mut writer = rmi::call(out, id, method);
        arguments(&mut writer);
        writer.into_bytes()
    };
    channel.exchange(1, Shape::Object, encode, |_, reply| answer = Some(reply)).await?;
    answer.ok_or_else(|| JmxError::Unexpected { peer: channel.peer().to_owned(), what: "a call" })
}

async fn lookup(registry: &mut Channel, name: &str) -> Result<Stub, JmxError> {
    let reply = ask(registry, ObjectId::REGISTRY, Method::RegistryLookup, |writer| writer.text(name)).await?;
    let peer = registry.peer().to_owned();
    match reply {
        Reply::Value(graph, stub) => Stub::read(&graph, stub).map_err(|source| JmxError::Protocol { peer, source }),
        Reply::Thrown(thrown) if thrown.is("java.rmi.NotBoundException") => Err(JmxError::NotBound { peer, thrown }),
        Reply::Thrown(thrown) | Reply::Aborted(thrown) => {
            Err(JmxError::Refused { peer, what: "look up its JMX server", thrown })
        }
    }
}

async fn log_in(channel: &mut Channel, stub: &Stub, login: Option<&Login>) -> Result<ObjectId, JmxError> {
    let password = login.map(Login::password).transpose().map_err(|source| JmxError::Password { source })?;
    let credentials = login.zip(password.as_ref());
    let reply = ask(channel, stub.id, Method::NewClient, |writer| match credentials {
        Some((login, password)) => writer.texts([login.user.as_str(), password.expose()].into_iter()),
        None => writer.null(),
    })
    .await?;
    let peer = channel.peer().to_owned();
    match reply {
        Reply::Value(graph, stub) => match Stub::read(&graph, stub) {
            Ok(stub) => Ok(stub.id),
            Err(source) => Err(JmxError::Protocol { peer, source }),
        },
        Reply::Thrown(thrown) if thrown.is("java.lang.SecurityException") => Err(JmxError::Login { peer, thrown }),
        Reply::Thrown(thrown) | Reply::Aborted(thrown) => {
            Err(JmxError::Refused { peer, what: "open a JMX connection", thrown })
        }
    }
}
