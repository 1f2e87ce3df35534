//! Git LFS against a server of the batch API that fails on demand, beside the real git over http and ssh.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::remote::backend::{Aside, Backend, Mode, Seen};
use crate::remote::ssh::{Sshd, make_key};
use crate::remote::tls::{certificate, terminate_tls};
use crate::world::{World, git, misused};

/// `user:secret`.
const BASIC: &str = "dXNlcjpzZWNyZXQ=";

/// An LFS server: what it has, how it fails, what it was asked.
#[derive(Default)]
struct Lfs {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    faults: Mutex<Faults>,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Clone, Default)]
struct Faults {
    /// The batch wants `Basic` credentials.
    wants_basic: bool,
    /// The header that downloads want, and that the batch's answer tells.
    token: Option<&'static str>,
    /// Downloads are on this server instead.
    elsewhere: Option<String>,
    /// The next downloads break off after so many bytes.
    cuts: Vec<usize>,
    /// The next downloads answer with this status.
    statuses: Vec<&'static str>,
    /// What is sent in place of the content.
    content: Option<Vec<u8>>,
}

impl Aside for Lfs {
    fn answer(&self, seen: &Seen, body: &[u8], writer: &mut TcpStream) -> Option<io::Result<()>> {
        let path = seen.line.split(' ').nth(1)?.to_owned();
        let is_batch = path.ends_with("/info/lfs/objects/batch") || path.ends_with("/lfs-here/objects/batch");
        if !is_batch && !path.starts_with("/objects/") {
            return None;
        }
        self.seen.lock().unwrap().push(seen.clone());
        Some(if is_batch { self.batch(seen, body, writer) } else { self.download(seen, &path, writer) })
    }
}

impl Lfs {
    fn batch(&self, seen: &Seen, body: &[u8], writer: &mut TcpStream) -> io::Result<()> {
        let faults = self.faults.lock().unwrap().clone();
        if faults.wants_basic && seen.header("authorization") != Some(&format!("Basic {BASIC}")) {
            return write!(writer, "HTTP/1.1 401 Unauthorized\r\nLFS-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
        }
        assert_eq!(seen.header("content-type"), Some("application/vnd.git-lfs+json"));
        let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
        let base = faults.elsewhere.unwrap_or_else(|| format!("http://{}", seen.header("host").unwrap()));
        let objects = asked["objects"].as_array().unwrap().iter().map(|object| {
            let oid = object["oid"].as_str().unwrap();
            let mut answer = serde_json::json!({ "oid": oid, "size": object["size"] });
            match self.objects.lock().unwrap().contains_key(oid) {
                true => {
                    answer["actions"] = serde_json::json!({ "download": { "href": format!("{base}/objects/{oid}") } });
                    if let Some(token) = faults.token {
                        answer["actions"]["download"]["header"] = serde_json::json!({ "Authorization": token });
                    }
                }
                false => answer["error"] = serde_json::json!({ "code": 404, "message": "Object does not exist" }),
            }
            answer
        });
        let answer = serde_json::json!({ "transfer": "basic", "objects": objects.collect::<Vec<_>>() }).to_string();
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())
    }

