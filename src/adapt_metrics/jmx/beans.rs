//! The beans of one JVM between scrapes: what they said about themselves, and which of their attributes are worth
//! asking for.
//!
//! Descriptions are kept, because they cost more than the values. A bean whose description is marked immutable (every
//! standard bean) is described once; others, which may grow attributes, every minute, a few in each scrape.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::time::{Duration, Instant};

use super::bean::{ObjectName, Pattern};
use super::connection::{Connection, Failed, Wanted};
use super::customize::{Customizer, Extra};
use super::error::JmxError;
use super::sample::Counts;
use super::value::{AttributeInfo, BeanInfo, JmxValue};
use super::walk;

/// How long the description of a bean that may change is believed.
const MUTABLE: Duration = Duration::from_secs(60);
/// And that of any other. A bean may be replaced by another of its name.
const IMMUTABLE: Duration = Duration::from_secs(600);
/// Descriptions renewed in one scrape: enough for 10 000 beans at one scrape in 15 s.
const RENEWALS: usize = 256;
/// Beans that one JVM may have. Kafka brokers with thousands of partitions have some ten thousand.
const BEANS: usize = 100_000;

/// Which beans and attributes are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// All, if empty.
    pub include: Vec<Pattern>,
    /// These not, even if included.
    pub exclude: Vec<Pattern>,
    /// Attributes that are not asked for, by their beans.
    pub exclude_attributes: Vec<(Pattern, Vec<String>)>,
    /// Unless empty, only these attributes are asked for.
    pub include_attributes: Vec<(Pattern, Vec<String>)>,
    /// Beans whose attributes become labels, or get company.
    pub customizers: Vec<Customizer>,
    /// Whether to ask for text too.
    pub text: Text,
}

/// Whether text can matter: to a rule that makes a number of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Text {
    /// It cannot: attributes of text are not asked for.
    #[default]
    Ignored,
    /// It can.
    Wanted,
}

pub(crate) struct Beans<P> {
    /// Of the names in the server's last answer.
    fingerprint: Option<u64>,
    known: Vec<Bean>,
    /// What the reader of the values remembers about each of the known beans.
    notes: Vec<P>,
}

pub(crate) struct Bean {
    pub(crate) name: ObjectName,
    attributes: Vec<Attribute>,
    described: Option<Instant>,
    keep: Duration,
}

struct Attribute {
    name: String,
    description: String,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    NotNumber,
    NotSerializable,
    Excluded,
    /// It throws, and takes the whole bean's answer with it.
    Throws,
}

impl<P: Default> Beans<P> {
    pub(crate) fn new() -> Self {
        Beans { fingerprint: None, known: Vec::new(), notes: Vec::new() }
    }

    /// Reads all wanted attributes; `each` gets the single values.
    ///
    /// # Errors
    /// The connection is of no further use. What is known about the beans stays.
    pub(crate) async fn read(
        &mut self,
        connection: &mut Connection,
        selection: &Selection,
        now: Instant,
        mut each: impl FnMut(&mut P, &walk::Reading<'_>),
    ) -> Result<Counts, JmxError> {
        let names = query(connection, selection).await?;
        self.follow(names, selection);
        let mut counts = Counts { beans: self.known.len(), ..Counts::default() };
        self.describe(connection, selection, now, &mut counts).await?;

        let (known, notes) = (&self.known, &mut self.notes);
        let asked: Vec<Asked<'_>> =
            known.iter().enumerate().map(Asked::of).filter(|asked| !asked.names.is_empty()).collect();
        let wanted: Vec<Wanted<'_>> = asked
            .iter()
            .map(|asked| Wanted { bean: known[asked.bean].name.as_str(), attributes: &asked.names })
            .collect();
        let mut failed = Vec::new();
        let mut learned = Vec::new();
        connection
            .attributes(&wanted, |call, answer| {
                let asked = &asked[call];
                match answer {
                    Ok(values) => {
                        counts.threw += asked.names.len().saturating_sub(values.len());
                        let values = asked.place(values);
                        take(&known[asked.bean], &values, selection, &mut |reading| {
                            each(&mut notes[asked.bean], reading);
                        });
                        learned.extend(barren(asked.bean, &values, selection));
                    }
                    Err(problem) => failed.push((call, problem)),
                }
            })
            .await?;
        for (call, problem) in failed {
            let asked = &asked[call];
            if matches!(&problem, Failed::Threw(thrown) if thrown.is("javax.management.InstanceNotFoundException")) {
                // It went between the query and now.
                counts.beans -= 1;
                continue;
            }
            let mut values = Vec::new();
            connection
                .one_by_one(&wanted[call], |at, answer| {
                    let attribute = asked.attributes[at];
                    match answer {
                        Ok(value) => values.push((attribute, value)),
                        Err(Failed::NotSerializable(_)) => {
                            learned.push(((asked.bean, attribute), State::NotSerializable));
                        }
                        Err(Failed::Threw(_) | Failed::Unintelligible) => {
                            counts.threw += 1;
                            learned.push(((asked.bean, attribute), State::Throws));
                        }
                    }
                })
                .await?;
            take(&known[asked.bean], &values, selection, &mut |reading| each(&mut notes[asked.bean], reading));
            learned.extend(barren(asked.bean, &values, selection));
        }
        for ((bean, attribute), state) in learned {
            self.known[bean].attributes[attribute].state = state;
        }
        self.count(&mut counts);
        Ok(counts)
    }

    pub(crate) fn notes_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.notes.iter_mut()
    }

