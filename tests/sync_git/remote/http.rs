//! What only http has: credentials, redirects, headers, cookies, proxies, and servers that hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patterns::sync_git::remote::{
    Blame, Credential, CredentialFuture, Credentials, FetchRequest, Options, ProxyChoice, Remote, RemoteError, Url,
};

use super::backend::{Backend, Mode};
use super::repository::{Source, Store, depth, remote, tip};

/// Always the same credential, and a count of how often it was asked for.
struct Fixed(Option<Credential>, AtomicUsize);

impl Fixed {
    fn basic(user: &str, password: &str) -> Arc<Self> {
        Arc::new(Self(
            Some(Credential::Basic { user: user.to_owned(), password: password.to_owned() }),
            AtomicUsize::new(0),
        ))
    }
}

impl Credentials for Fixed {
    fn credential<'a>(&'a self, _: &'a Url) -> CredentialFuture<'a> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// `me:secret`
const BASIC: Mode = Mode {
    basic: Some("bWU6c2VjcmV0"),
    redirect: None,
    stalls: false,
    drips: false,
    closes: false,
    is_dumb: false,
    status: None,
    aside: None,
    delay: None,
};

#[tokio::test]
async fn one_poll_is_one_request_on_a_kept_connection() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), Mode::default());
    let mut remote = remote(&backend.url());
    for _ in 0..5 {
        assert_eq!(tip(&mut remote, "main").await, source.oid("main"));
    }
    let lines: Vec<String> = backend.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(lines[0], "GET /repo/info/refs?service=git-upload-pack HTTP/1.1");
    assert!(lines[1..].iter().all(|line| line == "POST /repo/git-upload-pack HTTP/1.1"));
    assert_eq!(backend.connections(), 1);
    let first = &backend.seen()[0];
    assert!(first.header("user-agent").unwrap().starts_with("git/patterns-"));
    assert_eq!(first.header("git-protocol"), Some("version=2"));
}

#[tokio::test]
async fn a_poll_asks_for_the_wanted_names_only() {
    let source = Source::new();
    let lines: String = (0..17_000).map(|at| format!("create refs/heads/other/{at} HEAD\n")).collect();
    let mut child = std::process::Command::new("git")
        .args(["update-ref", "--stdin"])
        .current_dir(source.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    super::repository::git(&source.path(), &["pack-refs", "--all"]);
    let backend = Backend::start(source.root.path(), Mode::default());
    let mut remote = remote(&backend.url());
    let refs = remote.ls_refs(&["refs/heads/main".to_owned()]).await.unwrap();
    assert_eq!(refs.refs.len(), 1);
    assert_eq!(remote.ls_refs(&["refs/heads/other/".to_owned()]).await.unwrap().refs.len(), 17_000);
    assert_eq!(tip(&mut remote, "main").await, source.oid("main"));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), Mode { closes: true, ..Mode::default() });
    let mut remote = remote(&backend.url());
    for _ in 0..5 {
        assert_eq!(tip(&mut remote, "main").await, source.oid("main"));
    }
    let store = Store::new();
    let wants = vec![source.oid("main")];
    store.fetch(&mut remote, &FetchRequest { wants, depth: depth(1), ..FetchRequest::default() }).await.unwrap();
    store.check();
}

#[tokio::test]
async fn credentials_are_sent_only_when_wanted_and_then_at_once() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), BASIC);
    let credentials = Fixed::basic("me", "secret");
    let mut remote =
        Remote::new(backend.url(), Options { credentials: Some(credentials.clone()), ..Options::default() });
    for _ in 0..2 {
        assert_eq!(tip(&mut remote, "main").await, source.oid("main"));
    }
    let sent: Vec<bool> = backend.seen().iter().map(|seen| seen.header("authorization").is_some()).collect();
    assert_eq!(sent, [false, true, true, true]);
    assert_eq!(credentials.1.load(Ordering::SeqCst), 3);

    let open = Backend::start(source.root.path(), Mode::default());
    let mut remote = Remote::new(open.url(), Options { credentials: Some(credentials.clone()), ..Options::default() });
    tip(&mut remote, "main").await;
    assert!(open.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn the_credentials_of_the_url_count_too() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), BASIC);
    let url = backend.text().replace("http://", "http://me:secret@");
    assert_eq!(tip(&mut remote(&Url::parse(&url).unwrap()), "main").await, source.oid("main"));
}

