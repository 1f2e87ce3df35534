//! The redis crate's ordinary life through the ambassador, in both protocol versions.

use redis::{AsyncCommands, AsyncConnectionConfig, Client, PushKind};

use crate::servers::Set;

async fn ordinary_life(client: &Client) -> redis::RedisResult<()> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    () = connection.set("k", "v").await?;
    assert_eq!(connection.get::<_, String>("k").await?, "v");
    let mut pipeline = redis::pipe();
    for n in 0..100 {
        pipeline.set(format!("k{n}"), n).ignore().get(format!("k{n}"));
    }
    let values: Vec<u32> = pipeline.query_async(&mut connection).await?;
    assert_eq!(values, (0..100).collect::<Vec<_>>());
    let counted: (u32, u32) = redis::pipe().atomic().incr("n", 1).incr("n", 2).query_async(&mut connection).await?;
    assert_eq!(counted, (1, 3));
    () = connection.hset_multiple("h", &[("a", 1), ("b", 2)]).await?;
    let map: std::collections::BTreeMap<String, u32> = connection.hgetall("h").await?;
    assert_eq!(map.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    () = connection.zadd("z", "m", 1.5).await?;
    assert_eq!(connection.zscore::<_, _, f64>("z", "m").await?.to_string(), "1.5");
    assert_eq!(connection.get::<_, Option<String>>("none").await?, None);
    let wrong = connection.lpush::<_, _, u32>("k", "x").await.expect_err("a string is no list");
    assert_eq!(wrong.code(), Some("WRONGTYPE"));
    let doubled: u32 = redis::cmd("EVAL").arg("return ARGV[1] * 2").arg(0).arg(21).query_async(&mut connection).await?;
    assert_eq!(doubled, 42);
    let mut waiting = client.get_multiplexed_async_connection().await?;
    let (popped, pushed) =
        tokio::join!(waiting.blpop::<_, (String, String)>("list", 0.0), connection.rpush::<_, _, u32>("list", "e"));
    assert_eq!((popped?, pushed?), (("list".into(), "e".into()), 1));
    let mut seen = std::collections::BTreeSet::new();
    let mut keys = connection.scan_match::<_, String>("k*").await?;
    while let Some(key) = keys.next_item().await {
        seen.insert(key?);
    }
    drop(keys);
    assert_eq!(seen.len(), 101);
    connection.flushdb().await
}

#[test]
fn the_redis_crate_lives_its_ordinary_life_in_both_versions() {
    let set = Set::start(2, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for version in ["resp2", "resp3"] {
        let client = Client::open(format!("redis://127.0.0.1:{}/5?protocol={version}", set.ambassador.port)).unwrap();
        runtime.block_on(ordinary_life(&client)).expect(version);
    }
}

#[test]
fn the_redis_crate_hears_pushes() {
    let set = Set::start(1, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", set.ambassador.port)).unwrap();
        let (sender, mut pushes) = tokio::sync::mpsc::unbounded_channel();
        let settings = AsyncConnectionConfig::new().set_push_sender(sender);
        let mut listener = client.get_multiplexed_async_connection_with_config(&settings).await.unwrap();
        let mut other = client.get_multiplexed_async_connection().await.unwrap();
        listener.subscribe("ch").await.unwrap();
        assert_eq!(other.publish::<_, _, u32>("ch", "hi").await.unwrap(), 1);
        while pushes.recv().await.expect("a push").kind != PushKind::Message {}
        () = redis::cmd("CLIENT").arg(&["TRACKING", "ON"]).query_async(&mut listener).await.unwrap();
        assert_eq!(listener.get::<_, Option<u32>>("cached").await.unwrap(), None);
        () = other.set("cached", 1).await.unwrap();
        while pushes.recv().await.expect("a push").kind != PushKind::Invalidate {}
    });
}
