//! Commands that need a connection of their own, or concern the session: they work as on one Redis.

use crate::servers::Set;
use crate::support::wait_for;

#[test]
fn reads_go_to_replicas_and_writes_to_the_primary() {
    let set = Set::start(2, &[]);
    let mut client = set.client();
    assert_eq!(client.ask("SET k v"), "+OK");
    // A replica answers as soon as it is known to have the write; on a busy machine that may take a while.
    wait_for("reads to be the replicas'", || {
        let before = (set.replica_calls("get"), set.primary.calls("get"));
        for _ in 0..50 {
            assert_eq!(client.ask("GET k"), "v");
        }
        let after = (set.replica_calls("get"), set.primary.calls("get"));
        (after.0 - before.0 == 50 && after.1 == before.1).then_some(())
    });
    assert_eq!(set.primary.calls("set"), 1);
}

#[test]
fn write_after_watch_goes_to_primary_and_a_conflict_is_seen() {
    let set = Set::start(2, &[]);
    let (mut one, mut other) = (set.client(), set.client());
    assert_eq!(one.ask("WATCH k"), "+OK");
    assert_eq!(other.ask("SET k other"), "+OK");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(one.ask("SET k one"), "+QUEUED");
    assert_eq!(one.ask("EXEC"), "(nil)");
    assert_eq!(one.ask("GET k"), "other");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(one.ask("INCR n"), "+QUEUED");
    assert_eq!(one.ask("GET n"), "+QUEUED");
    assert_eq!(one.ask("EXEC"), "[:1, 1]");
    assert_eq!(one.ask("EXEC"), "-ERR EXEC without MULTI");
    assert_eq!(one.ask("DISCARD"), "-ERR DISCARD without MULTI");
}

#[test]
fn a_blocked_client_wakes_and_an_abandoned_one_takes_nothing() {
    let set = Set::start(1, &[]);
    let (mut waiting, mut pushing) = (set.client(), set.client());
    let blocked = |set: &Set| {
        let info = set.primary.client().ask("INFO clients");
        info.lines().find_map(|line| line.strip_prefix("blocked_clients:").map(str::to_owned)).expect("a count")
    };
    waiting.send(&["BLPOP", "list", "0"]);
    wait_for("the client to block", || (blocked(&set) == "1").then_some(()));
    assert_eq!(pushing.ask("RPUSH list a"), ":1");
    assert_eq!(waiting.reply(), "[list, a]");
    waiting.send(&["BLPOP", "list", "0"]);
    wait_for("the client to block", || (blocked(&set) == "1").then_some(()));
    drop(waiting);
    wait_for("the block to end", || (blocked(&set) == "0").then_some(()));
    assert_eq!(pushing.ask("RPUSH list b"), ":1");
    assert_eq!(pushing.ask("LLEN list"), ":1");
}

#[test]
fn subscribers_hear_what_is_published_in_both_versions() {
    let set = Set::start(1, &[]);
    let (mut two, mut three, mut publisher) = (set.client(), set.client(), set.client());
    assert_eq!(two.ask("SUBSCRIBE ch"), "[subscribe, ch, :1]");
    three.ask("HELLO 3");
    assert_eq!(three.ask("PSUBSCRIBE c*"), ">[psubscribe, c*, :1]");
    assert_eq!(publisher.ask("PUBLISH ch hi"), ":2");
    assert_eq!(two.reply(), "[message, ch, hi]");
    assert_eq!(three.reply(), ">[pmessage, c*, ch, hi]");
    assert_eq!(two.ask("PING"), "[pong, ]");
    assert_eq!(three.ask("PING"), "+PONG");
    assert!(two.ask("GET k").contains("only (P|S)SUBSCRIBE"), "the rule of RESP2");
    assert_eq!(three.ask("GET k"), "(nil)");
}

