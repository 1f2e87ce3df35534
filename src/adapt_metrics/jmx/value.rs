//! What serialized objects mean to JMX: numbers, text, composites, tables, attribute lists, bean descriptions and
//! exceptions. In: a [`Graph`] and a value in it. Out: plain Rust. Classes are told apart by their names only; a class
//! that is not known becomes [`JmxValue::Other`], which no metric is made of.

use super::java_number;
use super::serial::{Content, Graph, Node, Value};

/// Composites in tables in composites; beyond this they are [`JmxValue::Other`]. Also what ends a circle.
const DEPTH: usize = 16;
/// Memory that the values of one reply may take. References make much out of little: ten composites of ten times the
/// next one each are ten thousand million values.
const MEMORY: usize = 64 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JmxValue {
    Null,
    Bool(bool),
    /// Any of Java's integers, atomic or not, that fit.
    Long(i64),
    Float(f32),
    Double(f64),
    /// A BigInteger or a BigDecimal, as Java prints it.
    Big(String),
    /// A string or an enum's constant.
    Text(String),
    /// Milliseconds since 1970.
    Date(i64),
    ObjectName(String),
    Composite(Composite),
    Table(Table),
    /// The class of something else: an array, a map, an application's own.
    Other(String),
}

/// A `CompositeData`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Composite {
    /// Of its type; the items inherit it.
    pub(crate) description: String,
    pub(crate) items: Items,
}

/// Items by name, in the order of their names.
pub(crate) type Items = Vec<(String, JmxValue)>;

/// A `TabularData`: rows of equal shape, some of whose columns are their key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Of its rows' type.
    pub(crate) description: String,
    pub(crate) index: Vec<String>,
    pub(crate) rows: Vec<Items>,
}

impl JmxValue {
    pub(crate) fn read(graph: &Graph, value: Value) -> JmxValue {
        Values { graph, left: MEMORY }.read(value, DEPTH)
    }

    /// The number that this is, if it is one. A date counts in seconds.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            JmxValue::Bool(value) => Some(f64::from(u8::from(*value))),
            JmxValue::Long(value) => Some(*value as f64),
            JmxValue::Float(value) => Some(f64::from(*value)),
            JmxValue::Double(value) => Some(*value),
            JmxValue::Big(digits) => digits.parse().ok(),
            JmxValue::Date(millis) => Some(*millis as f64 / 1000.0),
            _ => None,
        }
    }

    /// As Java's `toString` prints it, for what a rule may match; nothing for what is no single value.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match self {
            JmxValue::Bool(value) => value.to_string(),
            JmxValue::Long(value) => value.to_string(),
            JmxValue::Float(value) => java_number::float(*value),
            JmxValue::Double(value) => java_number::double(*value),
            JmxValue::Date(millis) => java_number::double(*millis as f64 / 1000.0),
            JmxValue::Big(text) | JmxValue::Text(text) | JmxValue::ObjectName(text) => text.clone(),
            JmxValue::Null | JmxValue::Composite(_) | JmxValue::Table(_) | JmxValue::Other(_) => return None,
        })
    }
}

/// Takes values out of a graph, as long as there is memory left for them.
struct Values<'a> {
    graph: &'a Graph,
    left: usize,
}

