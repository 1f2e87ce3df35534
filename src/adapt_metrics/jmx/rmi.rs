//! Java's remote method protocol as far as JMX needs it, without sockets: the handshake, calls, replies and stubs.
//!
//! Method numbers are the first eight bytes, little-endian, of the SHA-1 over the method's name and descriptor, as the
//! RMI specification defines them (chapter 8.3.1); they have been the same in every Java since 5.

use super::serial::{Content, Ending, Graph, Limits, Progress, Reader, SerialError, Value, Writer};
use super::value::Thrown;

/// "JRMI", version 2, stream protocol.
pub(crate) const HANDSHAKE: &[u8] = b"JRMI\0\x02K";
/// The server's answer when it agrees; its view of our address follows.
pub(crate) const AGREED: u8 = 0x4e;

const CALL: u8 = 0x50;
const RETURN: u8 = 0x51;
const RETURN_HEAD: usize = 1 + 4 + 2 + 15;
const VALUE_RETURNED: u8 = 1;
const EXCEPTION_THROWN: u8 = 2;

/// A remote object's number in its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObjectId([u8; 22]);

impl ObjectId {
    /// The registry is object zero of every server.
    pub(crate) const REGISTRY: ObjectId = ObjectId([0; 22]);
}

/// The remote methods that we call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    RegistryLookup,
    NewClient,
    QueryNames,
    BeanInfo,
    Attributes,
    Attribute,
    Close,
}

impl Method {
    /// The operation number and the hash that goes with it. The registry still speaks the first protocol: a method's
    /// position, and one hash for the whole interface.
    fn numbers(self) -> (i32, i64) {
        match self {
            Method::RegistryLookup => (2, 4_905_912_898_345_647_071),
            Method::NewClient => (-1, -1_089_742_558_549_201_240),
            Method::QueryNames => (-1, 9_152_567_528_369_059_802),
            Method::BeanInfo => (-1, -7_404_813_916_326_233_354),
            Method::Attributes => (-1, 6_285_293_806_596_348_999),
            Method::Attribute => (-1, -1_089_783_104_982_388_203),
            Method::Close => (-1, -4_742_752_445_160_157_748),
        }
    }
}

/// Starts a call behind what `out` already holds; the arguments are then written to the writer.
pub(crate) fn call(out: Vec<u8>, target: ObjectId, method: Method) -> Writer {
    let (operation, hash) = method.numbers();
    let mut out = out;
    out.push(CALL);
    let mut writer = Writer::after(out);
    let mut head = [0; 34];
    head[..22].copy_from_slice(&target.0);
    head[22..26].copy_from_slice(&operation.to_be_bytes());
    head[26..].copy_from_slice(&hash.to_be_bytes());
    writer.block(&head);
    writer
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RmiError {
    #[error("the reply does not start as an RMI reply does: {start}")]
    Head { start: String },
    #[error(transparent)]
    Serial(#[from] SerialError),
    #[error("the reply is not a remote reference that we can follow: {problem}")]
    Stub { problem: String },
}

/// What came back from a call.
#[derive(Debug)]
pub(crate) enum Reply {
    Value(Graph, Value),
    /// The method threw.
    Thrown(Thrown),
    /// The server could not serialize what it wanted to answer. It closes the connection behind this.
    Aborted(Thrown),
}

/// Reads one reply, which may come in pieces.
pub(crate) struct ReplyReader {
    returned: Option<Returned>,
    shape: Shape,
    value: Reader,
}

/// Whether a method's normal reply carries an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Void,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Returned {
    Value,
    Exception,
}

impl ReplyReader {
    pub(crate) fn new(shape: Shape, limits: Limits) -> Self {
        ReplyReader { returned: None, shape, value: Reader::new(limits) }
    }

    /// Takes from the front of `piece`; a reply, once it is whole.
    ///
    /// # Errors
    /// The server broke the protocol, and the connection with it.
    pub(crate) fn read(&mut self, piece: &mut &[u8]) -> Result<Option<Reply>, RmiError> {
        let returned = match self.returned {
            Some(returned) => returned,
            None => {
                let Some((head, rest)) = piece.split_at_checked(RETURN_HEAD) else {
                    return match piece.first() {
                        Some(&first) if first != RETURN => Err(RmiError::Head { start: describe_answer(piece) }),
                        _ => Ok(None),
                    };
                };
                let returned = match head {
                    [RETURN, 0xac, 0xed, 0x00, 0x05, 0x77, 0x0f, VALUE_RETURNED, ..] => Returned::Value,
                    [RETURN, 0xac, 0xed, 0x00, 0x05, 0x77, 0x0f, EXCEPTION_THROWN, ..] => Returned::Exception,
                    _ => return Err(RmiError::Head { start: describe_answer(head) }),
                };
                self.returned = Some(returned);
                *piece = rest;
                returned
            }
        };
        if returned == Returned::Value && self.shape == Shape::Void {
            return Ok(Some(Reply::Value(Graph::default(), Value::Null)));
        }
        if self.value.read(piece)? == Progress::More {
            return Ok(None);
        }
        let value = std::mem::replace(&mut self.value, Reader::new(Limits::default()));
        Ok(value.finish().map(|(graph, value, ending)| match (ending, returned) {
            (Ending::Aborted, _) => Reply::Aborted(Thrown::read(&graph, value)),
            (Ending::Whole, Returned::Exception) => Reply::Thrown(Thrown::read(&graph, value)),
            (Ending::Whole, Returned::Value) => Reply::Value(graph, value),
        }))
    }
}

/// A reference to a remote object: where it lives and which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stub {
    /// What the server believes its own address to be. In containers it is often wrong; we only ever log it.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) id: ObjectId,
    pub(crate) sockets: Sockets,
}