    /// Forgets the beans that are gone and learns the names of new ones.
    fn follow(&mut self, names: Vec<String>, selection: &Selection) {
        // The server answers in the same order as long as nothing changes.
        let fingerprint = Some(BuildHasherDefault::<DefaultHasher>::default().hash_one(&names));
        if std::mem::replace(&mut self.fingerprint, fingerprint) == fingerprint {
            return;
        }
        let mut old: HashMap<String, (Bean, P)> = self
            .known
            .drain(..)
            .zip(self.notes.drain(..))
            .map(|(bean, note)| (bean.name.as_str().to_owned(), (bean, note)))
            .collect();
        for name in names {
            let (bean, note) = match old.remove(&name) {
                Some(known) => known,
                None => match ObjectName::parse(&name) {
                    Ok(name) => (Bean { name, attributes: Vec::new(), described: None, keep: MUTABLE }, P::default()),
                    Err(_) => continue, // no name of a bean: nothing could be asked about it
                },
            };
            if selection.exclude.iter().any(|pattern| pattern.matches(&bean.name)) {
                continue;
            }
            self.known.push(bean);
            self.notes.push(note);
        }
    }

    /// Asks the beans that are new, or whose last word is old.
    async fn describe(
        &mut self,
        connection: &mut Connection,
        selection: &Selection,
        now: Instant,
        counts: &mut Counts,
    ) -> Result<(), JmxError> {
        let due =
            |bean: &Bean| bean.described.is_none_or(|described| now.saturating_duration_since(described) > bean.keep);
        let (new, old): (Vec<usize>, Vec<usize>) = (0..self.known.len())
            .filter(|at| due(&self.known[*at]))
            .partition(|at| self.known[*at].described.is_none());
        let chosen: Vec<usize> = new.into_iter().chain(old.into_iter().take(RENEWALS)).collect();
        let names: Vec<String> = chosen.iter().map(|at| self.known[*at].name.as_str().to_owned()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = &mut self.known;
        connection
            .infos(&names, |call, answer| {
                let bean = &mut known[chosen[call]];
                bean.described = Some(now);
                match answer {
                    Ok(info) => bean.learn(info, selection),
                    // Gone already, or it cannot describe itself. Ask again as one asks those that may change.
                    Err(_) => {
                        bean.keep = MUTABLE;
                        counts.beans_failed += 1;
                    }
                }
            })
            .await
    }

    fn count(&self, counts: &mut Counts) {
        for attribute in self.known.iter().flat_map(|bean| &bean.attributes) {
            counts.attributes += 1;
            match attribute.state {
                State::Asked | State::Throws => {}
                State::NotNumber => counts.not_numbers += 1,
                State::NotSerializable => counts.not_serializable += 1,
                State::Excluded => counts.excluded += 1,
            }
        }
    }
}

/// What one call asks for.
struct Asked<'a> {
    bean: usize,
    /// Positions among the bean's attributes, and their names.
    attributes: Vec<usize>,
    names: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn of((at, bean): (usize, &'a Bean)) -> Asked<'a> {
        let asked = bean.attributes.iter().enumerate().filter(|(_, attribute)| attribute.state == State::Asked);
        let (attributes, names) = asked.map(|(at, attribute)| (at, attribute.name.as_str())).unzip();
        Asked { bean: at, attributes, names }
    }

    /// The positions of the attributes whose values came. The answer keeps the order of the question, with gaps.
    fn place(&self, values: Vec<(String, JmxValue)>) -> Values {
        let mut asked = self.names.iter().zip(&self.attributes);
        let place = |(name, value)| asked.find(|(asked, _)| **asked == name).map(|(_, attribute)| (*attribute, value));
        values.into_iter().filter_map(place).collect()
    }
}

/// Values by the positions of their attributes.
type Values = Vec<(usize, JmxValue)>;

impl Bean {
    fn learn(&mut self, info: BeanInfo, selection: &Selection) {
        self.keep = if info.immutable { IMMUTABLE } else { MUTABLE };
        let listed = |list: &[(Pattern, Vec<String>)], name: &String| {
            list.iter().any(|(pattern, attributes)| attributes.contains(name) && pattern.matches(&self.name))
        };
        let excluded = |name: &String| {
            listed(&selection.exclude_attributes, name)
                || !selection.include_attributes.is_empty() && !listed(&selection.include_attributes, name)
        };
        let labels = Customizer::of(&selection.customizers, &self.name);
        let labels = labels.map_or(&[][..], |customizer| &customizer.attributes_as_labels);
        let attributes = info.attributes.into_iter().filter(|attribute| attribute.readable).map(|attribute| {
            let before = self.attributes.iter().find(|known| known.name == attribute.name).map(|known| known.state);
            let state = match before {
                // Asking again breaks the connection again.
                Some(State::NotSerializable) => State::NotSerializable,
                _ if excluded(&attribute.name) => State::Excluded,
                _ if labels.contains(&attribute.name) => State::Asked,
                _ if may_be_number(&attribute) || selection.text == Text::Wanted && may_be_text(&attribute) => {
                    State::Asked
                }
                _ => State::NotNumber,
            };
            Attribute { name: attribute.name, description: attribute.description, state }
        });
        self.attributes = attributes.collect();
    }
}

async fn query(connection: &mut Connection, selection: &Selection) -> Result<Vec<String>, JmxError> {
    let patterns: Vec<&str> = selection.include.iter().map(Pattern::as_str).collect();
    let mut names = connection.names(&patterns).await?;
    if names.len() > BEANS {
        return Err(JmxError::TooManyBeans { peer: connection.peer().to_owned(), count: names.len(), limit: BEANS });
    }
    if patterns.len() > 1 {
        // A bean may be selected twice.
        let mut seen = std::collections::HashSet::with_capacity(names.len());
        names.retain(|name| seen.insert(name.clone()));
    }
    Ok(names)
}

/// Walks the values of one bean.
fn take(bean: &Bean, values: &Values, selection: &Selection, each: &mut dyn FnMut(&walk::Reading<'_>)) {
    let customizer = Customizer::of(&selection.customizers, &bean.name);
    let named = values.iter().map(|(attribute, value)| (bean.attributes[*attribute].name.as_str(), value));
    let labels = customizer.map(|customizer| customizer.labels(named)).unwrap_or_default();
    let attribute = |name, description| walk::Attribute { bean: &bean.name, name, description, labels: &labels };
    for Extra { name, value, description } in customizer.map_or(&[][..], |customizer| &customizer.extra) {
        walk::walk(attribute(name, description), value, each);
    }
    for (at, value) in values {
        let Attribute { name, description, .. } = &bean.attributes[*at];
        walk::walk(attribute(name, description), value, each);
    }
}

/// The attributes that gave nothing which a number could ever come of, and need not be asked for again.
fn barren<'a>(
    bean: usize,
    values: &'a Values,
    selection: &'a Selection,
) -> impl Iterator<Item = ((usize, usize), State)> + 'a {
    let keep = selection.text == Text::Wanted || !selection.customizers.is_empty();
    let barren = values.iter().filter(move |(_, value)| !keep && !walk::may_hold_numbers(value));
    barren.map(move |(attribute, _)| ((bean, *attribute), State::NotNumber))
}

/// By the declared type. Whatever is not known may be a number: dynamic beans often say `java.lang.Object`.
fn may_be_number(attribute: &AttributeInfo) -> bool {
    let kind = attribute.kind.as_str();
    let collection =
        kind.starts_with("java.util.") && kind != "java.util.Date" && !kind.starts_with("java.util.concurrent.atomic.");
    !(collection
        || kind.starts_with('[')
        || may_be_text(attribute)
        || matches!(kind, "char" | "java.lang.Character" | "java.lang.Class" | "javax.management.ObjectName" | "void"))
}

fn may_be_text(attribute: &AttributeInfo) -> bool {
    attribute.kind == "java.lang.String"
}
