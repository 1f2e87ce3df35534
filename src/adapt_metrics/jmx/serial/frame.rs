//! The words of the grammar: the tags that stand in a stream, and what a reader is in the middle of.

use super::{ClassId, NodeId};

pub(super) const NULL: u8 = 0x70;
pub(super) const REFERENCE: u8 = 0x71;
pub(super) const CLASS_DESCRIPTION: u8 = 0x72;
pub(super) const OBJECT: u8 = 0x73;
pub(super) const STRING: u8 = 0x74;
pub(super) const ARRAY: u8 = 0x75;
pub(super) const CLASS: u8 = 0x76;
pub(super) const BLOCK: u8 = 0x77;
pub(super) const END_OF_BLOCK: u8 = 0x78;
pub(super) const RESET: u8 = 0x79;
pub(super) const LONG_BLOCK: u8 = 0x7a;
pub(super) const EXCEPTION: u8 = 0x7b;
pub(super) const LONG_STRING: u8 = 0x7c;
pub(super) const ENUM: u8 = 0x7e;
pub(super) const FIRST_HANDLE: u32 = 0x7e_0000;

pub(super) const HAS_WRITE_METHOD: u8 = 0x01;
pub(super) const SERIALIZABLE: u8 = 0x02;
pub(super) const EXTERNALIZABLE: u8 = 0x04;
pub(super) const BLOCK_DATA: u8 = 0x08;

#[derive(Clone, Copy)]
pub(super) enum Handle {
    Node(NodeId),
    Class(ClassId),
}

/// What is being read; the last one says what comes next.
pub(super) enum Frame {
    /// A class description, which is the first part of something.
    Description(Of),
    /// The fields that a class description names.
    Members {
        class: ClassId,
        left: u16,
    },
    /// What stands between the fields of a class description and its superclass. Nothing uses it.
    Annotation {
        class: ClassId,
    },
    /// The fields of an object, ancestor by ancestor.
    Fields(Place),
    /// What a class's own method wrote into an object.
    Custom {
        node: NodeId,
        class: ClassId,
    },
    /// An array whose length comes next.
    Length {
        class: ClassId,
    },
    Array {
        node: NodeId,
        left: usize,
    },
    /// The bytes of an array of primitives.
    Skip {
        node: NodeId,
        left: u64,
    },
    /// The name of an enum's constant.
    Constant {
        node: NodeId,
    },
}

/// Where in an object the reader is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) class: ClassId,
    /// Which of the class's ancestors, the oldest first.
    pub(super) level: usize,
    /// Which of its fields.
    pub(super) at: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Of {
    Object,
    Array,
    Enum,
    Class,
    /// The superclass of this one.
    Super(ClassId),
}
