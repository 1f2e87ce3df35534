//! A client that sees bytes: it sends what it is told and reads one reply at a time, as text.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::support::PATIENCE;

pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("a socket option");
        Client { reader: BufReader::new(stream) }
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the socket takes it");
    }

    pub fn send(&mut self, arguments: &[&str]) {
        self.send_bytes(&command(arguments));
    }

    /// Sends a command, given as words, and reads its reply.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(&line.split(' ').collect::<Vec<_>>());
        self.reply()
    }

    /// Reads one reply: `+OK`, `:1`, a bulk as its text, `(nil)`, an array as `[a, b]`, a push as `>[…]`, the end as `(closed)`.
    pub fn reply(&mut self) -> String {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return "(closed)".to_owned();
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let count = line[1..].parse::<i64>();
        let mut items = |count: i64| (0..count).map(|_| self.reply()).collect::<Vec<_>>().join(", ");
        match line.as_bytes()[0] {
            b'$' | b'*' if count == Ok(-1) => "(nil)".to_owned(),
            b'_' => "(nil)".to_owned(),
            b'$' | b'=' => {
                let mut bulk = vec![0; count.expect("a length") as usize + 2];
                self.reader.read_exact(&mut bulk).expect("a whole bulk");
                String::from_utf8_lossy(&bulk[..bulk.len() - 2]).into_owned()
            }
            b'*' | b'~' => format!("[{}]", items(count.expect("a count"))),
            b'>' => format!(">[{}]", items(count.expect("a count"))),
            b'%' => format!("{{{}}}", items(2 * count.expect("a count"))),
            _ => line,
        }
    }
}

pub fn command(arguments: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", arguments.len());
    for argument in arguments {
        out += &format!("${}\r\n{argument}\r\n", argument.len());
    }
    out.into_bytes()
}
