//! The few objects that a JMX client has to send: text, arrays of text, object names, null.
//!
//! Every call is a stream of its own, so handles start over; class descriptions carry the null annotation that RMI
//! streams have (the class's code base, which nobody has used since applets).

/// Assembles one stream. Text beyond 65 535 bytes takes the long form, as Java does it.
pub(crate) struct Writer {
    out: Vec<u8>,
}

const NULL: u8 = 0x70;
const CLASS_DESCRIPTION: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const BLOCK: u8 = 0x77;
const END_OF_BLOCK: u8 = 0x78;
const LONG_STRING: u8 = 0x7c;

const OBJECT_NAME_UID: i64 = 1_081_892_073_854_801_359;
const STRING_ARRAY_UID: i64 = -5_921_575_005_990_323_385;
const SERIALIZABLE: u8 = 2;
const SERIALIZABLE_WITH_WRITE_METHOD: u8 = 3;

impl Writer {
    /// Continues `out` with the head of a new stream.
    pub(crate) fn after(mut out: Vec<u8>) -> Self {
        out.extend_from_slice(&[0xac, 0xed, 0x00, 0x05]);
        Writer { out }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Primitive data; at most 255 bytes.
    pub(crate) fn block(&mut self, data: &[u8]) {
        debug_assert!(data.len() <= 255);
        self.out.push(BLOCK);
        self.out.push(data.len() as u8);
        self.out.extend_from_slice(data);
    }

    pub(crate) fn null(&mut self) {
        self.out.push(NULL);
    }

    pub(crate) fn text(&mut self, text: &str) {
        let encoded = modified_utf8(text);
        match u16::try_from(encoded.len()) {
            Ok(length) => {
                self.out.push(STRING);
                self.out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                self.out.push(LONG_STRING);
                self.out.extend_from_slice(&(encoded.len() as u64).to_be_bytes());
            }
        }
        self.out.extend_from_slice(&encoded);
    }

    /// A `String[]`.
    pub(crate) fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        self.out.push(ARRAY);
        self.class("[Ljava.lang.String;", STRING_ARRAY_UID, SERIALIZABLE);
        self.out.extend_from_slice(&(texts.len() as u32).to_be_bytes());
        texts.for_each(|text| self.text(text));
    }

    /// A `javax.management.ObjectName`.
    pub(crate) fn object_name(&mut self, name: &str) {
        self.out.push(OBJECT);
        self.class("javax.management.ObjectName", OBJECT_NAME_UID, SERIALIZABLE_WITH_WRITE_METHOD);
        self.text(name);
        self.out.push(END_OF_BLOCK);
    }

    /// The description of a class without fields and without a serializable superclass.
    fn class(&mut self, name: &str, uid: i64, flags: u8) {
        self.out.push(CLASS_DESCRIPTION);
        self.out.extend_from_slice(&(name.len() as u16).to_be_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(&uid.to_be_bytes());
        self.out.push(flags);
        self.out.extend_from_slice(&[0, 0]);
        self.out.extend_from_slice(&[NULL, END_OF_BLOCK, NULL]);
    }
}

/// Java's own spelling of text: NUL takes two bytes, characters beyond the basic plane are two surrogates.
pub(crate) fn modified_utf8(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match unit {
            1..=0x7f => out.push(unit as u8),
            0 | 0x80..=0x7ff => out.extend_from_slice(&[0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
            _ => out.extend_from_slice(&[
                0xe0 | (unit >> 12) as u8,
                0x80 | (unit >> 6 & 0x3f) as u8,
                0x80 | (unit & 0x3f) as u8,
            ]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Graph, Limits, Progress, Reader, Value};
    use super::*;

    fn read_back(bytes: &[u8]) -> (Graph, Value) {
        let mut rest = &bytes[4..];
        let mut reader = Reader::new(Limits::default());
        assert_eq!(reader.read(&mut rest).unwrap(), Progress::Complete);
        assert!(rest.is_empty());
        let (graph, value, _) = reader.finish().unwrap();
        (graph, value)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = "x".repeat(70_000);
        let texts = ["plain", "nul \0 and \u{1f600}", &long];
        let mut writer = Writer::after(Vec::new());
        writer.texts(texts.into_iter());
        let (graph, array) = read_back(&writer.into_bytes());
        let read: Vec<_> = graph.items(array).unwrap().iter().map(|item| graph.text(*item).unwrap()).collect();
        assert_eq!(read, texts);
    }

    #[test]
    fn an_object_name_carries_its_text_as_custom_data() {
        let mut writer = Writer::after(Vec::new());
        writer.object_name("a:type=b");
        let (graph, name) = read_back(&writer.into_bytes());
        assert_eq!(graph.class_of(name), Some("javax.management.ObjectName"));
        let custom: Vec<_> = graph.custom(name, "javax.management.ObjectName").collect();
        let [Content::Value(text)] = custom[..] else { panic!("one piece of text, not {custom:?}") };
        assert_eq!(graph.text(*text), Some("a:type=b"));
    }
}
