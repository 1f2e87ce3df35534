//! Commands: what a request is, as far as a proxy must know.
//!
//! The name (and for some the second argument) of a framed request comes in, its [`Class`] goes out: may a replica answer it, does it
//! need a connection of its own, is it answered here. Names are matched without case. An unknown command is treated as one that
//! writes and keeps no state: it goes to the primary and is never sent twice.

mod names;
mod table;
mod wait;

pub use table::{Entry, Table};
pub use wait::with_remaining_wait;

use crate::ambassador_redis::resp::request::{Frame, arguments};

/// How a command must be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads data that every replica has: may go to a replica, may be sent again.
    Read,
    /// A read-only script: like a read, but a replica that lacks the script (`NOSCRIPT`) is no final answer.
    ReadScript,
    /// Reads what only the primary can answer rightly; may be sent again.
    PrimaryRead,
    /// Writes, or is unknown: primary, at most once.
    Write,
    /// Neither reads nor writes data (`PING`, `INFO`, `PUBLISH`): primary, at most once.
    Neutral,
    /// May write, and may run so long that the server answers `BUSY` to others: those must not be queued behind it.
    Script,
    /// Changes a setting of the primary (`CONFIG SET`): like `Neutral`, and who does that means this one server from now on.
    Settings,
    /// Waits at the server: a connection of its own until the reply.
    Blocking,
    /// `WAIT` and `WAITAOF`: blocking, and about the writes that came before.
    Wait,
    /// `INFO`: neutral, with a figure that the ambassador knows better.
    Info,
    /// Must overtake a command that keeps the server busy: a fresh connection for this one command.
    Control,
    /// Changes the connection for good: all that follows needs the same connection, each command with one reply.
    Stateful,
    /// Like `Stateful`, and from here on replies cannot be matched with requests.
    Stream,
    /// A stream of the replication protocol: the server takes it only on a connection that nothing was said on.
    Replication,
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    Select,
    Hello,
    Auth,
    Quit,
    Reset,
    /// `CLIENT SETNAME`, `CLIENT GETNAME`: answered here.
    ClientName,
    /// `CLIENT SETINFO`: passed on, and remembered for connections of the session's own.
    ClientInfo,
    /// What a browser that was tricked into talking to us sends: Redis hangs up on it, without a word.
    CrossProtocol,
}

impl Class {
    /// The label of metrics and of the status page.
    pub fn label(self) -> &'static str {
        match self {
            Class::Read | Class::ReadScript => "read",
            Class::PrimaryRead => "primary_read",
            Class::Write | Class::Script => "write",
            Class::Neutral | Class::Settings | Class::Info | Class::CrossProtocol => "neutral",
            Class::Blocking | Class::Wait => "blocking",
            Class::Control => "control",
            Class::Stateful | Class::Stream | Class::Replication => "stateful",
            Class::Multi | Class::Exec | Class::Discard | Class::Watch | Class::Unwatch => "transaction",
            Class::Select
            | Class::Hello
            | Class::Auth
            | Class::Quit
            | Class::Reset
            | Class::ClientName
            | Class::ClientInfo => "session",
        }
    }

    /// Whether it writes, or may write, to the data.
    pub fn may_write(self) -> bool {
        matches!(self, Class::Write | Class::Script)
    }

    /// Whether sending the command twice does no harm.
    pub fn is_repeatable(self) -> bool {
        matches!(self, Class::Read | Class::ReadScript | Class::PrimaryRead)
    }
}

/// The class of a request: the table's entry, refined by the arguments where the name alone says too little.
pub fn classify(table: &Table, bytes: &[u8], frame: &Frame) -> Entry {
    let entry = table.find(frame.name.of(bytes));
    let second = frame.second.of(bytes);
    let class = match entry.class {
        Class::Stateful if is(frame.name.of(bytes), b"client") => client(second),
        Class::Neutral if is(second, b"kill") && is_container(frame.name.of(bytes)) => Class::Control,
        Class::Neutral if is(second, b"set") && is(frame.name.of(bytes), b"config") => Class::Settings,
        Class::Neutral if is(second, b"debug") && is(frame.name.of(bytes), b"script") => Class::Stream,
        Class::Blocking if is(frame.name.of(bytes), b"xread") => stream_read(bytes, Class::Read),
        Class::Blocking if is(frame.name.of(bytes), b"xreadgroup") => stream_read(bytes, Class::Write),
        class => class,
    };
    Entry { class, ..entry }
}

