//! Java's object serialization, read without a class library and without a JVM.
//!
//! In: bytes of the Java Object Serialization Stream Protocol (version 5), in pieces of any size. Out: a [`Graph`] of
//! nodes that names classes and fields as the stream did; what they mean is for [`super::value`] to say. The stream
//! describes itself, so no class has to be known. Refused: streams that nest deeper, weigh more or point elsewhere
//! than [`Limits`] allow, externalizable data of protocol 1 (nobody has written it since 1998), and bare class
//! descriptions as values.

mod cursor;
mod description;
mod frame;
mod reader;
mod writer;

pub(crate) use reader::{Ending, Progress, Reader};
pub(crate) use writer::Writer;

/// What one serialized value may cost before it is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Values inside values. The reader keeps its own stack, so this bounds memory and what later walks recurse into.
    pub(crate) depth: usize,
    /// Bytes of memory that the graph may occupy, counted before they are allocated.
    pub(crate) memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A query that names 50 000 beans takes about 15 MiB; a stack trace with causes nests some 60 deep.
        Limits { depth: 256, memory: 64 << 20 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    #[error("byte 0x{found:02x} at offset {at} of the serialized value, where {wanted} belongs")]
    Tag { found: u8, at: u64, wanted: &'static str },
    #[error("the serialized value nests deeper than {limit} levels")]
    Depth { limit: usize },
    #[error("the serialized value needs more than {limit} bytes of memory")]
    Memory { limit: usize },
    #[error("the serialized value refers to handle {handle:#x}, which {problem}")]
    Handle { handle: u32, problem: &'static str },
    #[error("the serialized value holds text that is not modified UTF-8")]
    Text,
    #[error("the serialized value describes class {class:?} in a way that cannot be read: {problem}")]
    Class { class: String, problem: &'static str },
    #[error("the serialized value holds an array of {length} elements")]
    Length { length: i32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassId(u32);

/// A field, an array element or a piece of custom data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Byte(i8),
    Char(u16),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Node(NodeId),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Text(String),
    /// A `java.lang.Class`.
    Class(ClassId),
    Enum {
        class: ClassId,
        constant: Value,
    },
    /// An array of references.
    Array {
        class: ClassId,
        items: Vec<Value>,
    },
    Bytes(Vec<u8>),
    /// An array of other primitives. Only its length is kept: no metric is made of one.
    Primitives {
        class: ClassId,
        length: usize,
    },
    Object {
        class: ClassId,
        /// One for each field, the superclass's first, in the order of the class descriptions.
        fields: Vec<Value>,
        custom: Vec<Custom>,
    },
}

/// What a class's own `writeObject` (or `writeExternal`) wrote behind its fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Custom {
    pub(crate) class: ClassId,
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Block(Vec<u8>),
    Value(Value),
}

#[derive(Debug, Clone, PartialEq)]
struct Class {
    name: String,
    flags: u8,
    fields: Vec<Field>,
    /// This class and its ancestors, the oldest first. Empty until the description has been read to its end.
    line: Box<[ClassId]>,
    /// How many fields the ancestors have.
    inherited: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    /// The first character of the field's type signature: `J`, `L`, `[` …
    kind: u8,
}

/// The objects of one stream. Objects may contain each other in circles: bound every walk.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    classes: Vec<Class>,
}

impl Graph {
    pub(crate) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(NodeId(id)) => self.nodes.get(id as usize),
            _ => None,
        }
    }

    /// The name of an object's, an enum's or an array's class, as Java's `Class.getName` spells it.
    pub(crate) fn class_of(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(_) => Some("java.lang.String"),
            Node::Bytes(_) => Some("[B"),
            Node::Class(_) => Some("java.lang.Class"),
            Node::Enum { class, .. }
            | Node::Array { class, .. }
            | Node::Primitives { class, .. }
            | Node::Object { class, .. } => Some(self.class_name(*class)),
        }
    }

    pub(crate) fn class_name(&self, class: ClassId) -> &str {
        self.classes.get(class.0 as usize).map_or("", |class| class.name.as_str())
    }

    /// Whether an object is of the named class or of one derived from it.
    pub(crate) fn is_a(&self, value: Value, name: &str) -> bool {
        match self.node(value) {
            Some(Node::Object { class, .. } | Node::Enum { class, .. }) => {
                self.line(*class).iter().any(|ancestor| self.class_name(*ancestor) == name)
            }
            _ => false,
        }
    }

    pub(crate) fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array of references.
    pub(crate) fn items(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Array { items, .. } => Some(items),
            _ => None,
        }
    }

    /// A field by its name; where an ancestor has one of the same name, the youngest class's.
    pub(crate) fn field(&self, value: Value, name: &str) -> Option<Value> {
        let Node::Object { class, fields, .. } = self.node(value)? else { return None };
        self.line(*class).iter().rev().find_map(|ancestor| {
            let class = self.classes.get(ancestor.0 as usize)?;
            let at = class.fields.iter().position(|field| field.name == name)?;
            fields.get(class.inherited + at).copied()
        })
    }

    /// What the named class's `writeObject` wrote into this object.
    pub(crate) fn custom<'a>(&'a self, value: Value, class: &'a str) -> impl Iterator<Item = &'a Content> {
        let custom = match self.node(value) {
            Some(Node::Object { custom, .. }) => custom.as_slice(),
            _ => &[],
        };
        custom.iter().filter(move |piece| self.class_name(piece.class) == class).map(|piece| &piece.content)
    }

    fn line(&self, class: ClassId) -> &[ClassId] {
        self.classes.get(class.0 as usize).map_or(&[], |class| &class.line)
    }
}
