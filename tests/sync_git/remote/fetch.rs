//! What must hold over every transport: references, depths, haves, object names, filters.

use std::time::{Duration, Instant};

use patterns::sync_git::pack::PackReceiver;
use patterns::sync_git::remote::{
    Depth, FetchRequest, FilterUse, Options, Protocol, Remote, RemoteError, Selector, Url,
};

use super::backend::{Backend, Mode};
use super::repository::{Daemon, Source, Store, depth, git, remote, tip};

/// Runs one test over git://, http, http with version 0, git:// with version 0, and the path.
async fn over_every_transport<F, G>(test: F)
where
    F: Fn(String, Source, Url, Options) -> G,
    G: Future<Output = ()>,
{
    for transport in ["path", "git", "http", "git v0", "http v0"] {
        let source = Source::new();
        let old = Options { protocol: Protocol::V0, ..Options::default() };
        if transport.ends_with("v0") {
            git(&source.path(), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        }
        match transport {
            "path" => {
                let url = Url::parse(source.path().to_str().unwrap()).unwrap();
                test(transport.to_owned(), source, url, Options::default()).await;
            }
            "git" | "git v0" => {
                let daemon = Daemon::start(source.root.path());
                let options = if transport == "git" { Options::default() } else { old };
                test(transport.to_owned(), source, daemon.url(), options).await;
            }
            _ => {
                let backend = Backend::start(source.root.path(), Mode::default());
                let options = if transport == "http" { Options::default() } else { old };
                test(transport.to_owned(), source, backend.url(), options).await;
            }
        }
    }
}

#[tokio::test]
async fn every_spelling_of_a_reference_is_found() {
    over_every_transport(async |transport, source, url, options| {
        let mut remote = Remote::new(url, options);
        for (name, revision) in [
            ("HEAD", "HEAD"),
            ("main", "main"),
            ("heads/main", "main"),
            ("refs/heads/main", "main"),
            ("light", "light"),
            ("tags/light", "light"),
            ("heavy", "heavy"),
            ("refs/tags/heavy", "heavy"),
        ] {
            let tip = remote.resolve(&Selector::parse(name).unwrap()).await.unwrap();
            assert_eq!(tip.oid, source.oid(revision), "{transport}: {name}");
            assert_eq!(tip.target(), source.oid(&format!("{revision}^{{}}")), "{transport}: {name}");
        }
        let head = remote.ls_refs(&["HEAD".to_owned()]).await.unwrap();
        assert_eq!(head.find("HEAD").unwrap().symref_target.as_deref(), Some("refs/heads/main"), "{transport}");
        let error = remote.resolve(&Selector::parse("nope").unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "couldn't find remote ref nope", "{transport}");
    })
    .await;
}

#[tokio::test]
async fn a_depth_is_brought_kept_changed_and_ended() {
    over_every_transport(async |transport, source, url, options| {
        let store = Store::new();
        let mut remote = Remote::new(url, options);
        let first = tip(&mut remote, "main").await;
        let request = FetchRequest { wants: vec![first], depth: depth(1), ..FetchRequest::default() };
        let (outcome, report) = store.fetch(&mut remote, &request).await.unwrap();
        assert_eq!(outcome.shallow, [first], "{transport}");
        assert_eq!(report.bytes, outcome.pack_bytes, "{transport}");
        assert_eq!(store.count(first), 1, "{transport}");
        store.check();

        let second = source.commit(11);
        let request = FetchRequest {
            wants: vec![tip(&mut remote, "main").await],
            haves: vec![first],
            shallow: store.shallow(),
            depth: depth(1),
            ..FetchRequest::default()
        };
        let (_, report) = store.fetch(&mut remote, &request).await.unwrap();
        assert!(report.objects <= 8, "{transport}: {report:?}");
        assert_eq!(store.count(second), 1, "{transport}");
        store.check();

        for (deepen, commits) in [(depth(3), 3), (depth(5), 5), (Depth::Unshallow, 11)] {
            let request = FetchRequest {
                wants: vec![second],
                haves: vec![second],
                shallow: store.shallow(),
                depth: deepen,
                ..FetchRequest::default()
            };
            store.fetch(&mut remote, &request).await.unwrap();
            assert_eq!(store.count(second), commits, "{transport}: {deepen:?}");
            store.check();
        }
        assert!(store.shallow().is_empty(), "{transport}");
    })
    .await;
}

#[tokio::test]
async fn the_whole_history_comes_and_then_only_what_is_new() {
    over_every_transport(async |transport, source, url, options| {
        let store = Store::new();
        let mut remote = Remote::new(url, options);
        let first = tip(&mut remote, "HEAD").await;
        let (outcome, _) =
            store.fetch(&mut remote, &FetchRequest { wants: vec![first], ..FetchRequest::default() }).await.unwrap();
        assert!(outcome.shallow.is_empty(), "{transport}");
        assert_eq!(store.count(first), 10, "{transport}");
        let second = source.commit(11);
        let request = FetchRequest { wants: vec![second], haves: vec![first], ..FetchRequest::default() };
        let (_, report) = store.fetch(&mut remote, &request).await.unwrap();
        assert!(report.objects <= 8, "{transport}: {report:?}");
        assert_eq!(store.count(second), 11, "{transport}");
        store.check();
    })
    .await;
}

#[tokio::test]
async fn an_object_is_fetched_by_name_and_a_tag_with_its_commit() {
    over_every_transport(async |transport, source, url, options| {
        let store = Store::new();
        let mut remote = Remote::new(url, options);
        let old = source.oid("HEAD~3");
        store
            .fetch(&mut remote, &FetchRequest { wants: vec![old], depth: depth(1), ..FetchRequest::default() })
            .await
            .unwrap();
        assert_eq!(store.count(old), 1, "{transport}");
        let tag = tip(&mut remote, "heavy").await;
        store
            .fetch(
                &mut remote,
                &FetchRequest {
                    wants: vec![tag],
                    shallow: store.shallow(),
                    depth: depth(1),
                    ..FetchRequest::default()
                },
            )
            .await
            .unwrap();
        assert_eq!(
            git(store.path(), &["rev-parse", &format!("{tag}^{{}}")]),
            source.oid("light").to_string(),
            "{transport}"
        );
        store.check();
    })
    .await;
}

#[tokio::test]
async fn an_object_that_the_server_lacks_is_refused_in_its_words() {
    over_every_transport(async |transport, _source, url, options| {
        let store = Store::new();
        let nobody = git2::Oid::from_str("0123456789012345678901234567890123456789").unwrap();
        let outcome = store
            .fetch(&mut Remote::new(url, options), &FetchRequest { wants: vec![nobody], ..FetchRequest::default() })
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, RemoteError::Refused(_)), "{transport}: {error:?}");
        assert!(error.to_string().contains("not our ref"), "{transport}: {error}");
    })
    .await;
}

