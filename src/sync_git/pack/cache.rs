//! Objects that were made a moment ago and may be a delta's base next: the least recently used go first.
//!
//! In: objects by their place in the pack. Out: the ones still there. Bounded in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::object::Kind;

/// An object's content, shared with whoever reads it now.
pub(super) type Content = Arc<Vec<u8>>;

pub(super) struct Cache {
    budget: usize,
    used: usize,
    clock: u64,
    objects: HashMap<u32, (Kind, Content, u64)>,
    /// By the time of the last use.
    order: BTreeMap<u64, u32>,
}

/// What an entry costs beside its bytes.
const OVERHEAD: usize = 128;

impl Cache {
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, used: 0, clock: 0, objects: HashMap::new(), order: BTreeMap::new() }
    }

    pub(super) fn find(&mut self, at: u32) -> Option<(Kind, Content)> {
        let (kind, content, stamp) = self.objects.get_mut(&at)?;
        self.clock += 1;
        self.order.remove(stamp);
        *stamp = self.clock;
        self.order.insert(self.clock, at);
        Some((*kind, Arc::clone(content)))
    }

    /// Lets go of objects until `bytes` more fit the budget, or none is left: what is being made counts, too.
    pub(super) fn make_room(&mut self, bytes: usize) {
        while self.used + bytes > self.budget
            && let Some((_, oldest)) = self.order.pop_first()
            && let Some((_, content, _)) = self.objects.remove(&oldest)
        {
            self.used -= content.capacity() + OVERHEAD;
        }
    }

    /// Keeps an object, unless it would push out too much else.
    pub(super) fn keep(&mut self, at: u32, kind: Kind, content: &Content) {
        let cost = content.capacity() + OVERHEAD;
        if cost > self.budget / 2 || self.objects.contains_key(&at) {
            return;
        }
        self.make_room(cost);
        self.clock += 1;
        self.used += cost;
        self.order.insert(self.clock, at);
        self.objects.insert(at, (kind, Arc::clone(content), self.clock));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first_and_the_budget_holds() {
        let mut cache = Cache::new(4 * (100 + OVERHEAD));
        let content = || Arc::new(vec![0; 100]);
        (0..4).for_each(|at| cache.keep(at, Kind::Blob, &content()));
        assert!(cache.find(0).is_some());
        cache.keep(4, Kind::Blob, &content());
        assert!(cache.find(1).is_none() && cache.find(0).is_some() && cache.find(4).is_some());
        assert!(cache.used <= cache.budget);
        cache.keep(5, Kind::Blob, &Arc::new(vec![0; 10_000]));
        assert!(cache.find(5).is_none() && cache.find(0).is_some());
    }
}
