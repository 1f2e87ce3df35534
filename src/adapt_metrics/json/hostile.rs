//! Hostile paths, templates, modules files and documents.

use serde_json::{Value, json};

use super::body::Body;
use super::extract::{Metric, extract};
use super::modules::Modules;
use super::path::Template;
use super::request::Parameters;
use crate::adapt_metrics::hostile::{feed, feed_text, tree};
use crate::core::document::Mistakes;

const MODULES: &str = "modules:\n  default:\n    headers: {A: b}\n    metrics:\n    - {name: a, path: '{ .a[?(@.x == \"y\")].z }', labels: {l: 'p-{ .b }'}, type: object, values: {v: '{ .c }'}}\n    body: {content: 'x {{ .p | first | default \"d\" }}', templatize: true}\n    http_client_config: {basic_auth: {username: u, password: p}, tls_config: {ca_file: f}}\n    valid_status_codes: [200]\n";

/// All of them.
pub(crate) fn run() {
    let document = json!({"a": [{"x": "y", "z": 1}, {"x": 2}, [], null], "b": {"c": 1e300, "d": ["e", true]}});
    let paths =
        ["{ .a[?(@.x == \"y\")].z }", "$..x", ".a[0:2:1,-1]['x','z']", "x{.b.c}y{['d'][*]}", "{@.a[?(@.z<=1.5)]}"];
    feed_text(&paths, |text| {
        for template in [Template::parse(text), Template::parse_braces(text)].into_iter().flatten() {
            let _ = template.text(&document);
            assert!(template.values(&document).map_or(0, |values| values.len()) <= 100_000 * text.len());
        }
    });
    let parameters: Parameters = [("p".to_owned(), vec!["1".to_owned(), "x y".to_owned()])].into();
    feed_text(
        &["a {{ .p | first }}", "{{- `x` | repeat 99999999 | upper -}} {{ .q | join \", \" | quote }}"],
        |text| {
            if let Ok(body) = Body::template(text) {
                assert!(body.text(&parameters).len() <= (text.len() + 1) << 20);
            }
        },
    );
    feed_text(&[MODULES], |text| {
        let (root, mut mistakes) = tree(text);
        let _ = Modules::read(&root, &mut mistakes, &mut Mistakes::new("n"));
    });
    let (root, mut mistakes) = tree("{name: a, path: '$..x', labels: {l: .b}, type: object, values: {v: .z, w: '1'}}");
    let metric = Metric::read(&root, "m", &mut mistakes);
    let metrics: Vec<Metric> = metric.into_iter().collect();
    assert_eq!(metrics.len(), 1);
    let sound = document.to_string();
    feed(&[sound.as_bytes(), b"[[[[1]]]]", b"{\"x\":{\"x\":[]}}"], |input| {
        if let Ok(document) = serde_json::from_slice::<Value>(input) {
            let _ = extract(&metrics, &document);
        }
    });
}
