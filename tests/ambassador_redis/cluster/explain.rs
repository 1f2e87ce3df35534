//! `explain` over a Cluster: the slot, the shard, and what becomes of a request with keys of several.

use super::servers::Cluster;
use crate::support::{patterns, run};

fn explain(arguments: &[&str]) -> String {
    let output = run(&[&["ambassador-redis", "explain"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn explain_names_the_slot_the_shard_and_the_servers() {
    let cluster = Cluster::start(&[]);
    let keys = cluster.keys();
    let (a, b) = (&keys[0], &keys[1]);
    let seed = format!("127.0.0.1:{}", cluster.servers[0].port);
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("patterns.yaml");
    std::fs::write(&config, format!("ambassador-redis:\n  cluster: {seed}\n  read-from: primary\n  deny: [debug]\n"))
        .unwrap();
    let config = config.to_str().expect("text");
    let by_file = |words: &[&str]| explain(&[&["--config", config], words].concat());
    let slot = super::servers::slot_of(&cluster.servers[0], a);
    let primary = format!("127.0.0.1:{}", cluster.owner(a).port);

    let write = explain(&["--cluster", &seed, "SET", a, "v"]);
    assert!(write.contains(&format!("slot {slot} has {a}: shard ")), "{write}");
    assert!(write.contains(&format!("now: {primary}\n")), "{write}");
    let read = explain(&["--cluster", &seed, "GET", a]);
    assert!(read.contains("a replica that is in step") && !read.contains(&format!("now: {primary}\n")), "{read}");
    let read = by_file(&["GET", a]);
    assert!(read.contains("--read-from primary") && read.contains(&format!("now: {primary}\n")), "{read}");
    assert!(
        by_file(&["--read-from", "any", "GET", a]).contains("a replica that is in step"),
        "a flag outweighs the file"
    );
    assert!(by_file(&["DEBUG", "SLEEP", "0"]).contains("is refused: --deny"));
    let split = by_file(&["MSET", a, "1", b, "2"]);
    assert!(
        split.contains("taken apart") && split.contains("may see a part") && split.matches("now: ").count() == 2,
        "{split}"
    );
    let crossed = by_file(&["RENAME", a, b]);
    assert!(crossed.contains("(CROSSSLOT)") && crossed.contains("braces") && !crossed.contains("now:"), "{crossed}");
    let all = by_file(&["DBSIZE"]);
    assert!(all.contains("every shard") && all.contains("the sum") && all.matches("now: ").count() == 3, "{all}");
    assert!(by_file(&["CLUSTER", "SLOTS"]).contains("use a client for one Redis"));
    assert!(by_file(&["PING"]).contains("slot 0"));
    // The environment counts as well.
    let output = patterns()
        .env("PATTERNS_AMBASSADOR_REDIS_CLUSTER", &seed)
        .args(["ambassador-redis", "explain", "GET", a])
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("slot {slot}")));
    // Nobody there.
    let nobody = explain(&["--cluster", "127.0.0.1:1", "GET", a]);
    assert!(nobody.contains("the Cluster is not known: 127.0.0.1:1:"), "{nobody}");
}