impl Values<'_> {
    fn read(&mut self, value: Value, depth: usize) -> JmxValue {
        let class = self.graph.class_of(value).unwrap_or_default();
        let read = match value {
            Value::Node(_) if depth > 0 && self.left > 0 => self.object(value, class, depth),
            Value::Node(_) => None,
            primitive => single(primitive),
        };
        let read = read.unwrap_or_else(|| JmxValue::Other(class.to_owned()));
        let size = size_of::<JmxValue>()
            + match &read {
                JmxValue::Text(text) | JmxValue::Big(text) | JmxValue::ObjectName(text) | JmxValue::Other(text) => {
                    text.len()
                }
                _ => 0,
            };
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                read
            }
            None => {
                self.left = 0;
                JmxValue::Other(String::new())
            }
        }
    }

    fn object(&mut self, value: Value, class: &str, depth: usize) -> Option<JmxValue> {
        let graph = self.graph;
        match graph.node(value)? {
            Node::Text(text) => return Some(JmxValue::Text(text.clone())),
            Node::Enum { constant, .. } => return Some(JmxValue::Text(graph.text(*constant)?.to_owned())),
            Node::Object { .. } => {}
            _ => return None,
        }
        match class {
            "java.lang.Long"
            | "java.lang.Integer"
            | "java.lang.Double"
            | "java.lang.Boolean"
            | "java.lang.Float"
            | "java.lang.Short"
            | "java.lang.Byte"
            | "java.util.concurrent.atomic.AtomicLong"
            | "java.util.concurrent.atomic.AtomicInteger"
            | "java.util.concurrent.atomic.LongAdder$SerializationProxy"
            | "java.util.concurrent.atomic.LongAccumulator$SerializationProxy"
            | "java.util.concurrent.atomic.DoubleAdder$SerializationProxy"
            | "java.util.concurrent.atomic.DoubleAccumulator$SerializationProxy" => {
                single(graph.field(value, "value")?)
            }
            "java.math.BigInteger" => big_integer(graph, value).map(JmxValue::Big),
            "java.math.BigDecimal" => big_decimal(graph, value).map(JmxValue::Big),
            "javax.management.ObjectName" => object_name(graph, value).map(JmxValue::ObjectName),
            _ if graph.is_a(value, "java.util.Date") => date(graph, value).map(JmxValue::Date),
            _ if graph.is_a(value, "javax.management.openmbean.CompositeDataSupport") => {
                self.composite(value, depth).map(JmxValue::Composite)
            }
            _ if graph.is_a(value, "javax.management.openmbean.TabularDataSupport") => {
                self.table(value, depth).map(JmxValue::Table)
            }
            _ => None,
        }
    }

    fn composite(&mut self, composite: Value, depth: usize) -> Option<Composite> {
        let description = self.description(self.graph.field(composite, "compositeType"))?;
        Some(Composite { description, items: self.items(composite, depth)? })
    }

    fn items(&mut self, composite: Value, depth: usize) -> Option<Items> {
        let entries = entries(self.graph, self.graph.field(composite, "contents")?)?;
        let mut items = Vec::with_capacity(entries.len());
        for (key, item) in entries {
            let key = self.graph.text(key)?;
            self.left = self.left.checked_sub(key.len())?;
            items.push((key.to_owned(), self.read(item, depth - 1)));
        }
        Some(items)
    }

    fn table(&mut self, table: Value, depth: usize) -> Option<Table> {
        let graph = self.graph;
        let kind = graph.field(table, "tabularType")?;
        let description = self.description(graph.field(kind, "rowType"))?;
        let index = elements(graph, graph.field(kind, "indexNames")?)?;
        let index = index.iter().map(|name| graph.text(*name).map(str::to_owned)).collect::<Option<_>>()?;
        let rows = entries(graph, graph.field(table, "dataMap")?)?;
        let rows = rows.iter().map(|(_, row)| self.items(*row, depth)).collect::<Option<_>>()?;
        Some(Table { description, index, rows })
    }

    fn description(&mut self, kind: Option<Value>) -> Option<String> {
        let text = kind.and_then(|kind| self.graph.field(kind, "description")).and_then(|text| self.graph.text(text));
        let text = text.unwrap_or_default();
        self.left = self.left.checked_sub(text.len())?;
        Some(text.to_owned())
    }
}

fn single(primitive: Value) -> Option<JmxValue> {
    Some(match primitive {
        Value::Null => JmxValue::Null,
        Value::Bool(value) => JmxValue::Bool(value),
        Value::Byte(value) => JmxValue::Long(value.into()),
        Value::Short(value) => JmxValue::Long(value.into()),
        Value::Int(value) => JmxValue::Long(value.into()),
        Value::Long(value) => JmxValue::Long(value),
        Value::Float(value) => JmxValue::Float(value),
        Value::Double(value) => JmxValue::Double(value),
        Value::Char(_) | Value::Node(_) => return None,
    })
}

/// The text of a `javax.management.ObjectName`, its properties in the order in which they were registered.
pub(crate) fn object_name(graph: &Graph, value: Value) -> Option<String> {
    graph.custom(value, "javax.management.ObjectName").find_map(|content| match content {
        Content::Value(text) => graph.text(*text).map(str::to_owned),
        Content::Block(_) => None,
    })
}