/// What the server wants its clients to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sockets {
    Plain,
    Tls,
}

impl Stub {
    /// # Errors
    /// The object is none, or its sockets come from a factory that only Java code could be.
    pub(crate) fn read(graph: &Graph, value: Value) -> Result<Stub, RmiError> {
        let stub = |problem: &str| RmiError::Stub { problem: problem.to_owned() };
        let mut blocks = Vec::new();
        let mut factory = None;
        for content in graph.custom(value, "java.rmi.server.RemoteObject") {
            match content {
                Content::Block(block) => blocks.extend_from_slice(block),
                Content::Value(value) => factory = Some(*value),
            }
        }
        let mut rest = blocks.as_slice();
        let kind = text(&mut rest).ok_or_else(|| match graph.class_of(value) {
            Some(class) => stub(&format!("it is a {class}")),
            None => stub("it is null"),
        })?;
        let sockets = match (kind.as_str(), factory.and_then(|factory| graph.class_of(factory))) {
            ("UnicastRef" | "UnicastRef2", None) => Sockets::Plain,
            ("UnicastRef2", Some("javax.rmi.ssl.SslRMIClientSocketFactory")) => Sockets::Tls,
            ("UnicastRef2", Some(class)) => {
                return Err(stub(&format!("its sockets are made by {class}, which only Java can run")));
            }
            (kind, _) => return Err(stub(&format!("it is of kind {kind:?}"))),
        };
        if kind == "UnicastRef2" {
            rest.split_off_first();
        }
        let read = text(&mut rest).zip(rest.split_off(..4)).zip(rest.split_off(..22));
        let Some(((host, port), id)) = read else { return Err(stub("it is too short")) };
        let port = port.try_into().map(i32::from_be_bytes).ok().and_then(|port| u16::try_from(port).ok());
        let (Some(port), Ok(id)) = (port, id.try_into()) else { return Err(stub("its port is no port")) };
        Ok(Stub { host, port, id: ObjectId(id), sockets })
    }
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(rest.split_off(..2)?.try_into().ok()?);
    Some(String::from_utf8_lossy(rest.split_off(..usize::from(length))?).into_owned())
}

/// What kind of server talks like this, for an error that a person can act on.
pub(crate) fn describe_answer(start: &[u8]) -> String {
    let first_line = start.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(&first_line[..first_line.len().min(80)]).escape_debug().to_string();
    match start {
        [] => "it closed the connection without a word".to_owned(),
        [b'H', b'T', b'T', b'P', b'/', ..] => format!("an HTTP server answered ({line:?})"),
        [0x15 | 0x16, 0x03, ..] => "a TLS server answered".to_owned(),
        [b'-', b'E', b'R', b'R', ..] => format!("a Redis server answered ({line:?})"),
        [b'S', b'S', b'H', b'-', ..] => format!("an SSH server answered ({line:?})"),
        [0x4f, ..] => "an RMI server answered that it does not speak the stream protocol".to_owned(),
        [RETURN, ..] => "an RMI reply with an unknown head".to_owned(),
        _ if first_line.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => format!("it answered {line:?}"),
        _ => format!("it answered bytes {:02x?}", &start[..start.len().min(16)]),
    }
}
