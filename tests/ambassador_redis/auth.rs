//! Who may come in, and who we are for the servers.

use crate::servers::{Ambassador, RedisServer};
use crate::support::wait_for;

#[test]
fn a_new_password_for_the_servers_is_read_when_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let server = RedisServer::start();
    let mut admin = server.client();
    assert_eq!(admin.ask("CONFIG SET requirepass first"), "+OK");
    let ambassador = Ambassador::start(&[
        "--primary".to_owned(),
        format!("127.0.0.1:{}", server.port),
        "--upstream-password-file".to_owned(),
        file.display().to_string(),
    ]);
    ambassador.wait_until_ready();
    let mut client = ambassador.client();
    assert_eq!(client.ask("SET k v"), "+OK");
    // What the client itself sends is compared, too.
    assert_eq!(client.ask("AUTH first"), "+OK");
    assert!(client.ask("AUTH wrong").starts_with("-WRONGPASS"));

    assert_eq!(admin.ask("CONFIG SET requirepass second"), "+OK");
    std::fs::write(&file, "second\n").unwrap();
    // Whoever is connected loses its connection: the next one needs the new password.
    assert!(admin.ask("CLIENT KILL TYPE normal SKIPME yes").starts_with(':'));
    wait_for("an answer with the new password", || (client.ask("GET k") == "v").then_some(()));
    assert_eq!(client.ask("AUTH second"), "+OK");
}
