//! git http-backend behind the smallest HTTP server that can run it, with the faults that a real one will not show on demand.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use patterns::sync_git::remote::Url;

/// How the server behaves.
#[derive(Clone, Default)]
pub(crate) struct Mode {
    /// `user:password` in base64, without which it answers 401.
    pub(crate) basic: Option<&'static str>,
    /// Answers the first request by a redirect to this URL with the rest of the path.
    pub(crate) redirect: Option<String>,
    /// Takes the request and never answers.
    pub(crate) stalls: bool,
    /// Answers one byte at a time, for ever.
    pub(crate) drips: bool,
    /// Closes the connection after each answer without saying so before.
    pub(crate) closes: bool,
    /// Answers with files only, as a dumb server does.
    pub(crate) is_dumb: bool,
    pub(crate) status: Option<&'static str>,
    /// Lets each request wait this long.
    pub(crate) delay: Option<std::time::Duration>,
    /// Is asked first, and may answer in git's place.
    pub(crate) aside: Option<Arc<dyn Aside>>,
}

/// What else the server serves.
pub(crate) trait Aside: Send + Sync {
    /// Answers, or leaves it to git. An error closes the connection.
    fn answer(&self, seen: &Seen, body: &[u8], writer: &mut TcpStream) -> Option<io::Result<()>>;
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Backend {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    mode: Mode,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Backend {
    pub(crate) fn start(root: &Path, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            mode,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.is_over.load(Ordering::SeqCst) {
                    return;
                }
                server.connections.fetch_add(1, Ordering::SeqCst);
                let server = Arc::clone(&server);
                std::thread::spawn(move || drop(server.serve(stream.unwrap())));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&self.text()).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        format!("http://127.0.0.1:{}/repo", self.port)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        while let Some((seen, body)) = read_request(&mut reader)? {
            self.seen.lock().unwrap().push(seen.clone());
            self.answer(&seen, &body, &mut writer)?;
            if self.mode.closes {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, seen: &Seen, body: &[u8], writer: &mut TcpStream) -> io::Result<()> {
        if let Some(answered) = self.mode.aside.as_ref().and_then(|aside| aside.answer(seen, body, writer)) {
            return answered;
        }
        if self.mode.stalls {
            // Until the client goes away.
            io::copy(&mut writer.try_clone()?, &mut io::sink())?;
            return Ok(());
        }
        if let Some(delay) = self.mode.delay {
            std::thread::sleep(delay);
        }
        if self.mode.drips {
            writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 100000000\r\n\r\n")?;
            loop {
                writer.write_all(b"0")?;
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        if let Some(status) = self.mode.status {
            return write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\noops");
        }
        if let Some(expected) = self.mode.basic
            && seen.header("authorization") != Some(&format!("Basic {expected}"))
        {
            return write!(
                writer,
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\r\n"
            );
        }
        let target = seen.line.split(' ').nth(1).unwrap_or_default();
        let path_query = target.strip_prefix(&self.absolute(target)).unwrap_or(target);
        if let Some(to) = &self.mode.redirect {
            return write!(writer, "HTTP/1.1 302 Found\r\nLocation: {to}{path_query}\r\nContent-Length: 0\r\n\r\n");
        }
        if self.mode.is_dumb {
            return write!(writer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
        }
        let (path, query) = path_query.split_once('?').unwrap_or((path_query, ""));
        let answer = self.run(seen, path, query, body)?;
        let split = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
        let head = String::from_utf8_lossy(&answer[..split]).into_owned();
        let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
        let rest: String =
            head.lines().filter(|line| !line.starts_with("Status:")).map(|line| format!("{line}\r\n")).collect();
        let content = &answer[split + 4..];
        if seen.line.starts_with("POST") {
            // In pieces, as a server does that does not know the length.
            write!(writer, "HTTP/1.1 {status}\r\n{rest}Transfer-Encoding: chunked\r\n\r\n")?;
            for piece in content.chunks(1000) {
                write!(writer, "{:x}\r\n", piece.len())?;
                writer.write_all(piece)?;
                writer.write_all(b"\r\n")?;
            }
            return writer.write_all(b"0\r\n\r\n");
        }
        if seen.header("accept-encoding").is_some_and(|codings| codings.contains("gzip")) {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content)?;
            let content = encoder.finish()?;
            write!(
                writer,
                "HTTP/1.1 {status}\r\n{rest}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                content.len()
            )?;
            return writer.write_all(&content);
        }
        write!(writer, "HTTP/1.1 {status}\r\n{rest}Content-Length: {}\r\n\r\n", content.len())?;
        writer.write_all(content)
    }

    /// The scheme and host of an absolute target, as a proxy sees it.
    fn absolute(&self, target: &str) -> String {
        match target.strip_prefix("http://").and_then(|rest| rest.find('/')) {
            Some(slash) => target[..slash + "http://".len()].to_owned(),
            None => String::new(),
        }
    }

    fn run(&self, seen: &Seen, path: &str, query: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .env("REQUEST_METHOD", seen.line.split(' ').next().unwrap_or_default())
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", seen.header("content-type").unwrap_or_default())
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("GIT_PROTOCOL", seen.header("git-protocol").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let body = body.to_vec();
        let writing = std::thread::spawn(move || drop(stdin.write_all(&body)));
        let output = child.wait_with_output()?;
        drop(writing.join());
        Ok(output.stdout)
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(Seen, Vec<u8>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let seen = Seen { line: line.trim_end().to_owned(), headers };
    let mut body = vec![0; seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some((seen, body)))
}
