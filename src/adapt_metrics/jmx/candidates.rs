//! Which rules match a reading, and which of them would with any other value.
//!
//! All patterns run as one automaton over the bean and the path. From where it then stands, every state that a number
//! or a boolean can lead to is visited: a rule that matches in none of them never matches this reading, one that
//! matches in all of them always does. So the names of nearly all samples are made once, not at each scrape.

use std::collections::HashSet;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, PatternSet};

/// The characters of numbers and booleans as Java prints them: `-1.5E-10`, `NaN`, `Infinity`, `true`, `false`.
const OF_VALUES: &[u8] = b"0123456789.-+EeNaInfityrusl";
/// States to visit before a reading is left undecided. A handful is usual.
const STATES: usize = 2000;
/// Memory for the automaton's states, kept only while new readings are being decided.
const CACHE: usize = 4 << 20;

/// The patterns of some rules as one automaton.
pub(crate) struct Candidates {
    dfa: DFA,
    /// One of each class of bytes that the patterns tell apart.
    bytes: Vec<u8>,
}

/// What is known of each pattern.
pub(crate) struct Verdict {
    /// Matches with the value at hand.
    pub(crate) now: PatternSet,
    /// May match with some value.
    pub(crate) ever: PatternSet,
    /// Matches with every value.
    pub(crate) always: PatternSet,
}

/// Working memory. Large; drop it when nothing is left to decide.
pub(crate) struct Scratch(Cache);

impl Candidates {
    /// Patterns in Rust's spelling; they need not match at the start or to the end. Nothing if one of them is beyond an
    /// automaton, or all together are too large.
    pub(crate) fn new(patterns: &[String]) -> Option<Candidates> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| format!(".*(?:{pattern}).*")).collect();
        let dfa = DFA::builder()
            .configure(DFA::config().match_kind(MatchKind::All).cache_capacity(CACHE).skip_cache_capacity_check(true))
            .syntax(syntax::Config::new().crlf(true))
            .thompson(thompson::Config::new().nfa_size_limit(Some(16 << 20)))
            .build_many(&patterns)
            .ok()?;
        let mut classes = HashSet::new();
        let bytes = OF_VALUES.iter().copied().filter(|byte| classes.insert(dfa.byte_classes().get(*byte))).collect();
        Some(Candidates { dfa, bytes })
    }

    pub(crate) fn scratch(&self) -> Scratch {
        Scratch(self.dfa.create_cache())
    }

    /// The patterns that match this text, whatever follows from nothing.
    pub(crate) fn matching(&self, scratch: &mut Scratch, text: &str) -> Option<PatternSet> {
        let state = self.walk(&mut scratch.0, None, text)?;
        self.matches_at_end(&mut scratch.0, state)
    }

    /// Decides about a reading whose path ends in front of the value. Nothing if that takes too much.
    pub(crate) fn verdict(&self, scratch: &mut Scratch, path: &str, value: &str) -> Option<Verdict> {
        // A cache that overflows on the way invalidates the states that we hold; an empty one has room for one reading.
        self.decide(scratch, path, value).or_else(|| {
            scratch.0.reset(&self.dfa);
            self.decide(scratch, path, value)
        })
    }

    fn decide(&self, Scratch(cache): &mut Scratch, path: &str, value: &str) -> Option<Verdict> {
        let clears = cache.clear_count();
        let start = self.walk(cache, None, path)?;
        let end = self.walk(cache, Some(start), value)?;
        let now = self.matches_at_end(cache, end)?;
        let mut ever = PatternSet::new(self.dfa.pattern_len());
        let mut always: Option<PatternSet> = None;
        let mut seen = HashSet::new();
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            for byte in &self.bytes {
                let next = self.dfa.next_state(cache, state, *byte).ok()?;
                if !seen.insert(next) {
                    continue;
                }
                let matching = self.matches_at_end(cache, next)?;
                matching.iter().for_each(|pattern| drop(ever.try_insert(pattern)));
                always = Some(match always {
                    None => matching,
                    Some(before) => intersection(&before, &matching),
                });
                open.push(next);
            }
            if seen.len() > STATES || cache.clear_count() != clears {
                return None;
            }
        }
        let always = always.unwrap_or_else(|| PatternSet::new(self.dfa.pattern_len()));
        (cache.clear_count() == clears).then_some(Verdict { now, ever, always })
    }

    fn walk(&self, cache: &mut Cache, from: Option<LazyStateID>, text: &str) -> Option<LazyStateID> {
        let mut state = match from {
            Some(state) => state,
            None => self.dfa.start_state_forward(cache, &Input::new("").anchored(Anchored::Yes)).ok()?,
        };
        for byte in text.bytes() {
            state = self.dfa.next_state(cache, state, byte).ok()?;
            if state.is_quit() {
                return None;
            }
        }
        Some(state)
    }

    fn matches_at_end(&self, cache: &mut Cache, state: LazyStateID) -> Option<PatternSet> {
        let mut set = PatternSet::new(self.dfa.pattern_len());
        if state.is_quit() {
            return None;
        }
        let end = self.dfa.next_eoi_state(cache, state).ok()?;
        if end.is_match() {
            for at in 0..self.dfa.match_len(cache, end) {
                set.try_insert(self.dfa.match_pattern(cache, end, at)).ok()?;
            }
        }
        Some(set)
    }
}

fn intersection(one: &PatternSet, other: &PatternSet) -> PatternSet {
    let mut both = PatternSet::new(one.capacity());
    one.iter().filter(|pattern| other.contains(*pattern)).for_each(|pattern| drop(both.try_insert(pattern)));
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_see_every_value() {
        let patterns = [
            "<>Count",             // wherever the value goes
            "<>Count: 5",          // with this value only
            "<>Count: \\d+$",      // with whole numbers
            "<>Mean",              // never
            "State: RUNNING",      // text only, so never
            "<>(.+)",              // always
            "<>Count: (true|1).*", // with some
        ];
        let candidates = Candidates::new(&patterns.map(str::to_owned)).unwrap();
        let mut scratch = candidates.scratch();
        let verdict = candidates.verdict(&mut scratch, "d<type=T><>Count: ", "5").unwrap();
        let list = |set: &PatternSet| set.iter().map(|pattern| pattern.as_usize()).collect::<Vec<_>>();
        assert_eq!(list(&verdict.now), [0, 1, 2, 5]);
        assert_eq!(list(&verdict.ever), [0, 1, 2, 5, 6]);
        assert_eq!(list(&verdict.always), [0, 5]);
    }

    #[test]
    fn a_line_break_in_the_path_is_matched_by_no_pattern_with_dots() {
        let candidates = Candidates::new(&["Count".to_owned()]).unwrap();
        let mut scratch = candidates.scratch();
        let verdict = candidates.verdict(&mut scratch, "d<name=a\nb><>Count: ", "5").unwrap();
        assert!(verdict.now.is_empty() && verdict.ever.is_empty());
    }
}
