//! https: certificates by an authority of the test's own, TLS in front of the backend, a tunnel through a proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use patterns::sync_git::remote::{Blame, FetchRequest, Options, ProxyChoice, Remote, RemoteError, Url, Verification};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::backend::{Backend, Mode};
use super::repository::{Source, Store, depth, tip};

/// A key and a certificate for `host`, signed by itself.
pub(crate) fn certificate(directory: &Path, host: &str) -> (PathBuf, PathBuf) {
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args([
            "-subj",
            &format!("/CN={host}"),
            "-addext",
            &format!("subjectAltName=DNS:{host}"),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (key, certificate)
}

/// Ends TLS and passes the bytes on to `backend`.
pub(crate) async fn terminate_tls(backend: &Backend, key: &Path, certificate: &Path) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().collect::<Result<_, _>>().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let target = backend.origin().replace("http://", "");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(target).await.unwrap();
                copy_bidirectional(&mut tls, &mut plain).await.ok();
            });
        }
    });
    address
}

async fn tunnel(target: SocketAddr, tunnels: Arc<AtomicUsize>) -> SocketAddr {
    tunnel_to(target, "localhost", tunnels).await
}

/// A proxy that knows CONNECT; it wants `u:p` and takes every tunnel to `host` to `target`.
pub(crate) async fn tunnel_to(target: SocketAddr, host: &'static str, tunnels: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tunnels = Arc::clone(&tunnels);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                assert!(head.starts_with(&format!("CONNECT {host}:443 HTTP/1.1\r\n")), "{head}");
                if !head.contains("Proxy-Authorization: Basic dTpw\r\n") {
                    stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
                    return;
                }
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                tunnels.fetch_add(1, Ordering::SeqCst);
                let mut target = TcpStream::connect(target).await.unwrap();
                copy_bidirectional(&mut stream, &mut target).await.ok();
            });
        }
    });
    address
}

#[tokio::test]
async fn only_a_certificate_of_a_trusted_authority_for_the_name_will_do() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let (key, certificate) = certificate(directory.path(), "localhost");
    let backend = Backend::start(source.root.path(), Mode { basic: Some("bWU6c2VjcmV0"), ..Mode::default() });
    let port = terminate_tls(&backend, &key, &certificate).await.port();
    let url = Url::parse(&format!("https://me:secret@localhost:{port}/repo")).unwrap();
    let trusting = Options { ca_file: Some(certificate.clone()), ..Options::default() };

    let mut remote = Remote::new(url.clone(), trusting.clone());
    let store = Store::new();
    let wants = vec![tip(&mut remote, "main").await];
    store.fetch(&mut remote, &FetchRequest { wants, depth: depth(1), ..FetchRequest::default() }).await.unwrap();
    store.check();

    let error = Remote::new(url.clone(), Options::default()).ls_refs(&[]).await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::Network { doing, .. } if doing == "starting TLS with localhost"),
        "{error:?}"
    );
    assert!(error.to_string().contains("certificate"), "{error}");
    let by_address = Url::parse(&format!("https://me:secret@127.0.0.1:{port}/repo")).unwrap();
    Remote::new(by_address.clone(), trusting).ls_refs(&[]).await.unwrap_err();
    let off = Options { verification: Verification::Off, ..Options::default() };
    Remote::new(by_address, off).ls_refs(&[]).await.unwrap();

    std::fs::write(directory.path().join("empty.pem"), "").unwrap();
    let empty = Options { ca_file: Some(directory.path().join("empty.pem")), ..Options::default() };
    let error = Remote::new(url, empty).ls_refs(&[]).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Local, "{error}");
}

#[tokio::test]
async fn a_proxy_gives_a_tunnel_and_sees_nothing_else() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let (key, certificate) = certificate(directory.path(), "localhost");
    let backend = Backend::start(source.root.path(), Mode::default());
    let target = terminate_tls(&backend, &key, &certificate).await;
    let tunnels = Arc::new(AtomicUsize::new(0));
    let proxy = tunnel(target, Arc::clone(&tunnels)).await;
    let url = Url::parse("https://localhost/repo").unwrap();
    let through = |proxy: String| Options {
        ca_file: Some(certificate.clone()),
        proxy: ProxyChoice::Url(proxy),
        ..Options::default()
    };
    let mut remote = Remote::new(url.clone(), through(format!("http://u:p@{proxy}")));
    for _ in 0..3 {
        assert_eq!(tip(&mut remote, "main").await, source.oid("main"));
    }
    assert_eq!(tunnels.load(Ordering::SeqCst), 1);
    assert!(backend.seen().iter().all(|seen| seen.header("proxy-authorization").is_none()));
    let error = Remote::new(url, through(format!("http://{proxy}"))).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().contains("407") && error.to_string().contains("the proxy wants credentials"), "{error}");
}

#[tokio::test]
async fn no_redirect_leads_from_https_to_http() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let (key, certificate) = certificate(directory.path(), "localhost");
    let open = Backend::start(source.root.path(), Mode::default());
    let backend = Backend::start(source.root.path(), Mode { redirect: Some(open.origin()), ..Mode::default() });
    let port = terminate_tls(&backend, &key, &certificate).await.port();
    let url = Url::parse(&format!("https://localhost:{port}/repo")).unwrap();
    let error =
        Remote::new(url, Options { ca_file: Some(certificate), ..Options::default() }).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().contains("redirected from https to http"), "{error}");
    assert!(open.seen().is_empty());
}