#[test]
fn the_database_name_and_identity_belong_to_the_session() {
    let set = Set::start(2, &[]);
    let (mut one, mut other) = (set.client(), set.client());
    assert_eq!(one.ask("SELECT 3"), "+OK");
    assert_eq!(one.ask("SET k three"), "+OK");
    assert_eq!(other.ask("GET k"), "(nil)");
    assert_eq!(one.ask("GET k"), "three");
    assert_eq!(one.ask("SELECT 99"), "-ERR DB index is out of range");
    assert_eq!(one.ask("GET k"), "three");
    assert_eq!(one.ask("CLIENT SETNAME me"), "+OK");
    assert_eq!(one.ask("CLIENT GETNAME"), "me");
    assert_eq!(other.ask("CLIENT GETNAME"), "(nil)");
    assert!(one.ask("CLIENT INFO").contains("name=me"), "its own connection has its name");
    assert!(one.ask("CLIENT INFO").contains("db=3"), "and its database");
    let id = one.ask("CLIENT ID");
    assert!(other.ask("CLIENT LIST").contains(&format!("id={} ", &id[1..])), "others see it");
    assert_eq!(one.ask("RESET"), "+RESET");
    assert_eq!(one.ask("GET k"), "(nil)");
    assert_eq!(one.ask("CLIENT GETNAME"), "(nil)");
}

#[test]
fn tracking_invalidates_what_was_read() {
    let set = Set::start(1, &[]);
    let (mut cache, mut writer) = (set.client(), set.client());
    cache.ask("HELLO 3");
    assert_eq!(cache.ask("CLIENT TRACKING ON"), "+OK");
    assert_eq!(cache.ask("GET cached"), "(nil)");
    assert_eq!(writer.ask("SET cached 1"), "+OK");
    assert_eq!(cache.reply(), ">[invalidate, [cached]]");
}

#[test]
fn a_monitor_sees_the_commands_of_others() {
    let set = Set::start(0, &[]);
    let (mut monitor, mut other) = (set.client(), set.client());
    assert_eq!(monitor.ask("MONITOR"), "+OK");
    other.ask("SET seen 1");
    wait_for("the command", || monitor.reply().contains("\"SET\" \"seen\"").then_some(()));
}

#[test]
fn cursors_lose_no_element_with_several_replicas() {
    let set = Set::start(2, &[]);
    let mut client = set.client();
    for n in 0..2000 {
        client.send(&["HSET", "hash", &format!("f{n}"), "1"]);
    }
    (0..2000).for_each(|_| drop(client.reply()));
    let mut seen = std::collections::HashSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.ask(&format!("HSCAN hash {cursor} COUNT 50"));
        let (next, fields) = reply[1..].split_once(", ").expect("a cursor and fields");
        // The last page may be empty.
        let fields = fields.trim_matches(['[', ']']).split(", ").step_by(2).filter(|field| !field.is_empty());
        seen.extend(fields.map(str::to_owned));
        cursor = next.to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 2000);
}

#[test]
fn credentials_of_a_client_are_checked_by_the_server() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    assert!(client.ask("AUTH wrong").starts_with("-ERR AUTH <password> called without any password configured"));
    let mut admin = set.primary.client();
    assert_eq!(admin.ask("ACL SETUSER reader on >secret ~* +@read +hello +ping"), "+OK");
    assert!(client.ask("AUTH reader nonsense").starts_with("-WRONGPASS"));
    assert_eq!(client.ask("SET k v"), "+OK");
    assert_eq!(client.ask("AUTH reader secret"), "+OK");
    assert!(client.ask("SET k v").starts_with("-NOPERM"));
    assert_eq!(set.client().ask("SET k v"), "+OK");
}

#[test]
fn denied_commands_are_refused_by_name() {
    let set = Set::start(0, &["--deny", "shutdown,flushall"]);
    let mut client = set.client();
    assert_eq!(client.ask("FLUSHALL"), "-NOPERM ambassador: the command 'flushall' is denied here (--deny)");
    assert_eq!(client.ask("PING"), "+PONG");
    assert_eq!(client.ask("MULTI"), "+OK");
    assert_eq!(client.ask("SET k v"), "+QUEUED");
    assert!(client.ask("SHUTDOWN").starts_with("-ERR Command not allowed inside a transaction"));
    assert!(client.ask("EXEC").starts_with("-EXECABORT"), "what was queued beside it is not done");
    assert_eq!(client.ask("GET k"), "(nil)");
}

#[test]
fn quit_answers_and_closes() {
    let set = Set::start(0, &[]);
    let mut client = set.client();
    assert_eq!(client.ask("QUIT"), "+OK");
    assert_eq!(client.reply(), "(closed)");
}

