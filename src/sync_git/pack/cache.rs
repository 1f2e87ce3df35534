//! Objects that were made a moment ago and may be a delta's base next.
//!
//! In: objects by their place in the pack. Out: the ones still there. One ring of bytes holds them all, so that nothing is
//! allocated for an object and the whole goes back to the kernel at once; the oldest are overwritten, but one that is used when
//! it has become old is written again as a new one.

use std::collections::VecDeque;
use std::ops::Range;

use hashbrown::HashMap;

use super::object::Kind;

pub(super) struct Cache {
    /// Empty until the first object is kept.
    ring: Vec<u8>,
    size: usize,
    /// Where the next object goes.
    head: usize,
    /// Where objects were written, oldest first; some were written again since.
    order: VecDeque<(u32, usize)>,
    objects: HashMap<u32, (Kind, Range<usize>)>,
}

impl Cache {
    pub(super) fn new(size: usize) -> Self {
        Self { ring: Vec::new(), size, head: 0, order: VecDeque::new(), objects: HashMap::new() }
    }

    /// Where the object is, until the next one is kept or found.
    pub(super) fn find(&mut self, at: u32) -> Option<(Kind, Range<usize>)> {
        let (kind, range) = self.objects.get(&at)?.clone();
        let age = if range.start < self.head { self.head - range.start } else { self.head + self.size - range.start };
        if age < self.size / 2 {
            return Some((kind, range));
        }
        self.objects.remove(&at);
        let start = self.reserve(range.len());
        let again = start..start + range.len();
        self.ring.copy_within(range, start);
        self.note(at, kind, again.clone());
        Some((kind, again))
    }

    /// The bytes of an object that was found.
    pub(super) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.ring[range.clone()]
    }

    /// Keeps an object, unless it would push out too much else.
    pub(super) fn keep(&mut self, at: u32, kind: Kind, content: &[u8]) {
        if content.is_empty() || content.len() > self.size / 2 || self.objects.contains_key(&at) {
            return;
        }
        if self.ring.is_empty() {
            // Pages of zeros cost nothing until they are written.
            self.ring = vec![0; self.size];
        }
        let start = self.reserve(content.len());
        let range = start..start + content.len();
        self.ring[range.clone()].copy_from_slice(content);
        self.note(at, kind, range);
    }

    fn note(&mut self, at: u32, kind: Kind, range: Range<usize>) {
        self.head = range.end;
        self.order.push_back((at, range.start));
        self.objects.insert(at, (kind, range));
    }

    /// Makes room for `length` bytes, and forgets what was there.
    fn reserve(&mut self, length: usize) -> usize {
        if self.head + length > self.size {
            // What stands behind the head is the oldest.
            self.forget(self.head..self.size);
            self.head = 0;
        }
        self.forget(self.head..self.head + length);
        self.head
    }

    fn forget(&mut self, range: Range<usize>) {
        while let Some((at, start)) = self.order.front().copied().filter(|(_, start)| range.contains(start)) {
            self.order.pop_front();
            if self.objects.get(&at).is_some_and(|(_, held)| held.start == start) {
                self.objects.remove(&at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_go_first_unless_they_are_used() {
        let mut cache = Cache::new(400);
        (0..4).for_each(|at| cache.keep(at, Kind::Blob, &[at as u8; 100]));
        assert!(cache.find(0).is_some());
        cache.keep(4, Kind::Blob, &[4; 100]);
        assert!(cache.find(1).is_none() && cache.find(4).is_some());
        let (_, range) = cache.find(0).unwrap();
        assert_eq!(cache.bytes(&range), [0; 100]);
        cache.keep(5, Kind::Blob, &[0; 300]);
        assert!(cache.find(5).is_none());
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_kept(steps in prop::collection::vec((0..40_u32, 0..120_usize, any::<bool>()), 1..400)) {
            let mut cache = Cache::new(500);
            let mut kept = std::collections::HashMap::new();
            for (at, length, looks) in steps {
                if looks {
                    if let Some((_, range)) = cache.find(at) {
                        prop_assert_eq!(cache.bytes(&range), &vec![at as u8; kept[&at]][..]);
                    }
                } else if length > 0 && cache.find(at).is_none() {
                    cache.keep(at, Kind::Blob, &vec![at as u8; length]);
                    kept.insert(at, length);
                    prop_assert!(cache.find(at).is_some());
                }
                prop_assert!(cache.objects.values().all(|(_, range)| range.end <= cache.size));
            }
        }
    }
}
