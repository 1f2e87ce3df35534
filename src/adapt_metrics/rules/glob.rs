//! Globs over dotted names: a tree of segments, in which the earliest rule of all that match is found in one walk.
//!
//! A `*` stands for one whole segment. A name is walked along the literal edge and along the star edge of each node; every
//! node is reached by one path only, so a walk costs at most as many steps as the tree has nodes, and mostly as many as
//! the name has segments.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Class;

/// Which of several matching globs wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precedence {
    /// The one that is written first.
    #[default]
    Earliest,
    /// The one that has a literal segment where the others have a star, from left to right.
    MostSpecific,
}

/// The globs of a rule file.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    precedence: Precedence,
    /// Whether a walk that has led nowhere takes the star where it took a literal.
    is_patient: bool,
}

#[derive(Debug, Clone, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    star: Option<usize>,
    /// The rule that ends here, by class.
    rules: [Option<End>; Class::COUNT],
    /// The fewest and the most segments that globs of a class have behind this one.
    behind: [Option<(usize, usize)>; Class::COUNT],
}

/// A rule at the end of its glob.
#[derive(Debug, Clone, Copy)]
struct End {
    /// The first of those with this glob.
    rule: usize,
    /// Where it stands among other globs: at the last of those with this glob, since statsd_exporter has it so.
    place: usize,
}

impl Tree {
    /// No glob yet.
    pub fn new(precedence: Precedence) -> Self {
        Self { nodes: vec![Node::default()], precedence, is_patient: true }
    }

    /// Which of several matching globs wins.
    pub fn precedence(&self) -> Precedence {
        self.precedence
    }

    /// Never goes back: statsd_exporter does so without order where it sees no need to.
    pub fn hurry(&mut self) {
        self.is_patient = false;
    }

    /// Whether a walk goes back from where it led nowhere.
    pub fn is_patient(&self) -> bool {
        self.is_patient
    }

    /// Adds a glob for one class of samples, or for all; of two equal ones the first stands, in the place of the second.
    pub fn insert(&mut self, glob: &str, class: Option<Class>, rule: usize) {
        let mut at = 0;
        let classes = || Class::ALL.into_iter().filter(|one| class.is_none_or(|class| class == *one));
        let length = glob.split('.').count();
        for (depth, segment) in glob.split('.').enumerate() {
            let known =
                if segment == "*" { self.nodes[at].star } else { self.nodes[at].literals.get(segment).copied() };
            at = known.unwrap_or_else(|| {
                self.nodes.push(Node::default());
                let made = self.nodes.len() - 1;
                if segment == "*" {
                    self.nodes[at].star = Some(made);
                } else {
                    self.nodes[at].literals.insert(segment.into(), made);
                }
                made
            });
            for one in classes() {
                let left = length - depth - 1;
                let (fewest, most) = self.nodes[at].behind[one as usize].get_or_insert((left, left));
                (*fewest, *most) = (left.min(*fewest), left.max(*most));
            }
        }
        for one in classes() {
            self.nodes[at].rules[one as usize].get_or_insert(End { rule, place: rule }).place = rule;
        }
    }

    /// The tree in the language of Graphviz: an edge for each segment, and at the ends the number of the rule, from nought.
    pub fn graph(&self) -> String {
        let mut out = "digraph globs {\n  rankdir=LR;\n".to_owned();
        for (at, node) in self.nodes.iter().enumerate() {
            let rules: BTreeSet<usize> = node.rules.iter().flatten().map(|end| end.rule).collect();
            if !rules.is_empty() {
                let told: Vec<String> = rules.iter().map(|rule| format!("rule {rule}")).collect();
                out += &format!("  {at} [label={:?},shape=box];\n", told.join(", "));
            }
            let literals: BTreeMap<&str, usize> = node.literals.iter().map(|(text, to)| (&**text, *to)).collect();
            for (segment, to) in literals.into_iter().chain(node.star.map(|to| ("*", to))) {
                out += &format!("  {at} -> {to} [label={segment:?}];\n");
            }
        }
        out + "}\n"
    }

    /// The rule that a name falls under, and the segments under its stars.
    pub fn find<'n>(&self, name: &'n str, class: Class) -> Option<(usize, Vec<&'n str>)> {
        let segments: Vec<&str> = name.split('.').collect();
        if !self.is_patient {
            return self.find_at_once(&segments, class);
        }
        let mut walk = Walk { tree: self, segments: &segments, class, stars: Vec::new(), best: None };
        walk.from(0, 0);
        walk.best.map(|(end, stars)| (end.rule, stars))
    }
}

