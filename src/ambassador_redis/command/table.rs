//! The lookup: a command's name to its class and its number, without case and without allocation.
//!
//! The built-in names are always there; what a server's `COMMAND` reply adds (modules, newer commands) is added to them and never
//! weakens them. Names of up to sixteen bytes are compared as one integer.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::Class;
use super::names::BUILT_IN;

/// How many commands a server may teach us; beyond that its reply is not believed.
const MAX_LEARNED: usize = 4096;

/// What is known of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub class: Class,
    /// The place of its counters; zero is shared by all unknown commands.
    pub number: u16,
    /// The policy forbids it.
    pub denied: bool,
    /// The name alone decides, whatever the arguments are.
    pub by_name: bool,
}

const UNKNOWN: Entry = Entry { class: Class::Write, number: 0, denied: false, by_name: true };

/// All known commands.
#[derive(Clone, Debug)]
pub struct Table {
    short: HashMap<u128, Entry, BuildHasherDefault<Fold>>,
    long: HashMap<Vec<u8>, Entry>,
    names: Vec<String>,
}

impl Table {
    /// The commands of Redis itself.
    pub fn built_in() -> Table {
        let mut table = Table { short: HashMap::default(), long: HashMap::new(), names: vec!["unknown".to_owned()] };
        for (class, names) in BUILT_IN {
            for name in names.split_whitespace() {
                table.add(name, *class);
            }
        }
        table
    }

    /// The same, without those that are denied.
    pub fn with_policy(denied: &[String]) -> Table {
        Table::built_in().denying(denied)
    }

    /// Adds what a server says about a command that is not known yet, by its `COMMAND` flags.
    pub fn learn<'a>(&mut self, name: &str, flags: impl IntoIterator<Item = &'a str>) {
        let name = name.to_ascii_lowercase();
        if self.find(name.as_bytes()).number != 0 || self.names.len() >= MAX_LEARNED {
            return;
        }
        let (mut reads, mut writes, mut blocks, mut publishes) = (false, false, false, false);
        for flag in flags {
            match flag {
                "readonly" => reads = true,
                "write" => writes = true,
                "blocking" => blocks = true,
                "pubsub" => publishes = true,
                _ => {}
            }
        }
        let class = match () {
            () if blocks => Class::Blocking,
            () if publishes => Class::Stream,
            () if reads && !writes => Class::Read,
            () => Class::Write,
        };
        self.add(&name, class);
    }

    /// The same commands, of which these are denied, and no others.
    pub fn denying(&self, denied: &[String]) -> Table {
        let mut table = self.clone();
        table.short.values_mut().chain(table.long.values_mut()).for_each(|entry| entry.denied = false);
        for name in denied.iter().filter(|name| !name.is_empty()) {
            table.deny(name.trim());
        }
        table
    }

    /// Gives a known command another class.
    pub fn reclass(&mut self, name: &str, class: Class) {
        let entry = match pack(name.as_bytes()) {
            Some(packed) => self.short.get_mut(&packed),
            None => self.long.get_mut(name.as_bytes()),
        };
        if let Some(entry) = entry {
            entry.class = class;
        }
    }

    /// Forbids a command; a name that is not known yet is remembered.
    pub fn deny(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if self.find(name.as_bytes()).number == 0 {
            self.add(&name, Class::Write);
        }
        let entry = match pack(name.as_bytes()) {
            Some(packed) => self.short.get_mut(&packed),
            None => self.long.get_mut(name.as_bytes()),
        };
        if let Some(entry) = entry {
            entry.denied = true;
        }
    }

    /// The entry of a command; that of a write for an unknown one.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Entry {
        match pack(name) {
            Some(packed) => self.short.get(&packed).copied().unwrap_or(UNKNOWN),
            None if name.len() > 64 => UNKNOWN,
            None => self.long.get(name.to_ascii_lowercase().as_slice()).copied().unwrap_or(UNKNOWN),
        }
    }

    /// The names by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn add(&mut self, name: &str, class: Class) {
        let entry = Entry { class, number: u16::try_from(self.names.len()).unwrap_or(0), denied: false, by_name: true };
        self.names.push(name.to_owned());
        match pack(name.as_bytes()) {
            Some(packed) => drop(self.short.insert(packed, entry)),
            None => drop(self.long.insert(name.as_bytes().to_vec(), entry)),
        }
    }
}

/// Up to sixteen bytes in lower case as one integer.
#[inline]
fn pack(name: &[u8]) -> Option<u128> {
    // Two pieces of a fixed length, which may overlap, are read without a call.
    let packed = match name.len() {
        len @ 9..=16 => {
            let (start, end) = (u64::from_le_bytes(*name.first_chunk()?), u64::from_le_bytes(*name.last_chunk()?));
            return Some(u128::from(lower(start)) | u128::from(lower(end)) << (8 * (len - 8)));
        }
        len @ 4..=8 => {
            let (start, end) = (u32::from_le_bytes(*name.first_chunk()?), u32::from_le_bytes(*name.last_chunk()?));
            u64::from(start) | u64::from(end) << (8 * (len - 4))
        }
        len @ 2..4 => {
            let (start, end) = (u16::from_le_bytes(*name.first_chunk()?), u16::from_le_bytes(*name.last_chunk()?));
            u64::from(start) | u64::from(end) << (8 * (len - 2))
        }
        1 => u64::from(name[0]),
        0 => 0,
        _ => return None,
    };
    Some(u128::from(lower(packed)))
}

/// Eight letters in lower case.
#[inline]
fn lower(packed: u64) -> u64 {
    let mut bytes = packed.to_le_bytes();
    bytes.make_ascii_lowercase();
    u64::from_le_bytes(bytes)
}

/// A hasher for packed names: one multiplication. The keys of the table are ours, so nobody can aim at it; lookups of foreign names
/// only ever miss.
#[derive(Clone, Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_u128(&mut self, value: u128) {
        let folded = (value as u64) ^ ((value >> 64) as u64).rotate_left(29);
        let product = u128::from(folded ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xa076_1d64_78bd_642f);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_teaches_new_commands_but_changes_no_old_one() {
        let mut table = Table::built_in();
        table.learn("JSON.GET", ["readonly", "module"]);
        table.learn("json.set", ["write", "module"]);
        table.learn("x.pop", ["write", "blocking"]);
        table.learn("scan", ["readonly"]);
        table.learn("odd", []);
        for (name, class) in [
            ("json.get", Class::Read),
            ("JSON.SET", Class::Write),
            ("X.POP", Class::Blocking),
            ("scan", Class::PrimaryRead),
            ("odd", Class::Write),
        ] {
            assert_eq!(table.find(name.as_bytes()).class, class, "{name}");
        }
    }

    #[test]
    fn names_of_any_length_are_packed_whole() {
        let name = b"ABCDEFGHIJKLMNOPQ";
        for len in 0..=16 {
            let mut bytes = [0; 16];
            bytes[..len].copy_from_slice(&name[..len].to_ascii_lowercase());
            assert_eq!(pack(&name[..len]), Some(u128::from_le_bytes(bytes)), "{len}");
        }
        assert_eq!(pack(name), None);
    }

    #[test]
    fn each_name_is_listed_once() {
        let table = Table::built_in();
        let mut names = table.names().to_vec();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), table.names().len());
    }
}