#[test]
fn each_database_has_connections_of_its_own() {
    let set = Set::start(1, &["--deny", ""]);
    let (mut one, mut two, mut fresh) = (set.client(), set.client(), set.client());
    assert_eq!(two.ask("SELECT 9"), "+OK");
    assert_eq!(two.ask("SET k nine"), "+OK");
    // While a script keeps the server busy it refuses every SELECT: nothing may slip into another database then.
    one.send(&["EVAL", "while true do end", "0"]);
    wait_for("the server to be busy", || fresh.ask("PING").starts_with("-BUSY").then_some(()));
    assert!(fresh.ask("SELECT 5").starts_with("-BUSY"));
    assert!(fresh.ask("SET k five").starts_with("-BUSY"));
    assert_eq!(fresh.ask("SCRIPT KILL"), "+OK");
    assert!(one.reply().contains("killed by user"));
    assert_eq!(fresh.ask("SELECT 9"), "+OK");
    assert_eq!(fresh.ask("EVAL return(redis.call('get','k')) 0"), "nine");
    assert_eq!(fresh.ask("SELECT 0"), "+OK");
    assert_eq!(fresh.ask("GET k"), "(nil)");
}

#[test]
fn a_client_with_credentials_of_its_own_reads_from_replicas() {
    let set = Set::start(1, &[]);
    for server in [&set.primary, &set.replicas[0]] {
        assert_eq!(server.client().ask("ACL SETUSER app on >secret ~* +@all"), "+OK");
    }
    let mut client = set.client();
    assert_eq!(client.ask("AUTH app secret"), "+OK");
    assert_eq!(client.ask("SELECT 3"), "+OK");
    let before = set.replica_calls("get");
    wait_for("reads on the replica", || {
        assert_eq!(client.ask("SET k v"), "+OK");
        assert_eq!(client.ask("GET k"), "v");
        (set.replica_calls("get") > before).then_some(())
    });
}

#[test]
fn who_changes_settings_reads_from_the_server_that_has_them() {
    let set = Set::start(1, &["--deny", ""]);
    let (mut operator, mut other) = (set.client(), set.client());
    assert_eq!(operator.ask("CONFIG SET hash-max-listpack-entries 1"), "+OK");
    let before = set.replica_calls("get");
    for _ in 0..20 {
        assert_eq!(operator.ask("GET k"), "(nil)");
    }
    assert_eq!(set.replica_calls("get"), before);
    wait_for("others to read from the replica", || {
        other.ask("GET k");
        (set.replica_calls("get") > before).then_some(())
    });
}

#[test]
fn a_user_who_may_not_select_keeps_the_database_that_was_chosen_before() {
    let set = Set::start(0, &[]);
    let mut client = set.client();
    assert_eq!(client.ask("SELECT 9"), "+OK");
    assert_eq!(client.ask("SET k nine"), "+OK");
    assert_eq!(client.ask("ACL SETUSER reader on >secret ~* +get"), "+OK");
    assert_eq!(client.ask("AUTH reader secret"), "+OK");
    assert_eq!(client.ask("GET k"), "nine");
    assert!(client.ask("SELECT 0").starts_with("-NOPERM"));
    assert_eq!(client.ask("GET k"), "nine");
}

#[test]
fn a_client_with_a_name_is_listed_by_it_and_still_reads_from_replicas() {
    let set = Set::start(1, &[]);
    let (mut named, mut other) = (set.client(), set.client());
    assert_eq!(named.ask("CLIENT SETNAME worker-7"), "+OK");
    assert!(other.ask("CLIENT LIST").contains("name=worker-7"));
    let before = set.replica_calls("get");
    wait_for("reads on the replica", || {
        assert_eq!(named.ask("SET k v"), "+OK");
        assert_eq!(named.ask("GET k"), "v");
        (set.replica_calls("get") > before).then_some(())
    });
    named.ask("HELLO 3");
    assert_eq!(named.ask("HSET h a 1"), ":1");
    assert_eq!(named.ask("HGETALL h"), "{a, 1}");
    assert!(other.ask("CLIENT LIST").contains("name=worker-7"));
    drop(named);
    wait_for("the name to be gone", || (!other.ask("CLIENT LIST").contains("name=worker-7")).then_some(()));
}

#[test]
fn a_pause_of_writes_holds_up_no_read() {
    let set = Set::start(0, &[]);
    let (mut operator, mut writer, mut reader) = (set.client(), set.client(), set.client());
    assert_eq!(operator.ask("SET k old"), "+OK");
    assert_eq!(operator.ask("CLIENT PAUSE 60000 WRITE"), "+OK");
    writer.send(&["SET", "k", "new"]);
    wait_for("the write to wait", || {
        set.primary.client().ask("INFO clients").contains("blocked_clients:1").then_some(())
    });
    assert_eq!(reader.ask("GET k"), "old");
    assert_eq!(operator.ask("CLIENT UNPAUSE"), "+OK");
    assert_eq!(writer.reply(), "+OK");
    assert_eq!(reader.ask("GET k"), "new");
}

