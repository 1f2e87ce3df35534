//! Templates over one document, and those that are refused.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn read(template: &str) -> Result<String, String> {
    let document = json!({
        "counter": 1234, "name": "shop", "up": true, "none": null, "a.b": 7,
        "nested": {"deep": {"count": 3}, "count": 4},
        "values": [
            {"id": "id-A", "count": 1, "state": "ACTIVE"},
            {"id": "id-B", "count": 2, "state": "INACTIVE"},
            {"id": "id-C", "count": 3, "state": "ACTIVE"}
        ]
    });
    Template::parse(template).map_err(|e| e.to_string())?.text(&document).map_err(|e| e.to_string())
}

#[test]
fn paths_find_what_kubectl_finds() {
    let cases = [
        ("{ .counter }", "1234"),
        (".counter", "1234"),
        ("$.counter", "1234"),
        ("{.name}-{.counter}!", "shop-1234!"),
        ("beta", "beta"),
        ("{.up} {.none}", "true null"),
        ("{['a.b']}", "7"),
        ("{.a\\.b}", "7"),
        ("{.values[0].id}", "id-A"),
        ("{.values[-1].id}", "id-C"),
        ("{.values[*].count}", "1 2 3"),
        ("{.values[0:2].count}", "1 2"),
        ("{.values[::2].count}", "1 3"),
        ("{.values[0,2].id}", "id-A id-C"),
        ("{.values[0]['id','count']}", "id-A 1"),
        ("{.values[?(@.state == \"ACTIVE\")].id}", "id-A id-C"),
        ("{.values[?(@.count>1)].id}", "id-B id-C"),
        ("{.values[?(@.count!=2)].id}", "id-A id-C"),
        ("{.values[?(@.missing)].id}", ""),
        ("{.values[?(@.id)].count}", "1 2 3"),
        ("{..count}", "1 2 3 3 4"),
        ("{.nested..count}", "4 3"),
        ("{\"text\"}", "text"),
    ];
    for (template, text) in cases {
        let mut found = read(template).unwrap();
        let mut expected = text.to_owned();
        if template.contains("..") {
            // The order of the deep walk is nobody's promise.
            let sort = |text: &str| {
                let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
                words.sort();
                words.join(" ")
            };
            (found, expected) = (sort(&found), sort(&expected));
        }
        assert_eq!(found, expected, "{template}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    assert_eq!(read("{.nope}"), Err("\"nope\" is not there".to_owned()));
    assert_eq!(read("{.values[9]}"), Err("the array has no item 9".to_owned()));
    assert_eq!(read("{.counter[0]}"), Err("the array has no item 0".to_owned()));
}

#[test]
fn what_is_not_understood_is_refused_with_its_column() {
    let cases = [
        ("{.a", "at column 1: this brace is never closed"),
        ("{.a[}", "at column 5: a field's name is missing"),
        ("{.a[0}", "at column 6: a `]` is missing"),
        ("{range .a}", "at column 2: range and end are not read; a list of values is taken with [*]"),
        ("{.a[?(@.x = 1)]}", "at column 11: a filter ends with `)]`"),
        ("{.a b}", "at column 5: \"b\" is not understood"),
        ("{.a['x}", "at column 1: this brace is never closed"),
        ("{.a[0:1:0]}", "at column 10: the step of a slice must be at least 1"),
    ];
    for (template, reason) in cases {
        assert_eq!(read(template), Err(reason.to_owned()), "{template}");
    }
}

proptest! {
    #[test]
    fn never_panics(template in "[{}.$@a-c\\[\\]*?()=<>!'\"0-9:, \\\\-]{0,40}") {
        let _ = read(&template);
    }
}