    fn download(&self, seen: &Seen, path: &str, writer: &mut TcpStream) -> io::Result<()> {
        let mut faults = self.faults.lock().unwrap();
        if faults.token.is_some() && seen.header("authorization") != faults.token {
            return write!(writer, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
        if let Some(status) = faults.statuses.pop() {
            return write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        }
        let stored = self.objects.lock().unwrap()[path.strip_prefix("/objects/").unwrap()].clone();
        let content = faults.content.clone().unwrap_or(stored);
        let range =
            seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let from: usize = range.unwrap_or(0);
        let status = match from {
            0 => "200 OK".to_owned(),
            _ => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", content.len() - 1, content.len()),
        };
        write!(writer, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", content.len() - from)?;
        match faults.cuts.pop() {
            Some(cut) => {
                writer.write_all(&content[from..from + cut])?;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            None => writer.write_all(&content[from..]),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    /// The requests whose line begins so.
    fn seen(&self, start: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.line.starts_with(start)).cloned().collect()
    }
}

/// A world whose `*.bin` are large files.
struct Large {
    world: World,
    lfs: Arc<Lfs>,
    backend: Arc<Backend>,
}

fn sha256(content: &[u8]) -> String {
    let digest = ring_digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ring_digest(content: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, content).as_ref().to_vec()
}

fn pointer(content: &[u8]) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", sha256(content), content.len())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Large {
    fn new() -> Self {
        let world = World::new();
        world.commit_file(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
        let lfs = Arc::new(Lfs::default());
        let backend = Backend::start(&world.path(""), Mode { aside: Some(lfs.clone()), ..Mode::default() });
        Self { world, lfs, backend: Arc::new(backend) }
    }

    /// Commits a large file, which the server has.
    fn add(&self, name: &str, content: &[u8]) -> String {
        self.lfs.objects.lock().unwrap().insert(sha256(content), content.to_vec());
        self.world.commit_file(name, &pointer(content))
    }

    fn once(&self, arguments: &[&str]) -> Output {
        let mut command = self.world.bare_command();
        command.arg("--repo").arg(format!("{}/repo", self.backend.origin()));
        command.arg("--root").arg(self.world.root()).args(["--link=link", "--one-time", "--lfs"]).args(arguments);
        command.output().unwrap()
    }

    #[track_caller]
    fn sync(&self, arguments: &[&str]) {
        let output = self.once(arguments);
        assert!(output.status.success(), "{}", said(&output));
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], reason: &str) {
        let output = self.once(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(reason), "{reason:?} in {}", said(&output));
    }

    fn holds(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.world.link().join(name)).unwrap()
    }

    /// The objects that are kept.
    fn kept(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
        }
        count(&self.world.root().join(".git/lfs/objects"))
    }
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed).collect()
}

#[test]
fn contents_stand_where_the_commit_has_pointers() {
    let large = Large::new();
    let (a, b) = (noise(300_000, 1), noise(131, 2));
    large.add("a.bin", &a);
    large.add("d/e/b.bin", &b);
    large.world.commit_file("c.txt", &pointer(&a));
    large.world.commit_file("plain.bin", "not a pointer\n");
    large.world.commit_file("raw/.gitattributes", "*.bin -filter\n");
    large.world.commit_file("raw/r.bin", &pointer(&a));
    large.sync(&[]);
    assert_eq!((large.holds("a.bin"), large.holds("d/e/b.bin")), (a.clone(), b));
    for (name, content) in [("c.txt", pointer(&a)), ("plain.bin", "not a pointer\n".into()), ("raw/r.bin", pointer(&a))]
    {
        assert_eq!(large.holds(name), content.as_bytes(), "{name}");
    }
    assert_eq!(large.lfs.seen("POST").len(), 1);
    assert_eq!(git(&large.world.link(), &["status", "--porcelain"]), "");
    // Nothing is asked for again, and nothing is taken for damage.
    large.sync(&["--verify-interval=1ms"]);
    assert_eq!((large.lfs.seen("POST").len(), large.lfs.seen("GET").len()), (1, 2));
}

#[test]
fn unchanged_objects_are_shared_between_trees_and_go_with_the_last() {
    for reuse in ["--reuse=hardlink", "--reuse=off"] {
        let large = Large::new();
        large.add("a.bin", &noise(5000, 1));
        large.add("b.bin", &noise(6000, 2));
        std::fs::set_permissions(large.world.repo().join("b.bin"), PermissionsExt::from_mode(0o755)).unwrap();
        large.world.commit("executable");
        large.sync(&[reuse]);
        let inode = || std::fs::metadata(large.world.link().join("a.bin")).unwrap().ino();
        let before = inode();
        large.add("b.bin", &noise(6000, 3));
        large.sync(&[reuse]);
        assert_eq!(inode() == before, reuse == "--reuse=hardlink", "{reuse}");
        assert_eq!((large.holds("a.bin"), large.holds("b.bin")), (noise(5000, 1), noise(6000, 3)));
        assert_ne!(std::fs::metadata(large.world.link().join("b.bin")).unwrap().mode() & 0o100, 0);
        assert_eq!(large.lfs.seen("GET").len(), 3, "{reuse}");
        assert_eq!(large.kept(), 2, "{reuse}");
        // A consumer that spoils a shared file spoils no later tree.
        std::fs::write(large.world.link().join("a.bin"), "spoiled").unwrap();
        large.world.commit("next");
        large.sync(&[reuse]);
        assert_eq!(large.holds("a.bin"), noise(5000, 1), "{reuse}");
    }
}

#[test]
fn pointers_and_contents_never_pass_for_each_other() {
    let large = Large::new();
    let content = noise(5000, 1);
    large.add("a.bin", &content);
    large.sync(&[]);
    for (argument, wanted) in [("--lfs=false", pointer(&content).into_bytes()), ("--lfs", content)] {
        // In the same commit, and in the next.
        large.sync(&[argument]);
        assert_eq!(large.holds("a.bin"), wanted, "{argument}");
        large.world.commit(argument);
        large.sync(&[argument]);
        assert_eq!(large.holds("a.bin"), wanted, "{argument}");
    }
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let large = Large::new();
    let content = noise(400_000, 1);
    large.add("a.bin", &content);
    large.lfs.set(|faults| faults.cuts = vec![150_000, 100_000]);
    large.sync(&[]);
    assert_eq!(large.holds("a.bin"), content);
    let ranges: Vec<_> = large.lfs.seen("GET").iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned()), Some("bytes=250000-".to_owned())]);
}

