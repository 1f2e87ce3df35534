//! Which of several replicas answers: by zone, by weight, and not one that is far slower than the others.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::servers::{Ambassador, RedisServer, Set};
use crate::support::wait_for;

/// A primary and two replicas, and the ambassador with these further arguments; `0` and `1` stand for the replicas' addresses.
fn start(more: impl Fn(&str, &str) -> Vec<String>) -> Set {
    let primary = RedisServer::start();
    let replicas: Vec<RedisServer> = (0..2).map(|_| RedisServer::start()).collect();
    replicas.iter().for_each(|replica| replica.follow(primary.port));
    let at = |server: &RedisServer| format!("127.0.0.1:{}", server.port);
    let (one, two) = (at(&replicas[0]), at(&replicas[1]));
    let mut arguments = ["--primary", &at(&primary), "--replica", &one, "--replica", &two].map(str::to_owned).to_vec();
    arguments.extend(more(&one, &two));
    let ambassador = Ambassador::start(&arguments);
    ambassador.wait_until_ready();
    wait_for("both replicas", || {
        let page = ambassador.get("/metrics").1;
        let is_used = |at: &str| page.contains(&format!("node_used{{node=\"{at}\",role=\"replica\"}} 1"));
        (is_used(&one) && is_used(&two)).then_some(())
    });
    Set { ambassador, primary, replicas }
}

/// How many of twelve sessions read from each replica.
fn spread(set: &Set) -> [usize; 2] {
    let mut counts = [0, 0];
    for _ in 0..12 {
        let before = [0, 1].map(|place: usize| set.replicas[place].calls("get"));
        let mut client = set.client();
        wait_for("a read on a replica", || {
            client.ask("GET k");
            let place = (0..2).find(|place| set.replicas[*place].calls("get") > before[*place])?;
            counts[place] += 1;
            Some(())
        });
    }
    counts
}

#[test]
fn reads_stay_in_the_own_zone_while_a_replica_there_can_answer() {
    let mut set = start(|one, two| vec!["--zone=here".to_owned(), format!("--node-zone={one}=there,{two}=here")]);
    assert_eq!(spread(&set), [0, 12]);
    set.replicas[1].process.signal("KILL");
    set.replicas[1].process.wait();
    let mut client = set.client();
    wait_for("a read on the other replica", || {
        client.ask("GET k");
        (set.replicas[0].calls("get") > 0).then_some(())
    });
}

#[test]
fn sessions_are_shared_out_by_weight() {
    let set = start(|one, two| vec![format!("--node-weight={one}=3,{two}=1")]);
    assert_eq!(spread(&set), [9, 3]);
}

#[test]
fn a_replica_that_is_far_slower_is_left_alone_but_never_both() {
    let set = start(|_, _| vec!["--consistency=eventual".to_owned()]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut slow = set.replicas[0].client();
            while !stop.load(Ordering::Relaxed) {
                slow.ask("DEBUG SLEEP 0.05");
            }
        });
        let mut clients: Vec<_> = (0..4).map(|_| set.client()).collect();
        wait_for("the slow one to be left alone", || {
            clients.iter_mut().for_each(|client| drop(client.ask("GET k")));
            set.ambassador.process.log().contains("is far slower than the others").then_some(())
        });
        let before = set.replicas[0].calls("get");
        for client in &mut clients {
            (0..50).for_each(|_| drop(client.ask("GET k")));
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(set.replicas[0].calls("get"), before);
    });
    let page = set.ambassador.get("/metrics").1;
    assert!(page.contains(&format!("node_ejections_total{{node=\"127.0.0.1:{}\"}} 1", set.replicas[0].port)), "{page}");
}
