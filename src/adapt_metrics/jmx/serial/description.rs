//! Class descriptions: what an object's class is called, which fields it has, and what it derives from. They come
//! with the first object of a class, and by reference from then on.

use super::cursor::{Cursor, Halt};
use super::frame::{CLASS_DESCRIPTION, Frame, Handle, LONG_STRING, NULL, Of, Place, REFERENCE, SERIALIZABLE, STRING};
use super::reader::Reader;
use super::{Class, ClassId, Field, Node, SerialError, Value};

const PROXY_DESCRIPTION: u8 = 0x7d;

/// Ancestors that one class may have.
const LINE: usize = 64;
/// Interfaces that one proxy class may have.
const INTERFACES: i32 = 1024;

impl Reader {
    /// A class description, given in full or by reference.
    pub(super) fn description(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let at = cursor.offset;
        match cursor.u8()? {
            NULL => self.described(None, at),
            REFERENCE => match self.reference(cursor)? {
                (_, Handle::Class(class)) => {
                    if self.class(class).line.is_empty() {
                        return Err(self.class_error(class, "it is used before its own end"));
                    }
                    self.described(Some(class), at)
                }
                (handle, Handle::Node(_)) => {
                    Err(SerialError::Handle { handle, problem: "is a value, not a class description" }.into())
                }
            },
            CLASS_DESCRIPTION => {
                let name = cursor.short_text()?;
                cursor.i64()?; // the serial version: we have no class of our own that it could differ from
                let flags = cursor.u8()?;
                let left = cursor.u16()?;
                let class = self.new_class(name, flags)?;
                self.push(Frame::Members { class, left })
            }
            PROXY_DESCRIPTION => {
                let count = cursor.i32()?;
                if !(0..=INTERFACES).contains(&count) {
                    return Err(SerialError::Length { length: count }.into());
                }
                for _ in 0..count {
                    let length = cursor.u16()?;
                    cursor.take(usize::from(length))?;
                }
                let class = self.new_class("java.lang.reflect.Proxy".to_owned(), SERIALIZABLE)?;
                self.push(Frame::Annotation { class })
            }
            found => Err(SerialError::Tag { found, at, wanted: "a class description" }.into()),
        }
    }

    /// Goes on with what the class description was the first part of.
    fn described(&mut self, mut class: Option<ClassId>, at: u64) -> Result<(), Halt> {
        loop {
            let Some(Frame::Description(of)) = self.stack.pop() else {
                return Err(SerialError::Tag { found: CLASS_DESCRIPTION, at, wanted: "a value" }.into());
            };
            match (of, class) {
                (Of::Super(child), parent) => {
                    self.complete(child, parent)?;
                    class = Some(child);
                }
                (_, None) => return Err(SerialError::Tag { found: NULL, at, wanted: "a class description" }.into()),
                (Of::Array, Some(class)) => return self.push(Frame::Length { class }),
                (Of::Object, Some(class)) => {
                    let count = self.class(class).inherited + self.class(class).fields.len();
                    self.spend(count * size_of::<Value>())?;
                    let node = self.node(Node::Object { class, fields: Vec::new(), custom: Vec::new() })?;
                    self.handle(Handle::Node(node))?;
                    return self.push(Frame::Fields(Place { node, class, level: 0, at: 0 }));
                }
                (Of::Enum, Some(class)) => {
                    let node = self.node(Node::Enum { class, constant: Value::Null })?;
                    self.handle(Handle::Node(node))?;
                    return self.push(Frame::Constant { node });
                }
                (Of::Class, Some(class)) => {
                    let node = self.node(Node::Class(class))?;
                    self.handle(Handle::Node(node))?;
                    return self.deliver(Value::Node(node));
                }
            }
        }
    }

    /// Joins a class to its superclass, which ends its description.
    fn complete(&mut self, class: ClassId, parent: Option<ClassId>) -> Result<(), Halt> {
        let (mut line, inherited) = match parent {
            Some(parent) => {
                let parent = self.class(parent);
                (parent.line.to_vec(), parent.inherited + parent.fields.len())
            }
            None => (Vec::new(), 0),
        };
        line.push(class);
        if line.len() > LINE {
            return Err(self.class_error(class, "it has too many ancestors"));
        }
        self.spend(line.len() * size_of::<ClassId>())?;
        let class = &mut self.graph.classes[class.0 as usize];
        class.inherited = inherited;
        class.line = line.into();
        Ok(())
    }

    pub(super) fn member(&mut self, cursor: &mut Cursor<'_>, class: ClassId) -> Result<(), Halt> {
        let kind = cursor.u8()?;
        let name = cursor.short_text()?;
        match kind {
            b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S' | b'Z' => {}
            b'L' | b'[' => {
                let at = cursor.offset;
                // The signature. The first character, which came before, tells all that reading needs.
                match cursor.u8()? {
                    tag @ (STRING | LONG_STRING) => {
                        let text = self.string(cursor, tag)?;
                        let node = self.node(Node::Text(text))?;
                        self.handle(Handle::Node(node))?;
                    }
                    REFERENCE => drop(self.reference(cursor)?),
                    found => return Err(SerialError::Tag { found, at, wanted: "a field's signature" }.into()),
                }
            }
            _ => return Err(self.class_error(class, "a field has an unknown type")),
        }
        self.spend(size_of::<Field>() + name.len())?;
        self.graph.classes[class.0 as usize].fields.push(Field { name, kind });
        if let Some(Frame::Members { left, .. }) = self.stack.last_mut() {
            *left -= 1;
        }
        Ok(())
    }

    fn new_class(&mut self, name: String, flags: u8) -> Result<ClassId, Halt> {
        self.spend(size_of::<Class>() + name.len())?;
        let class = ClassId(self.graph.classes.len() as u32);
        self.graph.classes.push(Class { name, flags, fields: Vec::new(), line: Box::default(), inherited: 0 });
        self.handle(Handle::Class(class))?;
        Ok(class)
    }

    pub(super) fn class_error(&self, class: ClassId, problem: &'static str) -> Halt {
        SerialError::Class { class: self.class(class).name.clone(), problem }.into()
    }
}