#[test]
fn what_a_failed_sync_received_is_kept_for_the_next() {
    let large = Large::new();
    let content = noise(400_000, 1);
    large.add("a.bin", &content);
    large.lfs.set(|faults| faults.cuts = vec![1000, 1000, 1000]);
    large.fails(&[], "LFS");
    assert!(large.world.published().is_none() && large.world.trees().is_empty());
    large.sync(&[]);
    assert_eq!(large.holds("a.bin"), content);
    assert_eq!(large.lfs.seen("GET").last().unwrap().header("range"), Some("bytes=3000-"));
}

#[test]
fn a_server_that_errs_is_asked_again_and_one_that_refuses_is_not() {
    let large = Large::new();
    large.add("a.bin", &noise(5000, 1));
    large.lfs.set(|faults| faults.statuses = vec!["503 Busy", "429 Slow"]);
    large.sync(&[]);
    large.add("a.bin", &noise(5000, 2));
    large.lfs.set(|faults| faults.statuses = vec!["404 Gone"]);
    let before = large.world.published();
    large.fails(&[], "is missing at its source");
    large.lfs.set(|faults| faults.statuses = vec!["403 No"]);
    large.fails(&[], "answered 403");
    assert_eq!(large.lfs.seen("GET").len(), 5);
    assert_eq!(large.world.published(), before);
}

#[test]
fn an_object_that_is_not_what_its_pointer_promises_never_appears() {
    let large = Large::new();
    large.add("a.bin", &noise(5000, 1));
    for content in [noise(5000, 2), noise(4999, 1), noise(5001, 1), Vec::new()] {
        large.lfs.set(|faults| faults.content = Some(content));
        large.fails(&[], "is not what its pointer promises");
    }
    assert!(large.world.published().is_none() && large.world.trees().is_empty());
    assert_eq!(large.kept(), 0);
    large.lfs.set(|faults| faults.content = None);
    large.lfs.objects.lock().unwrap().clear();
    large.fails(&[], "404: Object does not exist");
    large.fails(&["--max-tree-bytes=4KiB"], "--max-tree-bytes");
}

#[test]
fn credentials_are_the_repositorys_and_go_nowhere_else() {
    let large = Large::new();
    large.add("a.bin", &noise(5000, 1));
    let store = Arc::new(Lfs::default());
    store.objects.lock().unwrap().extend(large.lfs.objects.lock().unwrap().clone());
    let other = Backend::start(&large.world.path(""), Mode { aside: Some(store.clone()), ..Mode::default() });
    large.lfs.set(|faults| (faults.wants_basic, faults.elsewhere) = (true, Some(other.origin())));
    large.fails(&[], "wants credentials, and none are configured");
    let password = large.world.path("password");
    std::fs::write(&password, "secret\n").unwrap();
    let file = format!("--password-file={}", password.display());
    let header = "--git-config=http.extraHeader:\"X-Secret: sesame\"";
    large.sync(&["--username=user", &file, header]);
    assert_eq!(large.lfs.seen("POST").last().unwrap().header("x-secret"), Some("sesame"));
    let seen = store.seen("GET");
    assert_eq!(seen.len(), 1);
    assert!(seen[0].header("authorization").is_none() && seen[0].header("x-secret").is_none(), "{seen:?}");
    // What the answer says must go along does.
    large.lfs.set(|faults| faults.token = Some("Bearer told"));
    store.set(|faults| faults.token = Some("Bearer told"));
    let next = noise(5000, 2);
    large.add("a.bin", &next);
    store.objects.lock().unwrap().insert(sha256(&next), next);
    large.sync(&["--username=user", &file, header]);
    assert_eq!(store.seen("GET").last().unwrap().header("authorization"), Some("Bearer told"));
}

