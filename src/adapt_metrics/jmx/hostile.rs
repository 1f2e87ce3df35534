//! Hostile replies, files and rules: what a JVM, or what says it is one, may send, and what a user may write.

use super::address::Address;
use super::bean::{ObjectName, Pattern};
use super::exporter_file::ExporterFile;
use super::java_regex;
use super::java_template::Template;
use super::local::perfdata::PerfData;
use super::rmi::{Reply, ReplyReader, Shape, Stub};
use super::serial::{Limits, Progress, Reader, Writer};
use super::value::{self, JmxValue};
use crate::adapt_metrics::hostile::{feed, feed_text, tree};
use crate::core::document::Mistakes;

const SMALL: Limits = Limits { depth: 32, memory: 1 << 18 };

/// Objects that a JVM wrote: a list of attributes with numbers, text and a composite would be as long as this file; these
/// are its building blocks.
fn objects() -> Vec<Vec<u8>> {
    let mut texts = Writer::after(Vec::new());
    texts.texts(["one", "\u{1f600}"].into_iter());
    let class = b"\x73\x72\x00\x0ejava.lang.Long\x3b\x8b\xe4\x90\xcc\x8f\x23\xdf\x02\x00\x01J\x00\x05value\x78\x72\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00\x78\x70\0\0\0\0\0\0\0\x2a";
    let date = b"\x73\x72\x00\x0ejava.util.Date\x68\x6a\x81\x01\x4b\x59\x74\x19\x03\x00\x00\x78\x70\x77\x08\0\0\0\0\0\0\x05\xdc\x78";
    // What a Writer begins with is the stream's own head.
    vec![texts.into_bytes().split_off(4), class.to_vec(), date.to_vec(), b"\x7b\x70".to_vec()]
}

#[test]
fn serialized_values() {
    let objects = objects();
    let samples: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    feed(&samples, |input| {
        let mut reader = Reader::new(SMALL);
        let mut rest = input;
        if let Ok(Progress::Complete) = reader.read(&mut rest)
            && let Some((graph, root, _)) = reader.finish()
        {
            let _ = JmxValue::read(&graph, root).text();
            let _ = (value::object_name(&graph, root), value::elements(&graph, root));
            let _ = (value::attribute_list(&graph, root), value::bean_info(&graph, root));
            let _ = Stub::read(&graph, root);
        }
    });
}

#[test]
fn replies() {
    let head = b"\x51\xac\xed\x00\x05\x77\x0f\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let replies: Vec<Vec<u8>> = objects().into_iter().map(|object| [head.as_slice(), &object].concat()).collect();
    let samples: Vec<&[u8]> = replies.iter().map(Vec::as_slice).collect();
    feed(&samples, |input| {
        for shape in [Shape::Object, Shape::Void] {
            let mut reader = ReplyReader::new(shape, SMALL);
            let mut rest = input;
            if let Ok(Some(Reply::Value(graph, value))) = reader.read(&mut rest) {
                let _ = JmxValue::read(&graph, value);
            }
        }
    });
}

#[test]
fn performance_counters() {
    let mut file = b"\xca\xfe\xc0\xc0\x01\x02\x00\x01".to_vec();
    for number in [80i32, 0, 0, 0, 32, 1, 48, 20, 0, 0x4a] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(&[32, 0, 0, 0]);
    file.extend_from_slice(b"sun.gc.x\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0");
    feed(&[&file], |input| {
        let _ = PerfData::parse(input).map(|data| data.text("sun.gc.x").map(str::to_owned));
    });
}

#[test]
fn names_patterns_and_addresses() {
    feed_text(&["java.lang:type=Memory,name=\"a,b=\\\"c\\*\"", "d:*,a=b?c*", "*:*"], |text| {
        let name = ObjectName::parse(text);
        if let (Ok(name), Ok(pattern)) = (&name, text.parse::<Pattern>()) {
            let _ = (pattern.matches(name), pattern.is_open());
        }
    });
    let addresses = ["h:1", "[::1]:9010", "service:jmx:rmi:///jndi/rmi://h:1/jmxrmi", "local:auto", "local:12"];
    feed_text(&addresses, |text| drop(text.parse::<Address>()));
}

#[test]
fn regexes_templates_and_files() {
    feed_text(&["(?<a>\\w+)<type=(.+?), [^\\]&&[a-z]]*+\\Q.\\E(?!x)\\1", "a{2,3}\\p{Alpha}\\x{41}$"], |text| {
        if let Ok(translated) = java_regex::translate(text) {
            let _ = fancy_regex::Regex::new(&translated.pattern);
            let _ = regex::RegexBuilder::new(&translated.looser).size_limit(1 << 20).build();
        }
        let _ = Template::parse(text, &[None, Some("a"), None]).map(|template| template.expand(|_| Some("x")));
    });
    let file = "hostPort: h:1\nssl: {trustStore: {filename: f}}\nexcludeObjectNames: ['a:*']\nrules:\n- pattern: 'd<type=(\\w+)><>(\\w+): (.*)'\n  name: a_$1\n  labels: {l: $2}\n  value: $3\n  valueFactor: 0.1\n  type: GAUGE\nmetricCustomizers: [{mbeanFilter: {domain: d}, attributesAsLabels: [x]}]\n";
    feed_text(&[file], |text| {
        let (root, mut mistakes) = tree(text);
        let _ = ExporterFile::read(&root, &|_| None, &mut mistakes, &mut Mistakes::new("n"));
    });
}