fn client(subcommand: &[u8]) -> Class {
    match subcommand.to_ascii_lowercase().as_slice() {
        b"setname" | b"getname" => Class::ClientName,
        b"setinfo" => Class::ClientInfo,
        b"tracking" | b"reply" => Class::Stream,
        b"help" => Class::Neutral,
        _ => Class::Stateful,
    }
}

/// `XREAD` and `XREADGROUP` wait only with `BLOCK`; a `$` means "what comes from now on", which only the primary knows.
fn stream_read(bytes: &[u8], otherwise: Class) -> Class {
    let mut class = otherwise;
    for argument in arguments(bytes).skip(1) {
        if is(argument, b"block") {
            return Class::Blocking;
        }
        if is(argument, b"streams") {
            break;
        }
    }
    if class == Class::Read && arguments(bytes).any(|argument| matches!(argument, b"$" | b"+")) {
        class = Class::PrimaryRead;
    }
    class
}

fn is_container(name: &[u8]) -> bool {
    is(name, b"script") || is(name, b"function")
}

fn is(text: &[u8], lower: &[u8]) -> bool {
    text.eq_ignore_ascii_case(lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambassador_redis::resp::encode;
    use crate::ambassador_redis::resp::request::{Client, Limits, Scanner, Step};

    fn class(line: &str) -> Class {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, &line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        let Ok(Step::Request(frame)) = Scanner::default().step(&bytes, Limits { bulk: 1 << 29, client: Client::Known })
        else {
            panic!("a request")
        };
        classify(&Table::built_in(), &bytes, &frame).class
    }

    #[test]
    fn names_are_matched_without_case() {
        assert_eq!(class("GeT k"), Class::Read);
        assert_eq!(class("GEORADIUSBYMEMBER_RO k m 1 m"), Class::Read);
        assert_eq!(class("set k v"), Class::Write);
    }

    #[test]
    fn an_unknown_command_is_taken_for_a_write() {
        assert_eq!(class("JSON.GET k"), Class::Write);
        assert_eq!(class("a-command-name-that-is-longer-than-any"), Class::Write);
    }

    #[test]
    fn reading_a_stream_waits_only_with_block() {
        assert_eq!(class("XREAD COUNT 2 STREAMS s 0"), Class::Read);
        assert_eq!(class("XREAD COUNT 2 STREAMS s $"), Class::PrimaryRead);
        assert_eq!(class("XREAD BLOCK 0 STREAMS s $"), Class::Blocking);
        assert_eq!(class("XREAD STREAMS block 0"), Class::Read);
        assert_eq!(class("XREADGROUP GROUP g c STREAMS s >"), Class::Write);
        assert_eq!(class("xreadgroup group g c block 10 streams s >"), Class::Blocking);
    }

    #[test]
    fn a_kill_overtakes_the_script_that_it_kills() {
        assert_eq!(class("SCRIPT KILL"), Class::Control);
        assert_eq!(class("FUNCTION kill"), Class::Control);
        assert_eq!(class("SCRIPT LOAD x"), Class::Neutral);
    }

    #[test]
    fn cursors_and_clocks_of_a_server_belong_to_the_primary() {
        for line in [
            "SCAN 0",
            "HSCAN k 0",
            "SSCAN k 0",
            "ZSCAN k 0",
            "DBSIZE",
            "RANDOMKEY",
            "TOUCH k",
            "OBJECT FREQ k",
            "KEYS *",
        ] {
            assert_eq!(class(line), Class::PrimaryRead, "{line}");
        }
    }

    #[test]
    fn no_command_that_writes_is_read() {
        for name in "set getex sort georadius georadiusbymember bitfield eval evalsha fcall publish spublish pfmerge copy getdel xautoclaim hgetex".split(' ') {
            assert!(!matches!(class(&format!("{name} k")), Class::Read | Class::ReadScript | Class::PrimaryRead), "{name}");
        }
    }
}