impl Tree {
    /// At each segment the literal if it could lead to an end, else the star, and no second try.
    fn find_at_once<'n>(&self, segments: &[&'n str], class: Class) -> Option<(usize, Vec<&'n str>)> {
        let (mut at, mut stars) = (0, Vec::new());
        for (depth, segment) in segments.iter().enumerate() {
            let left = segments.len() - depth - 1;
            let may_lead = |next: &usize| {
                self.nodes[*next].behind[class as usize].is_some_and(|(fewest, most)| (fewest..=most).contains(&left))
            };
            let node = &self.nodes[at];
            at = match node.literals.get(*segment).copied().filter(may_lead) {
                Some(next) => next,
                None => {
                    stars.push(*segment);
                    node.star.filter(may_lead)?
                }
            };
        }
        self.nodes[at].rules[class as usize].map(|end| (end.rule, stars))
    }
}

struct Walk<'t, 's, 'n> {
    tree: &'t Tree,
    segments: &'s [&'n str],
    class: Class,
    stars: Vec<&'n str>,
    best: Option<(End, Vec<&'n str>)>,
}

impl Walk<'_, '_, '_> {
    /// Walks on from a node; its depth, and so that of the recursion, is bounded by the longest glob.
    fn from(&mut self, node: usize, depth: usize) {
        let node = &self.tree.nodes[node];
        let Some(segment) = self.segments.get(depth) else {
            if let Some(end) = node.rules[self.class as usize]
                && self.best.as_ref().is_none_or(|(best, _)| end.place < best.place)
            {
                self.best = Some((end, self.stars.clone()));
            }
            return;
        };
        if let Some(next) = node.literals.get(*segment) {
            self.from(*next, depth + 1);
            if self.tree.precedence == Precedence::MostSpecific && self.best.is_some() {
                return;
            }
        }
        if let Some(next) = node.star {
            self.stars.push(segment);
            self.from(next, depth + 1);
            self.stars.pop();
        }
    }
}

/// Whether statsd_exporter goes back among these globs where order is off: where one with a star shares what stands before
/// that star with another of its length, and neither takes all that the other does.
pub fn needs_patience(globs: &[&str]) -> bool {
    let length = |glob: &str| glob.split('.').count();
    globs.iter().enumerate().any(|(at, glob)| {
        let others = || globs.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| *other);
        let same_length = || others().filter(|other| length(other) == length(glob));
        let shares_beginning =
            glob.match_indices('*').any(|(star, _)| same_length().any(|other| other.starts_with(&glob[..star])));
        shares_beginning && !same_length().any(|other| covers(glob, other) || covers(other, glob))
    })
}

/// Whether a glob takes every name that another of its length does.
pub fn covers(glob: &str, other: &str) -> bool {
    let (own, theirs) = (glob.split('.'), other.split('.'));
    own.clone().count() == theirs.clone().count() && own.zip(theirs).all(|(own, theirs)| own == "*" || own == theirs)
}