#[tokio::test]
async fn a_filter_leaves_out_blobs_which_are_then_wanted_in_one_batch() {
    over_every_transport(async |transport, source, url, options| {
        git(&source.path(), &["config", "uploadpack.allowFilter", "true"]);
        let is_old = options.protocol == Protocol::V0;
        let store = Store::new();
        let mut remote = Remote::new(url, options);
        let wants = vec![tip(&mut remote, "main").await];
        let filter = Some("blob:none".to_owned());
        let request = FetchRequest { wants, depth: depth(1), filter, ..FetchRequest::default() };
        let (outcome, report) = store.fetch(&mut remote, &request).await.unwrap();
        assert_eq!(outcome.filter, FilterUse::Honoured, "{transport}");
        // The commit, the root, dir and dir/sub.
        assert_eq!(report.objects, 4, "{transport}");
        let first = request.wants[0];
        let second = source.commit(11);
        let request = FetchRequest { wants: vec![second], haves: vec![first], shallow: store.shallow(), ..request };
        let (_, report) = store.fetch(&mut remote, &request).await.unwrap();
        assert_eq!((report.objects, report.completed), (4, 0), "{transport}");
        if is_old {
            return;
        }
        let blobs = vec![source.oid("main:file"), source.oid("main:dir/sub/3")];
        let (_, report) =
            store.fetch(&mut remote, &FetchRequest { wants: blobs.clone(), ..FetchRequest::default() }).await.unwrap();
        assert_eq!(report.objects, 2, "{transport}");
        assert_eq!(git(store.path(), &["cat-file", "-p", &blobs[1].to_string()]), "3", "{transport}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_cannot_filter_sends_everything() {
    let source = Source::new();
    let backend = Backend::start(source.root.path(), Mode::default());
    let store = Store::new();
    let mut remote = remote(&backend.url());
    let wants = vec![tip(&mut remote, "main").await];
    let request =
        FetchRequest { wants, depth: depth(1), filter: Some("blob:none".to_owned()), ..FetchRequest::default() };
    let (outcome, report) = store.fetch(&mut remote, &request).await.unwrap();
    assert_eq!(outcome.filter, FilterUse::Ignored);
    assert!(report.objects > 10);
    store.check();
}

#[tokio::test]
async fn an_empty_repository_says_so() {
    for transport in ["path", "git"] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("repo");
        std::fs::create_dir(&path).unwrap();
        git(&path, &["init", "-q", "-b", "main"]);
        let daemon = Daemon::start(root.path());
        let url = if transport == "path" { Url::parse(path.to_str().unwrap()).unwrap() } else { daemon.url() };
        let error = remote(&url).resolve(&Selector::parse("HEAD").unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "couldn't find remote ref HEAD: the repository has no commit yet", "{transport}");
    }
}

#[tokio::test]
async fn a_session_survives_many_polls_and_a_rest() {
    over_every_transport(async |transport, source, url, options| {
        let mut remote = Remote::new(url, options);
        for number in 11..15 {
            assert_eq!(tip(&mut remote, "main").await, source.oid("main"), "{transport}");
            let new = source.commit(number);
            assert_eq!(tip(&mut remote, "main").await, new, "{transport}");
            if number % 2 == 0 {
                remote.rest();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn paths_of_every_shape_are_opened() {
    let source = Source::new();
    let root = source.root.path();
    git(root, &["clone", "-q", "--bare", "repo", "bare.git"]);
    git(root, &["clone", "-q", "--depth=2", &format!("file://{}", source.path().display()), "shallow"]);
    git(&source.path(), &["worktree", "add", "-q", "../linked", "light"]);
    git(root, &["clone", "-q", "--shared", "repo", "borrowing"]);
    git(&root.join("bare.git"), &["pack-refs", "--all"]);
    for (path, revision) in
        [("bare.git", "main"), ("bare", "main"), ("shallow", "main"), ("linked", "light"), ("borrowing", "main")]
    {
        for url in [root.join(path).to_str().unwrap().to_owned(), format!("file://{}", root.join(path).display())] {
            let store = Store::new();
            let mut remote = remote(&Url::parse(&url).unwrap());
            let wanted = tip(&mut remote, "HEAD").await;
            assert_eq!(wanted, source.oid(revision), "{path}");
            store.fetch(&mut remote, &FetchRequest { wants: vec![wanted], ..FetchRequest::default() }).await.unwrap();
            store.check();
            let commits = if path == "shallow" { 2 } else { source_count(&source, revision) };
            assert_eq!(store.count(wanted), commits, "{path}");
        }
    }
    let error = remote(&Url::parse(root.to_str().unwrap()).unwrap()).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().contains("is not a git repository"), "{error}");
}

fn source_count(source: &Source, revision: &str) -> usize {
    git(&source.path(), &["rev-list", "--count", revision]).parse().unwrap()
}

#[tokio::test]
async fn a_fetch_may_be_dropped_at_any_moment_and_leaves_nothing() {
    over_every_transport(async |transport, source, url, options| {
        let store = Store::new();
        let wants = vec![source.oid("main")];
        let request = FetchRequest { wants, depth: depth(1), ..FetchRequest::default() };
        let mut remote = Remote::new(url, options);
        for step in 0..30 {
            let patience = Duration::from_micros(400 * step);
            let mut receiver = PackReceiver::start(store.pack_store(), ());
            drop(tokio::time::timeout(patience, remote.fetch(&request, &mut receiver)).await);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while store.has_temporary_files() {
            assert!(Instant::now() < deadline, "{transport}");
            tokio::task::yield_now().await;
        }
        assert_eq!(tip(&mut remote, "main").await, request.wants[0], "{transport}");
        store.fetch(&mut remote, &request).await.unwrap();
        store.check();
    })
    .await;
}
