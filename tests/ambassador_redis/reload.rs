//! Settings that are read again: policy and servers change, and no client notices.

use crate::servers::{Ambassador, RedisServer};
use crate::support::wait_for;

#[test]
fn policy_and_servers_change_while_clients_stay() {
    let servers: Vec<RedisServer> = (0..4).map(|_| RedisServer::start()).collect();
    servers[1].follow(servers[0].port);
    servers[2].follow(servers[0].port);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.yaml");
    let at = |place: usize| format!("127.0.0.1:{}", servers[place].port);
    let write = |more: &str| std::fs::write(&file, format!("ambassador-redis:\n{more}")).unwrap();
    write(&format!("  primary: {}\n  replica: [\"{}\"]\n  read-from: primary\n", at(0), at(1)));
    let ambassador = Ambassador::start(&["--config".to_owned(), file.display().to_string()]);
    ambassador.wait_until_ready();
    let mut client = ambassador.client();
    assert_eq!(client.ask("SET k 1"), "+OK");
    assert_eq!(client.ask("GET k"), "1");
    assert_eq!(servers[1].calls("get"), 0);

    // Reads move to the replica, with all that was told before.
    write(&format!("  primary: {}\n  replica: [\"{}\"]\n  deny: [flushall]\n", at(0), at(1)));
    wait_for("a read on the replica", || {
        assert_eq!(client.ask("GET k"), "1");
        (servers[1].calls("get") > 0).then_some(())
    });
    wait_for("the new policy", || client.ask("FLUSHALL").starts_with("-NOPERM ambassador").then_some(()));
    ambassador.process.wait_for_log("reloaded");

    // Another replica takes the place of the first.
    write(&format!("  primary: {}\n  replica: [\"{}\"]\n", at(0), at(2)));
    wait_for("a read on the other replica", || {
        assert_eq!(client.ask("GET k"), "1");
        (servers[2].calls("get") > 0).then_some(())
    });
    let before = servers[1].calls("get");
    (0..50).for_each(|_| assert_eq!(client.ask("GET k"), "1"));
    assert_eq!(servers[1].calls("get"), before);

    // Another primary, with other data: the same client goes on.
    assert_eq!(servers[3].client().ask("SET k other"), "+OK");
    write(&format!("  primary: {}\n", at(3)));
    wait_for("the other primary", || (client.ask("GET k") == "other").then_some(()));
    assert_eq!(client.ask("SET k 2"), "+OK");
    assert_eq!(servers[3].client().ask("GET k"), "2");

    // What needs a new start is named.
    write(&format!("  primary: {}\n  consistency: eventual\n", at(3)));
    ambassador.process.wait_for_log("these changes wait for the next start");
    assert_eq!(client.ask("GET k"), "2");
}
