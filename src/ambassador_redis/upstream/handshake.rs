//! The first words on a connection: protocol version, credentials, role, database.
//!
//! A fresh stream comes in; what the server said about itself goes out. Refused: a server that does not speak RESP, or that refuses the
//! credentials or the database. A server that wants credentials which nobody gave is accepted: the client will hear `NOAUTH` from it and send its own.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use crate::ambassador_redis::consistency::History;
use crate::ambassador_redis::resp::reply::{Scanner, Step};
use crate::ambassador_redis::resp::{Version, encode};
use crate::ambassador_redis::transport::Transport;
use crate::core::secret;

use super::role::Role;
use super::stream::own;

/// A greeting is a few hundred bytes; modules make it longer.
const MAX_GREETING: usize = 256 * 1024;

/// Who we are for the server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The ambassador itself: what its settings say at the time of the handshake, so that a new password is followed.
    Own,
    /// What a client has proved to know.
    Client(Credentials),
}

/// A user and its password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    pub user: Vec<u8>,
    pub password: Vec<u8>,
}

impl Credentials {
    /// Whether a client has given the same. Tells nothing by the time that it takes but the password's length.
    pub fn are(&self, other: &Credentials) -> bool {
        self.user == other.user && secret::is_same(&self.password, &other.password)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Identity::Own { "Identity(own)" } else { "Identity(client)" })
    }
}

/// What tells connections to one server apart: all that is settled in the handshake, and stays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    pub version: Version,
    pub identity: Rc<Identity>,
    pub db: u32,
}

/// What the server said.
#[derive(Debug)]
pub struct Greeting {
    /// The whole reply of `HELLO`.
    pub hello: Vec<u8>,
    /// `None` if the server does not tell strangers.
    pub role: Option<Role>,
    /// The identity of its replication history; likewise.
    pub history: Option<History>,
}

#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no Redis: {0}")]
    Malformed(#[from] crate::ambassador_redis::resp::reply::Malformed),
    #[error("it closed the connection during the handshake")]
    Closed,
    #[error("it refuses the credentials: {0}")]
    Refused(String),
    #[error("it refuses database {0}: {1}")]
    Database(u32, String),
    #[error("its greeting is longer than {MAX_GREETING} bytes")]
    Long,
}

/// Greets the server. `ours` is who we are when no client says who it is.
pub async fn greet(
    transport: &mut Transport,
    line: &Line,
    ours: Option<&Credentials>,
) -> Result<Greeting, HandshakeError> {
    let credentials = match &*line.identity {
        Identity::Client(credentials) => Some(credentials),
        Identity::Own => ours,
    };
    let mut out = Vec::with_capacity(128);
    let number = [b'0' + line.version.number()];
    let mut hello: Vec<&[u8]> = vec![own::HELLO, &number];
    if let Some(Credentials { user, password }) = credentials {
        hello.extend([own::AUTH, user.as_slice(), password.as_slice()]);
    }
    encode::command(&mut out, &hello);
    about_replication(&mut out);
    write_all(transport, &out).await?;
    let mut replies = Replies::default();
    let hello = replies.next(transport).await?;
    let (mut role, mut history) = (replies.next(transport).await?, replies.next(transport).await?);
    // Servers before 6.0 know no HELLO, but the old AUTH.
    if let (b"-ERR", Some(Credentials { password, .. }), Version::Resp2) =
        (&hello[..4.min(hello.len())], credentials, line.version)
    {
        out.clear();
        encode::command(&mut out, &[own::AUTH, password]);
        about_replication(&mut out);
        write_all(transport, &out).await?;
        accept(&replies.next(transport).await?)?;
        (role, history) = (replies.next(transport).await?, replies.next(transport).await?);
    } else if credentials.is_some() {
        accept(&hello)?;
    }
    // Before anything is sent for a client: a SELECT that is refused must not let commands into another database.
    if line.db != 0 {
        let mut number = itoa::Buffer::new();
        let select: &[&[u8]] = &[own::SELECT, number.format(line.db).as_bytes()];
        let mut answer = replies.ask(transport, select).await?;
        // A client may have chosen the database before it became a user who may not choose: then we go the same way.
        if let (true, Identity::Client(Credentials { user, password })) =
            (answer.starts_with(b"-NOPERM"), &*line.identity)
        {
            let (our_name, our_password) = match ours {
                Some(Credentials { user, password }) => (user.as_slice(), password.as_slice()),
                None => (&b"default"[..], &b""[..]),
            };
            replies.ask(transport, &[own::AUTH, our_name, our_password]).await?;
            answer = replies.ask(transport, select).await?;
            accept(&replies.ask(transport, &[own::AUTH, user, password]).await?)?;
        }
        if let [b'-', text @ ..] = answer.as_slice() {
            return Err(HandshakeError::Database(line.db, String::from_utf8_lossy(text).trim_end().to_owned()));
        }
    }
    Ok(Greeting { hello, role: Role::parse(&role), history: history_in(&history) })
}

/// Lets a replica of a Cluster answer reads of its shard's slots itself.
pub async fn permit_reads(transport: &mut Transport) -> Result<(), HandshakeError> {
    let mut out = Vec::new();
    encode::command(&mut out, &[b"READONLY"]);
    write_all(transport, &out).await?;
    accept(&Replies::default().next(transport).await?)
}

fn about_replication(out: &mut Vec<u8>) {
    encode::command(out, &[own::ROLE]);
    encode::command(out, &[own::INFO, b"replication"]);
}

/// Finds the history in the reply of `INFO`.
pub(super) fn history_in(info: &[u8]) -> Option<History> {
    let at = memchr::memmem::find(info, b"\nmaster_replid:")? + b"\nmaster_replid:".len();
    History::parse(std::str::from_utf8(info.get(at..at + 40)?).ok()?)
}

fn accept(reply: &[u8]) -> Result<(), HandshakeError> {
    match reply {
        [b'-', text @ ..] => Err(HandshakeError::Refused(String::from_utf8_lossy(text).trim_end().to_owned())),
        _ => Ok(()),
    }
}

/// Reads whole replies, one after the other.
#[derive(Default)]
struct Replies {
    buffer: Vec<u8>,
}

impl Replies {
    /// Sends a command and reads its reply.
    async fn ask(&mut self, transport: &mut Transport, command: &[&[u8]]) -> Result<Vec<u8>, HandshakeError> {
        let mut out = Vec::new();
        encode::command(&mut out, command);
        write_all(transport, &out).await?;
        self.next(transport).await
    }

    async fn next(&mut self, transport: &mut Transport) -> Result<Vec<u8>, HandshakeError> {
        loop {
            if !self.buffer.is_empty() {
                match Scanner::default().step(&self.buffer)? {
                    Step::Reply { len, .. } => return Ok(self.buffer.drain(..len).collect()),
                    Step::Push { len } => drop(self.buffer.drain(..len)),
                    Step::Partial if self.buffer.len() > MAX_GREETING => return Err(HandshakeError::Long),
                    Step::Partial => {}
                }
            }
            let mut piece = [0; 4096];
            match poll_fn(|cx| transport.poll_read(cx, &mut piece)).await? {
                0 => return Err(HandshakeError::Closed),
                read => self.buffer.extend_from_slice(&piece[..read]),
            }
        }
    }
}

async fn write_all(transport: &mut Transport, mut bytes: &[u8]) -> Result<(), HandshakeError> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| transport.poll_write(cx, bytes)).await?;
        if written == 0 {
            return Err(HandshakeError::Closed);
        }
        bytes = &bytes[written..];
    }
    Ok(())
}