/// Whether the text is a glob of the strict kind: a star or a segment that is a name, then more of them after dots.
pub fn is_strict(glob: &str) -> bool {
    glob.split('.').enumerate().all(|(at, segment)| {
        let mut bytes = segment.bytes();
        let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (at > 0 && byte.is_ascii_digit());
        segment == "*"
            || (bytes.next().is_some_and(begins)
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')))
    })
}

/// A glob that may hold stars anywhere, as a regex: each star is a group that takes no dot.
pub fn to_regex(glob: &str) -> String {
    let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
    format!("^{}$", parts.join("([^.]*)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(globs: &[&str], precedence: Precedence) -> Tree {
        let mut tree = Tree::new(precedence);
        globs.iter().enumerate().for_each(|(rule, glob)| tree.insert(glob, None, rule));
        tree
    }

    fn find<'n>(tree: &Tree, name: &'n str) -> Option<(usize, Vec<&'n str>)> {
        tree.find(name, Class::Counter)
    }

    #[test]
    fn the_earliest_rule_wins_whatever_its_shape() {
        let globs = tree(&["*.dummy.*", "full.name.*", "a.*.*", "a.*.b", "*.*"], Precedence::Earliest);
        assert_eq!(find(&globs, "x.dummy.y"), Some((0, vec!["x", "y"])));
        assert_eq!(find(&globs, "full.name.test"), Some((1, vec!["test"])));
        assert_eq!(find(&globs, "a.x.b"), Some((2, vec!["x", "b"])));
        assert_eq!(find(&globs, "a.dummy.b"), Some((0, vec!["a", "b"])));
        assert_eq!(find(&globs, "one"), None);
        assert_eq!(find(&globs, "a."), Some((4, vec!["a", ""])));
    }

    #[test]
    fn a_glob_that_is_the_beginning_of_an_earlier_one_is_found() {
        let globs = tree(&["a.b.c", "a.b", "a"], Precedence::Earliest);
        assert_eq!(find(&globs, "a.b"), Some((1, vec![])));
        assert_eq!(find(&globs, "a"), Some((2, vec![])));
    }

    #[test]
    fn a_glob_that_is_written_again_moves_the_first_behind_those_between() {
        let globs = tree(&["a.*", "*.b", "a.*"], Precedence::Earliest);
        assert_eq!(find(&globs, "a.b"), Some((1, vec!["a"])));
        assert_eq!(find(&globs, "a.c"), Some((0, vec!["c"])));
    }

    #[test]
    fn the_most_specific_rule_wins_where_order_is_off() {
        let globs = tree(&["no.*.*", "no.*.b", "no.c.b", "back.*.b", "back.just.a"], Precedence::MostSpecific);
        assert_eq!(find(&globs, "no.good.b"), Some((1, vec!["good"])));
        assert_eq!(find(&globs, "no.c.b"), Some((2, vec![])));
        assert_eq!(find(&globs, "back.just.b"), Some((3, vec!["just"])));
    }

    #[test]
    fn without_order_a_walk_goes_back_only_where_statsd_exporter_does() {
        assert!(!needs_patience(&["*.*.*", "a.*.b"]) && needs_patience(&["*.x.y", "a.*.b"]));
        assert!(!needs_patience(&["a.b", "*.b.c"]) && !needs_patience(&["*"]));
        let mut globs = tree(&["*.*.*", "a.*.b", "a.*"], Precedence::MostSpecific);
        globs.hurry();
        assert_eq!(find(&globs, "a.x.c"), None, "the literal `a` led nowhere");
        assert_eq!(find(&globs, "a.x.b"), Some((1, vec!["x"])));
        assert_eq!(find(&globs, "b.x.c"), Some((0, vec!["b", "x", "c"])));
        assert_eq!(find(&globs, "a.x"), Some((2, vec!["x"])));
    }

    #[test]
    fn a_tree_is_drawn() {
        let drawn = tree(&["a.*", "a.b.c"], Precedence::Earliest).graph();
        for line in
            ["0 -> 1 [label=\"a\"];", "1 -> 2 [label=\"*\"];", "2 [label=\"rule 0\",shape=box];", "4 [label=\"rule 1\""]
        {
            assert!(drawn.contains(line), "{drawn}");
        }
    }

    #[test]
    fn a_rule_for_one_class_leaves_the_others() {
        let mut globs = Tree::new(Precedence::Earliest);
        globs.insert("a.*", Some(Class::Gauge), 0);
        globs.insert("a.*", None, 1);
        assert_eq!(globs.find("a.x", Class::Gauge).unwrap().0, 0);
        assert_eq!(globs.find("a.x", Class::Counter).unwrap().0, 1);
    }

    #[test]
    fn only_whole_segments_are_stars_in_strict_globs() {
        assert!(["*", "a.*", "a-b.9c", "_a", "*.*.b", "bad--but-legal.x"].into_iter().all(is_strict));
        assert!(["", "a.", "9a.b", "a.b*", "a..b", "a/b", ".a", "-a", "a.-b"].into_iter().all(|glob| !is_strict(glob)));
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_a_list_of_regexes(
            globs in proptest::collection::vec("(\\*|[ab])(\\.(\\*|[ab])){0,3}", 1..12),
            name in "[abc](\\.[abc]){0,3}",
        ) {
            let mut refs: Vec<&str> = Vec::new();
            globs.iter().for_each(|glob| if !refs.contains(&glob.as_str()) { refs.push(glob) });
            let by_regex = refs.iter().position(|glob| regex::Regex::new(&to_regex(glob)).unwrap().is_match(&name));
            prop_assert_eq!(find(&tree(&refs, Precedence::Earliest), &name).map(|(rule, _)| rule), by_regex);
        }
    }
}
