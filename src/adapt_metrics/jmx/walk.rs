//! From an attribute's value to the single values in it. Composites add to the path; a table's key columns become
//! further properties of the bean, and its other columns are walked in turn.

use super::bean::ObjectName;
use super::value::{Composite, JmxValue, Table};

/// One single value, and the way to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) bean: &'a ObjectName,
    /// Properties that tables added to the bean's own.
    pub(crate) extra: &'a [(String, String)],
    /// The attribute and items that the value lies in, the outermost first.
    pub(crate) keys: &'a [String],
    /// The attribute, or the innermost item.
    pub(crate) attribute: &'a str,
    /// Of the attribute or of the item's type, in the bean's own words.
    pub(crate) description: &'a str,
    /// Labels that the bean's other attributes give to all its values.
    pub(crate) labels: &'a [(String, String)],
    pub(crate) value: &'a JmxValue,
}

impl Reading<'_> {
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bean.properties().chain(self.extra.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

/// What is walked, and what holds for all of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) bean: &'a ObjectName,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) labels: &'a [(String, String)],
}

/// Calls `each` for every number, text, boolean and date in the value.
pub(crate) fn walk(attribute: Attribute<'_>, value: &JmxValue, each: &mut dyn FnMut(&Reading<'_>)) {
    let mut walk = Walk { attribute, each, extra: Vec::new(), keys: Vec::new() };
    walk.value(attribute.name, attribute.description, value);
}

/// Whether a number is anywhere in the value, or may be there another time.
pub(crate) fn may_hold_numbers(value: &JmxValue) -> bool {
    match value {
        JmxValue::Composite(Composite { items, .. }) => {
            items.is_empty() || items.iter().any(|(_, item)| may_hold_numbers(item))
        }
        JmxValue::Table(table) => {
            table.rows.is_empty()
                || table
                    .rows
                    .iter()
                    .flatten()
                    .any(|(column, item)| !table.index.contains(column) && may_hold_numbers(item))
        }
        JmxValue::Text(_) | JmxValue::ObjectName(_) | JmxValue::Other(_) => false,
        _ => true,
    }
}

struct Walk<'a> {
    attribute: Attribute<'a>,
    each: &'a mut dyn FnMut(&Reading<'_>),
    extra: Vec<(String, String)>,
    keys: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, name: &str, description: &str, value: &JmxValue) {
        match value {
            JmxValue::Null | JmxValue::Other(_) | JmxValue::ObjectName(_) => {}
            JmxValue::Composite(Composite { description, items }) => {
                self.keys.push(name.to_owned());
                items.iter().for_each(|(key, item)| self.value(key, description, item));
                self.keys.pop();
            }
            JmxValue::Table(table) => self.table(name, table),
            single => (self.each)(&Reading {
                bean: self.attribute.bean,
                extra: &self.extra,
                keys: &self.keys,
                attribute: name,
                description,
                labels: self.attribute.labels,
                value: single,
            }),
        }
    }

    fn table(&mut self, name: &str, table: &Table) {
        let outer = self.extra.len();
        for row in &table.rows {
            for index in &table.index {
                let Some((_, key)) = row.iter().find(|(column, _)| column == index) else { continue };
                let property = self.free_property(index);
                match key {
                    JmxValue::Composite(parts) => {
                        for (part, value) in &parts.items {
                            self.extra.extend(value.text().map(|text| (format!("{property}_{part}"), text)));
                        }
                    }
                    single => self.extra.extend(single.text().map(|text| (property, text))),
                }
            }
            for (column, value) in row {
                if table.index.contains(column) {
                    continue;
                }
                if column.eq_ignore_ascii_case("value") {
                    // The usual name of the only column. It says nothing.
                    self.value(name, &table.description, value);
                } else {
                    self.keys.push(name.to_owned());
                    self.value(column, &table.description, value);
                    self.keys.pop();
                }
            }
            self.extra.truncate(outer);
        }
    }

    /// Tables in tables often have the same key column.
    fn free_property(&self, name: &str) -> String {
        let mut property = name.to_owned();
        while self.attribute.bean.property(&property).is_some() || self.extra.iter().any(|(key, _)| *key == property) {
            property.push('_');
        }
        property
    }
}

#[cfg(test)]
mod tests {
    use super::super::naming;
    use super::super::value::Items;
    use super::*;

    fn seen(name: &str, attribute: &str, value: &JmxValue) -> Vec<String> {
        let bean = ObjectName::parse(name).unwrap();
        let mut seen = Vec::new();
        let attribute = Attribute { bean: &bean, name: attribute, description: "", labels: &[] };
        walk(attribute, value, &mut |reading| {
            seen.push(format!("{}: {}", naming::match_name(reading, reading.attribute), reading.value.text().unwrap()));
        });
        seen
    }

    fn row(items: &[(&str, JmxValue)]) -> Items {
        items.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    fn composite(items: &[(&str, JmxValue)]) -> JmxValue {
        JmxValue::Composite(Composite { description: String::new(), items: row(items) })
    }

    #[test]
    fn composites_lengthen_the_path() {
        let usage = composite(&[("max", JmxValue::Long(-1)), ("used", JmxValue::Long(7))]);
        assert_eq!(
            seen("java.lang:type=Memory", "HeapMemoryUsage", &usage),
            ["java.lang<type=Memory><HeapMemoryUsage>max: -1", "java.lang<type=Memory><HeapMemoryUsage>used: 7"]
        );
    }

    #[test]
    fn key_columns_become_properties_and_a_column_called_value_is_not_named() {
        let text = |text: &str| JmxValue::Text(text.to_owned());
        let inner = JmxValue::Table(Table {
            description: String::new(),
            index: vec!["key".to_owned()],
            rows: vec![row(&[("key", text("b")), ("Value", JmxValue::Long(2))])],
        });
        let outer = JmxValue::Table(Table {
            description: String::new(),
            index: vec!["key".to_owned()],
            rows: vec![row(&[("key", text("a")), ("n", JmxValue::Bool(true)), ("value", inner)])],
        });
        assert_eq!(
            seen("d:type=T", "Stats", &outer),
            ["d<type=T, key=a><Stats>n: true", "d<type=T, key=a, key_=b><>Stats: 2"]
        );
    }

    #[test]
    fn a_composite_key_gives_a_property_for_each_part() {
        let key = composite(&[("host", JmxValue::Text("h".into())), ("port", JmxValue::Long(1))]);
        let table = JmxValue::Table(Table {
            description: String::new(),
            index: vec!["peer".to_owned()],
            rows: vec![row(&[("peer", key), ("up", JmxValue::Long(1))])],
        });
        assert_eq!(seen("d:type=T", "P", &table), ["d<type=T, peer_host=h, peer_port=1><P>up: 1"]);
    }

    #[test]
    fn a_table_of_text_holds_no_numbers_but_an_absent_value_may() {
        let table = Table {
            description: String::new(),
            index: vec!["key".to_owned()],
            rows: vec![row(&[("key", JmxValue::Text("os".into())), ("value", JmxValue::Text("x".into()))])],
        };
        assert!(!may_hold_numbers(&JmxValue::Table(table)));
        assert!(may_hold_numbers(&JmxValue::Null));
    }
}
