//! Packs that are not what they should be, and packs of every shape that git makes.

use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use git2::Oid;
use patterns::sync_git::pack::{Kind, Object, PackError, PackReceiver, PackReport, PackStore, Visitor};
use patterns::sync_git::remote::PackSink as _;

use super::repository::{Source, Store, git};

/// What `git pack-objects` makes of everything in `source`.
fn pack(source: &Source, options: &[&str]) -> Vec<u8> {
    pack_of(&source.path(), &[options, &["--all"]].concat(), "")
}

fn pack_of(path: &Path, options: &[&str], revisions: &str) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(["-c", "pack.threads=1", "pack-objects", "--stdout", "--revs", "-q"])
        .args(options)
        .current_dir(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), revisions.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

async fn store<V: Visitor>(into: PackStore, visitor: V, pack: &[u8], cut: usize) -> Result<(PackReport, V), PackError> {
    let mut receiver = PackReceiver::start(into, visitor);
    for piece in pack.chunks(cut) {
        if let Err(error) = receiver.take(Bytes::copy_from_slice(piece)).await {
            return Err(*error.downcast().unwrap());
        }
    }
    receiver.finish().await
}

#[derive(Default)]
struct Seen(Vec<(Oid, Kind, u64)>);

impl Visitor for Seen {
    fn object(&mut self, object: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        assert!(object.content.is_none_or(|content| content.len() as u64 == object.size));
        self.0.push((object.oid, object.kind, object.size));
        Ok(())
    }
}

#[tokio::test]
async fn every_object_is_seen_once_whatever_the_deltas_and_the_pieces() {
    let source = Source::new();
    std::fs::write(source.path().join("large"), vec![7; 3 << 20]).unwrap();
    source.commit(11);
    let all = git(&source.path(), &["cat-file", "--batch-check", "--batch-all-objects"]);
    let mut expected: Vec<String> = all.lines().map(str::to_owned).collect();
    expected.sort();
    for options in
        [["--delta-base-offset", "--depth=50"], ["--depth=50", "--window=20"], ["--window=0", "--no-reuse-delta"]]
    {
        for (cut, cache) in [(1, 16 << 20), (777, 0), (65_515, 4096)] {
            let into = Store::new();
            let mut place = into.pack_store();
            place.limits.cache_bytes = cache;
            let (report, seen) = store(place, Seen::default(), &pack(&source, &options), cut).await.unwrap();
            let mut names: Vec<String> =
                seen.0.iter().map(|(oid, kind, size)| format!("{oid} {} {size}", kind.name())).collect();
            names.sort();
            assert_eq!(names, expected, "{options:?} {cut}");
            assert_eq!(report.objects as usize, expected.len());
            into.check();
        }
    }
}

#[tokio::test]
async fn a_thin_pack_is_completed_from_the_store() {
    let source = Source::new();
    let into = Store::new();
    let first = source.oid("HEAD");
    store(into.pack_store(), (), &pack(&source, &[]), 4096).await.unwrap();
    source.commit(11);
    for options in [["--thin", "--delta-base-offset"], ["--thin", "-q"]] {
        let thin = pack_of(&source.path(), &options, &format!("HEAD\n^{first}\n"));
        let (report, ()) = store(into.pack_store(), (), &thin, 100).await.unwrap();
        assert!(report.completed > 0);
        into.check();
        let error = store(Store::new().pack_store(), (), &thin, 100).await.unwrap_err();
        assert!(matches!(error, PackError::MissingBase(_)), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_pack_leaves_nothing() {
    let source = Source::new();
    let good = pack(&source, &["--delta-base-offset"]);
    let into = Store::new();
    for cut in [0, 5, 12, 100, good.len() / 2, good.len() - 20, good.len() - 1] {
        let error = store(into.pack_store(), (), &good[..cut], 64).await.unwrap_err();
        assert!(matches!(error, PackError::Truncated), "{cut}: {error}");
    }
    // Every byte counts: whichever is changed, something notices.
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0x41;
        store(into.pack_store(), (), &bad, 4096).await.unwrap_err();
    }
    let mut longer = good.clone();
    longer.push(0);
    store(into.pack_store(), (), &longer, 4096).await.unwrap_err();
    assert!(into.is_empty());
}

#[tokio::test]
async fn limits_are_kept() {
    let source = Source::new();
    let good = pack(&source, &["--delta-base-offset"]);
    let into = Store::new();
    let limits: [fn(&mut PackStore); 4] = [
        |store| store.limits.pack_bytes = 1000,
        |store| store.limits.objects = 10,
        |store| store.limits.object_bytes = 1000,
        |store| store.limits.delta_depth = 1,
    ];
    for limit in limits {
        let mut place = into.pack_store();
        limit(&mut place);
        let error = store(place, (), &good, 4096).await.unwrap_err();
        assert!(matches!(error, PackError::Limit { .. }), "{error}");
    }
    assert!(into.is_empty());
}

#[tokio::test]
async fn an_empty_pack_stores_nothing() {
    let source = Source::new();
    let into = Store::new();
    let (report, ()) = store(into.pack_store(), (), &pack_of(&source.path(), &[], "\n"), 4096).await.unwrap();
    assert_eq!((report.objects, report.path), (0, None));
    assert!(into.is_empty());
}

#[tokio::test]
async fn a_visitor_that_refuses_ends_it_with_its_reason() {
    struct Refuses;
    impl Visitor for Refuses {
        fn object(&mut self, _: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            Err("not here".into())
        }
    }
    let source = Source::new();
    let into = Store::new();
    let error = store(into.pack_store(), Refuses, &pack(&source, &[]), 4096).await.err().unwrap();
    assert_eq!(error.to_string(), "not here");
    assert!(into.is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_dropped_leaves_nothing() {
    let source = Source::new();
    let into = Store::new();
    let good = pack(&source, &[]);
    let mut receiver = PackReceiver::start(into.pack_store(), ());
    receiver.take(Bytes::copy_from_slice(&good[..good.len() / 2])).await.unwrap();
    drop(receiver);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while into.path().join("objects/pack").exists() && !into.is_empty() {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}