#[test]
fn a_password_that_is_set_meanwhile_is_accepted_in_every_database() {
    let set = Set::start(0, &[]);
    let mut client = set.client();
    assert_eq!(client.ask("SELECT 9"), "+OK");
    assert_eq!(client.ask("CONFIG SET requirepass secret"), "+OK");
    assert_eq!(client.ask("AUTH default secret"), "+OK");
    assert_eq!(client.ask("SET k nine"), "+OK");
    assert_eq!(client.ask("CONFIG SET requirepass "), "+OK");
    let mut other = set.client();
    assert_eq!(other.ask("SELECT 9"), "+OK");
    assert_eq!(other.ask("GET k"), "nine");
}

#[test]
fn tracking_works_in_every_mode() {
    let set = Set::start(1, &[]);
    let (mut cache, mut writer) = (set.client(), set.client());
    cache.ask("HELLO 3");
    assert_eq!(cache.ask("CLIENT TRACKING ON BCAST PREFIX user:"), "+OK");
    assert_eq!(writer.ask("SET user:1 x"), "+OK");
    assert_eq!(cache.reply(), ">[invalidate, [user:1]]");
    assert_eq!(cache.ask("CLIENT TRACKING OFF"), "+OK");
    assert_eq!(cache.ask("CLIENT TRACKING ON OPTIN"), "+OK");
    assert_eq!(cache.ask("GET untracked"), "(nil)");
    assert_eq!(cache.ask("CLIENT CACHING YES"), "+OK");
    assert_eq!(cache.ask("GET tracked"), "(nil)");
    assert_eq!((writer.ask("SET untracked 1"), writer.ask("SET tracked 1")), ("+OK".into(), "+OK".into()));
    assert_eq!(cache.reply(), ">[invalidate, [tracked]]");
    // RESP2: the invalidations of one connection go to another.
    let (mut listener, mut reader) = (set.client(), set.client());
    let id = listener.ask("CLIENT ID");
    assert_eq!(listener.ask("SUBSCRIBE __redis__:invalidate"), "[subscribe, __redis__:invalidate, :1]");
    assert_eq!(reader.ask(&format!("CLIENT TRACKING ON REDIRECT {}", &id[1..])), "+OK");
    assert_eq!(reader.ask("GET redirected"), "(nil)");
    assert_eq!(writer.ask("SET redirected 1"), "+OK");
    assert_eq!(listener.reply(), "[message, __redis__:invalidate, [redirected]]");
}

#[test]
fn replies_that_a_client_does_not_want_are_not_sent() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    for line in ["CLIENT REPLY OFF", "SET k v", "GET k"] {
        client.send(&line.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(client.ask("CLIENT REPLY ON"), "+OK");
    client.send(&["CLIENT", "REPLY", "SKIP"]);
    client.send(&["SET", "k", "w"]);
    assert_eq!(client.ask("GET k"), "w");
}

#[test]
fn read_only_functions_and_scripts_are_answered_by_replicas() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    let library = "#!lua name=lib\nredis.register_function{function_name='peek',callback=function(k) return redis.call('get',k[1]) end,flags={'no-writes'}}";
    client.send(&["FUNCTION", "LOAD", library]);
    assert_eq!(client.reply(), "lib");
    assert_eq!(client.ask("SET k v"), "+OK");
    wait_for("the function on the replica", || {
        assert_eq!(client.ask("FCALL_RO peek 1 k"), "v");
        assert_eq!(client.ask("EVAL_RO return(redis.call('get',KEYS[1])) 1 k"), "v");
        (set.replica_calls("fcall_ro") > 0 && set.replica_calls("eval_ro") > 0).then_some(())
    });
    // A script that only the primary knows is no error on the way.
    let sha = client.ask("SCRIPT LOAD return(redis.call('get',KEYS[1]))");
    for _ in 0..5 {
        assert_eq!(client.ask(&format!("EVALSHA_RO {sha} 1 k")), "v");
    }
    assert!(client.ask("EVAL_RO return(redis.call('set',KEYS[1],1)) 1 k").contains("Write commands are not allowed"));
}