/// The elements of a list or a set of `java.util`.
pub(crate) fn elements(graph: &Graph, value: Value) -> Option<Vec<Value>> {
    let mut value = value;
    // Views that wrap another collection, not endlessly.
    for _ in 0..4 {
        if let Some(items) = graph.items(value) {
            return Some(items.to_vec());
        }
        for (class, skipped) in [
            ("java.util.ArrayList", 0),
            ("java.util.HashSet", 0),
            ("java.util.LinkedList", 0),
            ("java.util.CollSer", 0),
            ("java.util.TreeSet", 1), // its comparator
        ] {
            if graph.is_a(value, class) {
                return Some(custom_values(graph, value, class).skip(skipped).collect());
            }
        }
        value = ["list", "c", "a"].iter().find_map(|field| graph.field(value, field))?;
    }
    None
}

/// The keys and values of a map of `java.util`.
fn entries(graph: &Graph, value: Value) -> Option<Vec<(Value, Value)>> {
    let class = ["java.util.TreeMap", "java.util.HashMap", "java.util.Hashtable"]
        .into_iter()
        .find(|class| graph.is_a(value, class))?;
    let values: Vec<Value> = custom_values(graph, value, class).collect();
    Some(values.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

fn custom_values<'a>(graph: &'a Graph, value: Value, class: &'a str) -> impl Iterator<Item = Value> + 'a {
    graph.custom(value, class).filter_map(|content| match content {
        Content::Value(value) => Some(*value),
        Content::Block(_) => None,
    })
}

fn date(graph: &Graph, value: Value) -> Option<i64> {
    graph.custom(value, "java.util.Date").find_map(|content| match content {
        Content::Block(block) => Some(i64::from_be_bytes(block.as_slice().try_into().ok()?)),
        Content::Value(_) => None,
    })
}

fn big_integer(graph: &Graph, value: Value) -> Option<String> {
    let Value::Int(sign) = graph.field(value, "signum")? else { return None };
    let Node::Bytes(magnitude) = graph.node(graph.field(value, "magnitude")?)? else { return None };
    java_number::big_integer(sign, magnitude)
}

fn big_decimal(graph: &Graph, value: Value) -> Option<String> {
    let Value::Int(scale) = graph.field(value, "scale")? else { return None };
    let unscaled = big_integer(graph, graph.field(value, "intVal")?)?;
    Some(java_number::big_decimal(&unscaled, scale))
}

/// What a `getAttributes` answered: names and values, without those whose getter threw.
pub(crate) fn attribute_list(graph: &Graph, value: Value) -> Option<Vec<(String, JmxValue)>> {
    let mut values = Values { graph, left: MEMORY };
    elements(graph, value)?
        .iter()
        .map(|attribute| {
            let name = graph.text(graph.field(*attribute, "name")?)?;
            values.left = values.left.checked_sub(name.len())?;
            Some((name.to_owned(), values.read(graph.field(*attribute, "value")?, DEPTH)))
        })
        .collect()
}

/// A bean's description of itself, as far as reading it needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct BeanInfo {
    pub(crate) class: String,
    pub(crate) attributes: Vec<AttributeInfo>,
    /// The bean promises never to change this description.
    pub(crate) immutable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AttributeInfo {
    pub(crate) name: String,
    /// The Java type as `Class.getName` spells it; a dynamic bean may say anything.
    pub(crate) kind: String,
    pub(crate) description: String,
    pub(crate) readable: bool,
}

pub(crate) fn bean_info(graph: &Graph, value: Value) -> Option<BeanInfo> {
    let text =
        |object, field| graph.field(object, field).and_then(|value| graph.text(value)).unwrap_or_default().to_owned();
    let attributes = graph.items(graph.field(value, "attributes")?).unwrap_or_default();
    let attributes = attributes.iter().map(|attribute| AttributeInfo {
        name: text(*attribute, "name"),
        kind: text(*attribute, "attributeType"),
        description: text(*attribute, "description"),
        readable: graph.field(*attribute, "isRead") == Some(Value::Bool(true)),
    });
    Some(BeanInfo {
        class: text(value, "className"),
        attributes: attributes.collect(),
        immutable: is_immutable(graph, value),
    })
}

/// The description's own descriptor: a mark, then the names and the values of its fields.
fn is_immutable(graph: &Graph, info: Value) -> bool {
    let mut arrays = custom_values(graph, info, "javax.management.MBeanInfo").filter_map(|value| graph.items(value));
    let (Some(names), Some(values)) = (arrays.next(), arrays.next()) else { return false };
    names.iter().zip(values).any(|(name, value)| {
        graph.text(*name).is_some_and(|name| name.eq_ignore_ascii_case("immutableInfo"))
            && graph.text(*value) == Some("true")
    })
}

/// A Java exception: its class, and its message or its cause's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thrown {
    pub(crate) class: String,
    pub(crate) message: Option<String>,
    pub(crate) causes: Vec<(String, Option<String>)>,
}

impl Thrown {
    pub(crate) fn read(graph: &Graph, value: Value) -> Thrown {
        let one = |value| {
            let message = graph.field(value, "detailMessage").and_then(|message| graph.text(message));
            (graph.class_of(value).unwrap_or("an unnamed exception").to_owned(), message.map(str::to_owned))
        };
        let (class, message) = one(value);
        let mut causes = Vec::new();
        let mut at = value;
        for _ in 0..DEPTH {
            // RemoteException keeps its cause in `detail`; everyone else in `cause`, which is itself where there is none.
            let cause = ["detail", "cause"]
                .into_iter()
                .filter_map(|field| graph.field(at, field))
                .find(|cause| *cause != Value::Null);
            match cause {
                Some(cause) if cause != at => causes.push(one(cause)),
                _ => break,
            }
            at = cause.unwrap_or(Value::Null);
        }
        Thrown { class, message, causes }
    }

    pub(crate) fn is(&self, class: &str) -> bool {
        self.class == class || self.causes.iter().any(|(cause, _)| cause == class)
    }
}

impl std::fmt::Display for Thrown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |class: &str| class.rsplit('.').next().unwrap_or_default().to_owned();
        out.write_str(&short(&self.class))?;
        if let Some(message) = &self.message {
            write!(out, ": {}", message.trim().lines().next().unwrap_or_default())?;
        }
        // The innermost cause is the one that says why.
        if let Some((class, message)) = self.causes.last() {
            write!(out, " (caused by {}", short(class))?;
            if let Some(message) = message {
                write!(out, ": {}", message.trim().lines().next().unwrap_or_default())?;
            }
            out.write_str(")")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::serial::{Limits, Progress, Reader};
    use super::*;

    fn class(name: &str, fields: &[u8], flags: u8) -> Vec<u8> {
        let mut out = vec![0x72];
        out.extend_from_slice(&(name.len() as u16).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[0; 8]);
        out.push(flags);
        out.extend_from_slice(fields);
        out.extend_from_slice(&[0x78, 0x70]);
        out
    }

    fn graph(stream: &[u8]) -> Option<(Graph, Value)> {
        let mut reader = Reader::new(Limits { depth: 64, memory: 1 << 20 });
        let mut rest = stream;
        match reader.read(&mut rest) {
            Ok(Progress::Complete) => reader.finish().map(|(graph, value, _)| (graph, value)),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn any_graph_can_be_interpreted(stream in proptest::collection::vec(prop_oneof![0x70u8..=0x7e, any::<u8>(), Just(0)], 0..300)) {
            if let Some((graph, value)) = graph(&stream) {
                JmxValue::read(&graph, value);
                attribute_list(&graph, value);
                bean_info(&graph, value);
                let _ = Thrown::read(&graph, value).to_string();
            }
        }
    }

    #[test]
    fn a_composite_of_itself_many_times_stays_within_the_memory() {
        // A composite whose map holds the composite itself under the same key, again and again.
        let mut stream = vec![0x73];
        stream.extend(class("javax.management.openmbean.CompositeDataSupport", b"\0\x01L\0\x08contents\x74\0\x01x", 2));
        stream.push(0x73);
        stream.extend(class("java.util.TreeMap", b"\0\0", 3));
        let key = b"\x74\x00\x01k";
        for _ in 0..500 {
            stream.extend_from_slice(key);
            // Handles: composite class 0, signature 1, composite 2, …
            stream.extend_from_slice(b"\x71\x00\x7e\x00\x02");
        }
        stream.push(0x78);
        let (graph, value) = graph(&stream).unwrap();
        let mut values = Values { graph: &graph, left: 1 << 20 };
        values.read(value, DEPTH);
        assert_eq!(values.left, 0);
    }

    #[test]
    fn a_cause_that_is_itself_ends_the_story() {
        let mut stream = vec![0x73];
        stream.extend(class(
            "java.lang.Error",
            b"\0\x02L\0\x05cause\x74\0\x01xL\0\x0ddetailMessage\x71\0\x7e\0\x01",
            2,
        ));
        stream.extend_from_slice(b"\x71\x00\x7e\x00\x02\x74\x00\x02no");
        let (graph, value) = graph(&stream).unwrap();
        assert_eq!(Thrown::read(&graph, value).to_string(), "Error: no");
    }
}
