//! The grammar of serialized values, as a machine with a stack of its own.
//!
//! Replies over RMI have no length in front: only reading one to its end tells where it ends. So the machine takes the
//! stream in pieces, stops where a piece stops, and goes on with the next one. It never recurses, and each step either
//! reads everything that it needs or changes nothing.

use super::cursor::{Cursor, Halt, modified_utf8};
use super::frame::{
    ARRAY, BLOCK, BLOCK_DATA, CLASS, END_OF_BLOCK, ENUM, EXCEPTION, EXTERNALIZABLE, FIRST_HANDLE, Frame,
    HAS_WRITE_METHOD, Handle, LONG_BLOCK, LONG_STRING, NULL, OBJECT, Of, Place, REFERENCE, RESET, SERIALIZABLE, STRING,
};
use super::{Class, ClassId, Content, Custom, Graph, Limits, Node, NodeId, SerialError, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The value is whole; what follows it has not been touched.
    Complete,
    /// The piece was used up, or only the start of an indivisible item is left in it.
    More,
}

/// How the writer came to the end of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Whole,
    /// It met something that cannot be serialized, and put the exception in place of the value.
    Aborted,
}

/// Reads one value, which may come in pieces.
pub(crate) struct Reader {
    pub(super) graph: Graph,
    handles: Vec<Handle>,
    pub(super) stack: Vec<Frame>,
    root: Option<Value>,
    ending: Ending,
    limits: Limits,
    memory: usize,
    offset: u64,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        Reader {
            graph: Graph::default(),
            handles: Vec::new(),
            stack: Vec::new(),
            root: None,
            ending: Ending::Whole,
            limits,
            memory: 0,
            offset: 0,
        }
    }

    /// Takes from the front of `piece` what can be used of it.
    ///
    /// # Errors
    /// The stream is broken or too costly. The sender's fault; the rest of it cannot be understood.
    pub(crate) fn read(&mut self, piece: &mut &[u8]) -> Result<Progress, SerialError> {
        loop {
            if self.root.is_some() {
                return Ok(Progress::Complete);
            }
            let mut cursor = Cursor::new(piece, self.offset);
            match self.step(&mut cursor) {
                Ok(()) => {
                    *piece = &piece[piece.len() - cursor.remaining()..];
                    self.offset = cursor.offset;
                }
                Err(Halt::Short) => return Ok(Progress::More),
                Err(Halt::Wrong(error)) => return Err(error),
            }
        }
    }

    /// The value, when it is complete.
    pub(crate) fn finish(self) -> Option<(Graph, Value, Ending)> {
        self.root.map(|root| (self.graph, root, self.ending))
    }

    fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let Some(frame) = self.stack.last_mut() else { return self.content(cursor) };
        match *frame {
            Frame::Description(_) => self.description(cursor),
            Frame::Members { class, left: 0 } => {
                self.stack.pop();
                self.push(Frame::Annotation { class })
            }
            Frame::Members { class, .. } => self.member(cursor, class),
            Frame::Annotation { .. } | Frame::Custom { .. } => self.custom(cursor),
            Frame::Fields(place) => self.fields(cursor, place),
            Frame::Length { class } => self.array(cursor, class),
            Frame::Array { node, left: 0 } | Frame::Skip { node, left: 0 } => {
                self.stack.pop();
                self.deliver(Value::Node(node))
            }
            Frame::Skip { ref mut left, .. } => {
                if cursor.remaining() == 0 {
                    return Err(Halt::Short);
                }
                let count = (cursor.remaining() as u64).min(*left);
                cursor.take(count as usize)?;
                *left -= count;
                Ok(())
            }
            Frame::Array { .. } | Frame::Constant { .. } => self.content(cursor),
        }
    }

    /// Anything that may be a value.
    fn content(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let at = cursor.offset;
        match cursor.u8()? {
            NULL => self.deliver(Value::Null),
            REFERENCE => match self.reference(cursor)? {
                (_, Handle::Node(node)) => self.deliver(Value::Node(node)),
                (handle, Handle::Class(_)) => {
                    Err(SerialError::Handle { handle, problem: "is a class description, not a value" }.into())
                }
            },
            tag @ (STRING | LONG_STRING) => {
                let text = self.string(cursor, tag)?;
                let node = self.node(Node::Text(text))?;
                self.handle(Handle::Node(node))?;
                self.deliver(Value::Node(node))
            }
            OBJECT => self.push(Frame::Description(Of::Object)),
            ARRAY => self.push(Frame::Description(Of::Array)),
            ENUM => self.push(Frame::Description(Of::Enum)),
            CLASS => self.push(Frame::Description(Of::Class)),
            RESET if self.stack.is_empty() => {
                self.handles.clear();
                Ok(())
            }
            EXCEPTION => {
                // The writer gave up in the middle of whatever this was, and forgot all handles.
                self.stack.clear();
                self.handles.clear();
                self.ending = Ending::Aborted;
                Ok(())
            }
            found => Err(SerialError::Tag { found, at, wanted: "a value" }.into()),
        }
    }

    /// Hands a finished value to what waits for it.
    pub(super) fn deliver(&mut self, value: Value) -> Result<(), Halt> {
        let at = self.offset;
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        match frame {
            Frame::Fields(place) => {
                place.at += 1;
                if let Some(Node::Object { fields, .. }) = self.graph.nodes.get_mut(place.node.0 as usize) {
                    fields.push(value);
                }
                Ok(())
            }
            Frame::Array { node, left } => {
                *left -= 1;
                if let Some(Node::Array { items, .. }) = self.graph.nodes.get_mut(node.0 as usize) {
                    items.push(value);
                }
                self.spend(size_of::<Value>())
            }
            Frame::Custom { node, class } => {
                let (node, class) = (*node, *class);
                self.add_custom(node, class, Content::Value(value))
            }
            Frame::Annotation { .. } => Ok(()),
            Frame::Constant { node } => {
                let node = *node;
                if let Some(Node::Enum { constant, .. }) = self.graph.nodes.get_mut(node.0 as usize) {
                    *constant = value;
                }
                self.stack.pop();
                self.deliver(Value::Node(node))
            }
            Frame::Description(_) | Frame::Members { .. } | Frame::Length { .. } | Frame::Skip { .. } => {
                // `step` never asks for a value on behalf of these.
                Err(SerialError::Tag { found: OBJECT, at, wanted: "something else than a value" }.into())
            }
        }
    }

    /// Data written by a class's own method, until its end mark.
    fn custom(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let mut ahead = *cursor;
        let length = match ahead.u8()? {
            END_OF_BLOCK => {
                *cursor = ahead;
                if let Some(Frame::Annotation { class }) = self.stack.pop() {
                    return self.push(Frame::Description(Of::Super(class)));
                }
                return Ok(());
            }
            BLOCK => usize::from(ahead.u8()?),
            LONG_BLOCK => self.length(ahead.i32()?)?,
            _ => return self.content(cursor),
        };
        self.affordable(length)?;
        let block = ahead.take(length)?;
        *cursor = ahead;
        match self.stack.last() {
            Some(&Frame::Custom { node, class }) => self.add_custom(node, class, Content::Block(block.to_vec())),
            _ => Ok(()),
        }
    }

    fn add_custom(&mut self, node: NodeId, class: ClassId, content: Content) -> Result<(), Halt> {
        let block = if let Content::Block(block) = &content { block.len() } else { 0 };
        self.spend(size_of::<Custom>() + block)?;
        if let Some(Node::Object { custom, .. }) = self.graph.nodes.get_mut(node.0 as usize) {
            custom.push(Custom { class, content });
        }
        Ok(())
    }

    fn fields(&mut self, cursor: &mut Cursor<'_>, place: Place) -> Result<(), Halt> {
        let Place { node, class, level, at } = place;
        let Some(&owner) = self.class(class).line.get(level) else {
            self.stack.pop();
            return self.deliver(Value::Node(node));
        };
        let value = match self.class(owner).fields.get(at).map(|field| field.kind) {
            Some(b'Z') => Value::Bool(cursor.u8()? != 0),
            Some(b'B') => Value::Byte(cursor.u8()? as i8),
            Some(b'C') => Value::Char(cursor.u16()?),
            Some(b'S') => Value::Short(cursor.i16()?),
            Some(b'I') => Value::Int(cursor.i32()?),
            Some(b'J') => Value::Long(cursor.i64()?),
            Some(b'F') => Value::Float(f32::from_bits(cursor.u32()?)),
            Some(b'D') => Value::Double(f64::from_bits(cursor.i64()? as u64)),
            Some(_) => return self.content(cursor),
            None => {
                let flags = self.class(owner).flags;
                if let Some(Frame::Fields(place)) = self.stack.last_mut() {
                    (place.level, place.at) = (level + 1, 0);
                }
                return if flags & EXTERNALIZABLE != 0 && flags & BLOCK_DATA == 0 {
                    Err(self.class_error(owner, "its external form has no marked end"))
                } else if flags & EXTERNALIZABLE != 0 || flags & (SERIALIZABLE | HAS_WRITE_METHOD) == 3 {
                    self.push(Frame::Custom { node, class: owner })
                } else {
                    Ok(())
                };
            }
        };
        self.deliver(value)
    }

    /// The length of an array, and with it what its elements are.
    fn array(&mut self, cursor: &mut Cursor<'_>, class: ClassId) -> Result<(), Halt> {
        let mut ahead = *cursor;
        let length = self.length(ahead.i32()?)?;
        let width = match self.class(class).name.as_bytes() {
            [b'[', b'B'] => {
                self.affordable(length)?;
                let bytes = ahead.take(length)?.to_vec();
                self.spend(length)?;
                *cursor = ahead;
                self.stack.pop();
                let node = self.node(Node::Bytes(bytes))?;
                self.handle(Handle::Node(node))?;
                return self.deliver(Value::Node(node));
            }
            [b'[', b'Z'] => 1,
            [b'[', b'C' | b'S'] => 2,
            [b'[', b'I' | b'F'] => 4,
            [b'[', b'J' | b'D'] => 8,
            [b'[', b'L' | b'[', ..] => 0,
            _ => return Err(self.class_error(class, "it is not an array")),
        };
        *cursor = ahead;
        self.stack.pop();
        let node = match width {
            0 => Node::Array { class, items: Vec::new() },
            _ => Node::Primitives { class, length },
        };
        let node = self.node(node)?;
        self.handle(Handle::Node(node))?;
        self.push(match width {
            0 => Frame::Array { node, left: length },
            _ => Frame::Skip { node, left: length as u64 * width },
        })
    }

    /// The rest of a string, behind its tag.
    pub(super) fn string(&mut self, cursor: &mut Cursor<'_>, tag: u8) -> Result<String, Halt> {
        let length = match tag {
            STRING => usize::from(cursor.u16()?),
            _ => usize::try_from(cursor.i64()?).map_err(|_| SerialError::Memory { limit: self.limits.memory })?,
        };
        self.affordable(length)?;
        Ok(modified_utf8(cursor.take(length)?)?)
    }

    pub(super) fn reference(&mut self, cursor: &mut Cursor<'_>) -> Result<(u32, Handle), Halt> {
        let handle = cursor.u32()?;
        let known = handle.checked_sub(FIRST_HANDLE).and_then(|index| self.handles.get(index as usize));
        match known {
            Some(known) => Ok((handle, *known)),
            None => Err(SerialError::Handle { handle, problem: "has not been given out" }.into()),
        }
    }

    fn length(&self, length: i32) -> Result<usize, Halt> {
        usize::try_from(length).map_err(|_| SerialError::Length { length }.into())
    }

    pub(super) fn class(&self, class: ClassId) -> &Class {
        &self.graph.classes[class.0 as usize]
    }

    pub(super) fn node(&mut self, node: Node) -> Result<NodeId, Halt> {
        let text = if let Node::Text(text) = &node { text.len() } else { 0 };
        self.spend(size_of::<Node>() + text)?;
        self.graph.nodes.push(node);
        Ok(NodeId(self.graph.nodes.len() as u32 - 1))
    }

    pub(super) fn handle(&mut self, handle: Handle) -> Result<(), Halt> {
        self.spend(size_of::<Handle>())?;
        self.handles.push(handle);
        Ok(())
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Halt> {
        self.affordable(bytes)?;
        self.memory += bytes;
        Ok(())
    }

    /// Refuses what the limit does not leave room for, before anything waits for its bytes.
    fn affordable(&self, bytes: usize) -> Result<(), Halt> {
        if bytes > self.limits.memory - self.memory {
            return Err(SerialError::Memory { limit: self.limits.memory }.into());
        }
        Ok(())
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<(), Halt> {
        if self.stack.len() >= self.limits.depth {
            return Err(SerialError::Depth { limit: self.limits.depth }.into());
        }
        self.stack.push(frame);
        Ok(())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