#[tokio::test]
async fn wrong_and_missing_credentials_are_told_apart_and_not_shown() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), BASIC);
    let error = remote(&backend.url()).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().ends_with("none are configured for it"), "{error}");
    assert_eq!(error.blame(), Blame::Credentials);
    let wrong = Options { credentials: Some(Fixed::basic("me", "s3cr3t")), ..Options::default() };
    let error = Remote::new(backend.url(), wrong).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().ends_with("the server refuses the credentials"), "{error}");
    assert!(!format!("{error:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_credential_of_the_first_host() {
    let source = Source::new();
    let target = Backend::start(source.root.path(), Mode::default());
    let backend = Backend::start(source.root.path(), Mode { redirect: Some(target.origin()), ..BASIC });
    // The two differ by their port, which makes them two origins.
    let url = backend.text().replace("http://", "http://me:secret@");
    let options = Options { headers: vec![("X-Token".to_owned(), "secret".to_owned())], ..Options::default() };
    let mut remote = Remote::new(Url::parse(&url).unwrap(), options);
    let store = Store::new();
    let wants = vec![tip(&mut remote, "main").await];
    store.fetch(&mut remote, &FetchRequest { wants, depth: depth(1), ..FetchRequest::default() }).await.unwrap();
    store.check();
    assert!(backend.seen().iter().all(|seen| seen.header("x-token") == Some("secret")));
    assert_eq!(target.seen().len(), 3);
    assert!(
        target.seen().iter().all(|seen| seen.header("authorization").is_none() && seen.header("x-token").is_none())
    );
}

#[tokio::test]
async fn a_redirect_loop_and_a_strange_redirect_end() {
    let source = Source::new();
    for to in ["", "ftp://example.invalid", "file:///etc"] {
        let backend = Backend::start(source.root.path(), Mode { redirect: Some(to.to_owned()), ..Mode::default() });
        let error = remote(&backend.url()).ls_refs(&[]).await.unwrap_err();
        assert_eq!(error.blame(), Blame::Server, "{to}: {error}");
    }
}

#[tokio::test]
async fn extra_headers_and_cookies_are_sent() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), Mode::default());
    let cookies = source.root.path().join("cookies");
    std::fs::write(&cookies, "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tabc\n").unwrap();
    let headers = vec![("Authorization".to_owned(), "Bearer t".to_owned()), ("X-A".to_owned(), "b".to_owned())];
    tip(&mut Remote::new(backend.url(), Options { headers, cookie_file: Some(cookies), ..Options::default() }), "main")
        .await;
    for seen in backend.seen() {
        assert_eq!(seen.header("cookie"), Some("session=abc"));
        assert_eq!(seen.header("authorization"), Some("Bearer t"));
        assert_eq!(seen.header("x-a"), Some("b"));
    }
}

#[tokio::test]
async fn a_plain_proxy_is_given_the_whole_url() {
    let source = Source::new();
    // The backend takes absolute targets: it stands in for the proxy.
    let proxy = Backend::start(source.root.path(), Mode::default());
    let options =
        Options { proxy: ProxyChoice::Url(proxy.origin().replace("http://", "http://u:p@")), ..Options::default() };
    let mut remote = Remote::new(Url::parse("http://git.example.invalid/repo").unwrap(), options);
    assert_eq!(tip(&mut remote, "main").await, source.oid("main"));
    let first = &proxy.seen()[0];
    assert_eq!(first.line, "GET http://git.example.invalid/repo/info/refs?service=git-upload-pack HTTP/1.1");
    assert_eq!(first.header("proxy-authorization"), Some("Basic dTpw"));
    assert_eq!(first.header("host"), Some("git.example.invalid"));
}

#[tokio::test]
async fn stalled_and_dripping_servers_are_left_at_the_callers_deadline() {
    let source = Source::new();
    for mode in [Mode { stalls: true, ..Mode::default() }, Mode { drips: true, ..Mode::default() }] {
        let backend = Backend::start(source.root.path(), mode);
        let mut remote = remote(&backend.url());
        let outcome = tokio::time::timeout(Duration::from_millis(300), remote.ls_refs(&[])).await;
        // A dripping server's bytes are no packet: that may be noticed before the deadline.
        assert!(outcome.is_err() || outcome.is_ok_and(|refs| refs.is_err()));
    }
}

#[tokio::test]
async fn answers_that_are_not_gits_are_explained() {
    let source = Source::new();
    let dumb = Backend::start(source.root.path(), Mode { is_dumb: true, ..Mode::default() });
    let error = remote(&dumb.url()).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().contains("only the dumb HTTP protocol"), "{error}");
    for (status, blame) in
        [("404 Not Found", Blame::Request), ("403 Forbidden", Blame::Credentials), ("502 Bad Gateway", Blame::Server)]
    {
        let backend = Backend::start(source.root.path(), Mode { status: Some(status), ..Mode::default() });
        let error = remote(&backend.url()).ls_refs(&[]).await.unwrap_err();
        assert_eq!(error.blame(), blame, "{error}");
        assert!(error.to_string().contains(&status[..3]), "{error}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_the_networks_fault() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "https", "git"] {
        let url = Url::parse(&format!("{scheme}://127.0.0.1:{port}/repo")).unwrap();
        let error = remote(&url).ls_refs(&[]).await.unwrap_err();
        assert!(matches!(error, RemoteError::Network { .. }) && error.may_retry(), "{error:?}");
    }
}
