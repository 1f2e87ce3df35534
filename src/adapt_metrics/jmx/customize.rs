//! Customized beans: some attributes become labels of all the others' values, and constants become attributes.

use super::bean::ObjectName;
use super::value::JmxValue;

/// What to do with the beans of a domain that have certain properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Customizer {
    pub(crate) domain: String,
    /// Each of these must be among the bean's own, with just this value.
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) attributes_as_labels: Vec<String>,
    pub(crate) extra: Vec<Extra>,
}

/// An attribute that the bean does not have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extra {
    pub(crate) name: String,
    pub(crate) value: JmxValue,
    pub(crate) description: String,
}

impl Customizer {
    /// The first of them that applies to the bean.
    pub(crate) fn of<'a>(customizers: &'a [Customizer], bean: &ObjectName) -> Option<&'a Customizer> {
        customizers.iter().find(|customizer| {
            customizer.domain == bean.domain()
                && customizer.properties.iter().all(|(key, value)| bean.property(key) == Some(value))
        })
    }

    pub(crate) fn labels<'a>(
        &self,
        attributes: impl Iterator<Item = (&'a str, &'a JmxValue)>,
    ) -> Vec<(String, String)> {
        let wanted = attributes.filter(|(name, _)| self.attributes_as_labels.iter().any(|wanted| wanted == name));
        wanted.filter_map(|(name, value)| Some((name.to_owned(), value.text()?))).collect()
    }
}