#[test]
fn the_server_is_where_lfsconfig_or_the_operator_says() {
    let large = Large::new();
    large.add("a.bin", &noise(5000, 1));
    let config = |url: &str| large.world.commit_file(".lfsconfig", &format!("[lfs]\n\turl = {url}\n"));
    config(&format!("{}/lfs-here", large.backend.origin()));
    large.sync(&[]);
    assert!(large.lfs.seen("POST")[0].line.contains("/lfs-here/objects/batch"));
    config("file:///etc");
    large.add("a.bin", &noise(5000, 2));
    large.fails(&[], "on this machine");
    config("ext::touch x");
    large.fails(&[], "cannot be used");
    large.sync(&[&format!("--lfs-url={}/lfs-here", large.backend.origin())]);
    let url = format!("--lfs-url={}/lfs-here", large.backend.origin());
    let output = large.world.once(&[&url]);
    assert_eq!(output.status.code(), misused(), "{}", said(&output));
}

#[test]
fn a_repository_of_this_machine_has_its_objects_beside_it() {
    let large = Large::new();
    let content = noise(5000, 1);
    let oid = sha256(&content);
    large.add("a.bin", &content);
    let output = large.world.once(&["--lfs"]);
    assert!(said(&output).contains("is missing at its source"), "{}", said(&output));
    let directory = large.world.repo().join(format!(".git/lfs/objects/{}/{}", &oid[..2], &oid[2..4]));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(&oid), noise(5000, 2)).unwrap();
    assert_eq!(large.world.once(&["--lfs"]).status.code(), Some(1));
    std::fs::write(directory.join(&oid), &content).unwrap();
    large.world.sync(&["--lfs"]);
    assert_eq!(large.holds("a.bin"), content);
}

/// TLS in front of the backend, on a thread that lives as long as the tests do.
fn tls(large: &Large) -> (u16, std::path::PathBuf) {
    let (key, certificate) = certificate(&large.world.path(""), "localhost");
    let (tell, told) = std::sync::mpsc::channel();
    let (backend, shown) = (large.backend.clone(), certificate.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tell.send(terminate_tls(&backend, &key, &shown).await.port()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    (told.recv().unwrap(), certificate)
}

#[test]
fn over_ssh_the_server_tells_where_and_with_what() {
    let large = Large::new();
    let content = noise(5000, 1);
    large.add("a.bin", &content);
    let (port, certificate) = tls(&large);
    let server = format!("https://localhost:{port}");
    large.lfs.set(|faults| (faults.wants_basic, faults.elsewhere) = (true, Some(server.clone())));
    let key = make_key(&large.world.path(""), "ssh", &["-t", "ed25519"]);
    let script = large.world.path("force");
    let write = |server: &str| {
        let ticket = format!(
            "{{\"href\":\"{server}/lfs-here\",\"header\":{{\"Authorization\":\"Basic {BASIC}\"}},\"expires_in\":60}}"
        );
        let text = format!(
            "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n\"git-lfs-authenticate '\"*\"/repo' download\") echo '{ticket}';;\n\
             *) exec sh -c \"$SSH_ORIGINAL_COMMAND\";;\nesac\n"
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    };
    let sshd = Sshd::start(&format!("ForceCommand {}", script.display()), &[&key]);
    let sync = || {
        let mut command = large.world.bare_command();
        let url = format!("ssh://{}@127.0.0.1:{}{}", own_name(), sshd.port, large.world.repo().display());
        command.args(["--one-time", "--lfs", "--ssh-known-hosts=false", "--link=link", "--repo", &url, "--root"]);
        command.arg(large.world.root()).arg(format!("--ssh-key-file={}", key.display()));
        command.arg(format!("--git-config=http.sslCAInfo:{}", certificate.display())).output().unwrap()
    };
    // In the clear, where the repository is not: refused, and nothing is shown.
    write(&large.backend.origin());
    let output = sync();
    assert!(said(&output).contains("less safe"), "{}", said(&output));
    assert!(large.lfs.seen("").is_empty());
    write(&server);
    let output = sync();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(large.holds("a.bin"), content);
    assert!(large.lfs.seen("GET")[0].header("authorization").is_none());
}

fn own_name() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
