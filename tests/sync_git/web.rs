//! An HTTP server that gives one answer, or several in turn, and keeps what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

pub struct Server {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
    status: Arc<Mutex<u16>>,
}

impl Server {
    pub fn start(status: u16, body: &str) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), status, &[body])
    }

    /// Answers with these bodies in turn.
    pub fn in_turn(bodies: &[&str]) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), 200, bodies)
    }

    pub fn start_on(listener: TcpListener, status: u16, answers: &[&str]) -> Self {
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, heads: Arc::default(), bodies: Arc::default(), status: Arc::new(Mutex::new(status)) };
        let (heads, bodies, status) = (server.heads.clone(), server.bodies.clone(), server.status.clone());
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let length = head
                    .to_ascii_lowercase()
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let mut asked = vec![0; length.unwrap_or(0)];
                let _ = stream.read_exact(&mut asked);
                bodies.lock().unwrap().push(String::from_utf8_lossy(&asked).into_owned());
                let body = &answers[heads.lock().unwrap().len() % answers.len()];
                heads.lock().unwrap().push(head);
                let status = *status.lock().unwrap();
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        });
        server
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}
