//! A set: members in, how many different ones there were out.
//!
//! Members are told apart by a hash. Up to `EXACT` of them are kept as they are; beyond, a HyperLogLog of 4 KiB
//! estimates their number within about 2 %. The set spans the present window and the one before, so that the number does
//! not fall to nothing at the turn.

use super::tick::Tick;

/// Up to this many members are counted exactly.
const EXACT: usize = 1000;
/// The length of a window, in ticks: a minute.
const WINDOW: u32 = 600;
/// The number of HyperLogLog registers, as a power of two.
const PRECISION: u32 = 12;

/// The different members of two windows.
#[derive(Debug, Clone, Default)]
pub struct Members {
    window: u32,
    present: Distinct,
    before: Distinct,
}

#[derive(Debug, Clone)]
enum Distinct {
    /// Sorted hashes.
    Exact(Vec<u64>),
    Registers(Box<[u8]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Members {
    /// Remembers a member by its hash.
    pub fn insert(&mut self, hash: u64, now: Tick) {
        let window = now.0 / WINDOW;
        if window != self.window {
            let old = std::mem::take(&mut self.present);
            self.before = if window == self.window + 1 { old } else { Distinct::default() };
            self.window = window;
        }
        self.present.insert(hash);
    }

    /// How many different members the present window and the one before saw.
    pub fn count(&self, now: Tick) -> f64 {
        match (now.0 / WINDOW).saturating_sub(self.window) {
            0 => self.present.clone().union(&self.before).count(),
            1 => self.present.count(),
            _ => 0.0,
        }
    }
}

impl Distinct {
    fn insert(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) => {
                if let Err(at) = hashes.binary_search(&hash) {
                    hashes.insert(at, hash);
                }
                if hashes.len() > EXACT {
                    let mut registers = vec![0; 1 << PRECISION].into_boxed_slice();
                    hashes.iter().for_each(|hash| register(&mut registers, *hash));
                    *self = Self::Registers(registers);
                }
            }
            Self::Registers(registers) => register(registers, hash),
        }
    }

    fn union(mut self, other: &Self) -> Self {
        match other {
            Self::Exact(hashes) => hashes.iter().for_each(|hash| self.insert(*hash)),
            Self::Registers(theirs) => {
                let mut registers = theirs.clone();
                match &self {
                    Self::Exact(hashes) => hashes.iter().for_each(|hash| register(&mut registers, *hash)),
                    Self::Registers(mine) => registers.iter_mut().zip(mine).for_each(|(a, b)| *a = (*a).max(*b)),
                }
                self = Self::Registers(registers);
            }
        }
        self
    }

    fn count(&self) -> f64 {
        match self {
            Self::Exact(hashes) => hashes.len() as f64,
            Self::Registers(registers) => estimate(registers),
        }
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let at = (hash >> (64 - PRECISION)) as usize;
    let zeros = (hash << PRECISION).leading_zeros().min(64 - PRECISION) as u8 + 1;
    registers[at] = registers[at].max(zeros);
}

/// Flajolet's estimate, with linear counting while many registers are empty.
fn estimate(registers: &[u8]) -> f64 {
    let size = registers.len() as f64;
    let empty = registers.iter().filter(|register| **register == 0).count();
    let harmonic: f64 = registers.iter().map(|register| (-f64::from(*register)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / size) * size * size / harmonic;
    if raw <= 2.5 * size && empty > 0 { (size * (size / empty as f64).ln()).round() } else { raw.round() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(member: u32) -> u64 {
        // A fixed mixer, so that the test says the same each time.
        let mut z = u64::from(member).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^= z >> 27;
        z = z.wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn few_members_are_counted_exactly_and_repeats_once() {
        let mut members = Members::default();
        for member in (0..1000).chain(0..1000) {
            members.insert(hash(member), Tick(0));
        }
        assert_eq!(members.count(Tick(0)), 1000.0);
    }

    #[test]
    fn many_members_are_estimated_within_five_percent() {
        let mut members = Members::default();
        for member in 0..200_000 {
            members.insert(hash(member), Tick(0));
        }
        let count = members.count(Tick(0));
        assert!((190_000.0..210_000.0).contains(&count), "{count}");
    }

    #[test]
    fn a_member_is_seen_for_one_to_two_windows() {
        let mut members = Members::default();
        members.insert(hash(1), Tick(0));
        members.insert(hash(2), Tick(WINDOW));
        assert_eq!(members.count(Tick(WINDOW)), 2.0);
        assert_eq!(members.count(Tick(2 * WINDOW)), 1.0);
        assert_eq!(members.count(Tick(3 * WINDOW)), 0.0);
    }
}
