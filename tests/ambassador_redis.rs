//! The ambassador in front of real Redis servers: what a client sees, and what the servers saw.
#![cfg(feature = "ambassador-redis")]
#![allow(unreachable_pub, reason = "the modules are shared inside this target only")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "ambassador_redis/aside.rs"]
mod aside;
#[path = "ambassador_redis/auth.rs"]
mod auth;
#[path = "ambassador_redis/choice.rs"]
mod choice;
#[path = "ambassador_redis/client.rs"]
mod client;
#[path = "ambassador_redis/cluster/mod.rs"]
mod cluster;
#[path = "ambassador_redis/consistency.rs"]
mod consistency;
#[path = "ambassador_redis/doors.rs"]
mod doors;
#[path = "ambassador_redis/failover.rs"]
mod failover;
#[path = "ambassador_redis/faults.rs"]
mod faults;
#[path = "ambassador_redis/insight.rs"]
mod insight;
#[path = "ambassador_redis/library.rs"]
mod library;
#[path = "ambassador_redis/limits.rs"]
mod limits;
#[path = "ambassador_redis/model.rs"]
mod model;
#[path = "ambassador_redis/protocol.rs"]
mod protocol;
#[path = "ambassador_redis/reload.rs"]
mod reload;
#[path = "ambassador_redis/servers.rs"]
mod servers;
#[path = "ambassador_redis/sessions.rs"]
mod sessions;
mod support;
#[path = "ambassador_redis/tls.rs"]
mod tls;
#[path = "ambassador_redis/transparency.rs"]
mod transparency;
