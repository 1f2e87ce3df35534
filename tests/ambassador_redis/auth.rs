//! Who may come in, and who we are for the servers.

use crate::servers::{Ambassador, RedisServer, Set};
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

/// The SHA-256 of `secret`.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

#[test]
fn users_of_our_own_are_checked_here_and_the_servers_never_hear_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.acl");
    std::fs::write(&file, format!("user app on #{SECRET} ~* +@all\nuser viewer on #{SECRET} ~* +@read\n")).unwrap();
    let arguments = format!("--users-file={}", file.display());
    let set = Set::guarded(1, &[&arguments]);
    let mut client = set.client();
    assert_eq!(client.ask("GET k"), "-NOAUTH Authentication required.");
    assert!(client.ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert_eq!(client.ask("AUTH wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(client.ask("AUTH app wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(client.ask("AUTH app secret"), "+OK");
    assert_eq!(client.ask("SET k v"), "+OK");
    assert_eq!(client.ask("AUTH viewer wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(client.ask("SET k v2"), "+OK", "a failed AUTH takes nothing away");
    assert_eq!(client.ask("RESET"), "+RESET");
    assert_eq!(client.ask("GET k"), "-NOAUTH Authentication required.");

    let mut viewer = set.client();
    let greeting = viewer.ask("HELLO 3 AUTH viewer secret SETNAME me");
    assert!(greeting.starts_with("{server, redis"), "{greeting}");
    assert_eq!(viewer.ask("GET k"), "v2");
    assert_eq!(viewer.ask("CLIENT GETNAME"), "me");
    for refused in
        ["SET k v", "EVAL return 0", "CONFIG GET port", "SUBSCRIBE c", "FLUSHALL", "BLPOP l 1", "CLIENT KILL ID 1"]
    {
        assert!(viewer.ask(refused).starts_with("-NOPERM this user has no permissions to run the '"), "{refused}");
    }
    assert_eq!(viewer.ask("MULTI"), "+OK");
    assert!(viewer.ask("SET k v").starts_with("-NOPERM"));
    assert_eq!(viewer.ask("GET k"), "+QUEUED");
    assert!(viewer.ask("AUTH app secret").starts_with("-ERR"));
    assert_eq!(viewer.ask("EXEC"), "[v2]");
    // On a connection of its own nothing of this changes.
    assert!(viewer.ask("CLIENT ID").starts_with(':'));
    assert!(viewer.ask("SET k v").starts_with("-NOPERM"));
    assert_eq!(viewer.ask("AUTH app secret"), "+OK");
    assert_eq!(viewer.ask("SET k v3"), "+OK");
    assert_eq!(set.primary.calls("auth") + set.replica_calls("auth"), 0);

    // Strangers have Redis' small limits.
    let mut stranger = set.client();
    stranger.send_bytes(b"*11\r\n");
    assert_eq!(stranger.reply(), "-ERR Protocol error: unauthenticated multibulk length");

    // A user that is gone loses its sessions; the others stay.
    client = set.client();
    assert_eq!(client.ask("AUTH app secret"), "+OK");
    std::fs::write(&file, format!("user viewer on #{SECRET} ~* +@read\n")).unwrap();
    assert_eq!(client.reply(), "(closed)");
    assert_eq!(set.client().ask("AUTH viewer secret"), "+OK");
    std::fs::write(&file, "user viewer on >secret +@all\n").unwrap();
    set.ambassador.process.wait_for_log("the last good ones stay in force");
    assert_eq!(set.client().ask("AUTH viewer secret"), "+OK");
}
