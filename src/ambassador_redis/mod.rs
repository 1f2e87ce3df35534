//! The ambassador: a Redis primary with its replicas looks like one Redis on localhost, reads and writes split.
//!
//! ```text
//!            resp/        command/      route.rs         upstream/            session/
//! client → bytes → frame → command → primary or replica → connection → replies in order → client
//!                                        ↑         ↑
//!                            topology/ (roles, lag)  consistency.rs (offsets)
//! ```
//!
//! The main thread accepts clients and probes the servers; each worker thread (`worker.rs`) carries its share of the sessions over its
//! own connections. Bytes are forwarded as they are: no value is decoded.
//!
//! What is promised: replies in order; nothing that writes reaches a replica; no reply of a replica is older than what the application
//! was told before (unless `--consistency eventual`); a command is sent twice only if that does no harm. What is refused: protocol
//! errors, in Redis' words; denied commands; and, when no server may answer, each request with an error that says why.

#![allow(unreachable_pub, reason = "what leaves this folder is decided by this file alone")]

mod cluster;
mod command;
mod consistency;
mod dial;
mod downstream;
mod explain;
mod faults;
mod held;
mod insight;
mod listener;
mod metrics;
mod mirror;
mod resp;
mod route;
mod session;
mod settings;
mod shared;
mod standing;
mod status;
mod topology;
mod transport;
mod upstream;
mod users;
mod worker;

use std::sync::Arc;

use clap::Args;

use crate::core::fault::Fault;
use crate::core::lifecycle::{self, Process};
use crate::core::mode::{Foreign, Invocation, Mode};
use crate::core::rotating::Rotating;

use cluster::Discovery;
use dial::Dialer;
use downstream::Doors;
use mirror::Mirror;
use settings::{AddressMap, Settings};
use shared::Shared;
use topology::{Node, Prober, Sources, Topology};
use users::Users;

/// The pattern, for the registry.
pub const MODE: Mode = Mode {
    name: "ambassador-redis",
    links: &[],
    about: "Makes a Redis primary with replicas look like one Redis on localhost, reads and writes split",
    description: "The application connects to localhost as if a Redis ran there. Commands that write go to the primary, commands that \
                  only read go to its replicas, and no read is answered with less than the application was told before.",
    examples: "  patterns ambassador-redis --primary redis-0:6379 --replica redis-1:6379 --replica redis-2:6379\n  \
               patterns ambassador-redis --listen 127.0.0.1:6380 --primary redis:6379 --read-from primary\n  \
               patterns ambassador-redis --cluster redis-0:6379,redis-1:6379\n",
    http_bind: ":9103",
    starts_processes: |_| false,
    arguments: <Settings as Args>::augment_args,
    documents: &[],
    live: settings::LIVE,
    verbs: &[explain::VERB],
    foreign: Foreign::NONE,
    run,
};

fn run(invocation: &Invocation) -> Result<(), Fault> {
    let settings: Settings = invocation.settings()?;
    lifecycle::run(invocation, async |process: &Process| start(process, &settings))
}

/// Opens the port and starts the threads and tasks.
fn start(process: &Process, settings: &Settings) -> Result<(), Fault> {
    let doors = Doors::open(&settings.doors, process)?;
    let dialer = Dialer::new(&settings.dial)?;
    dialer.follow(process);
    let users = users(process, settings)?;
    if !settings.cluster.is_empty() {
        return start_cluster(process, settings, doors, dialer, users);
    }
    let (mirror, receiving) = Mirror::new(&settings.mirror).unzip();
    let (shared, prober) = prepare(settings, dialer, users, mirror)?;
    if let Some(receiving) = receiving {
        process.tasks.spawn("mirror", receiving.follow(shared.clone(), process.drain.clone()));
    }
    process.metrics.register(Arc::new(metrics::Page(shared.clone())));
    status::describe(process, &shared);
    insight::serve(process, &shared);

    process.tasks.spawn("probe", prober.follow(process.health.condition("primary"), process.drain.clone()));
    process.tasks.spawn("settings", follow_settings(process.clone(), shared.clone()));
    listener::start(process, doors, &shared)
}

/// Takes in settings that are read again, until the process drains.
async fn follow_settings(process: Process, shared: Arc<Shared>) -> Result<(), Fault> {
    let mut settings = process.settings.clone();
    while let Some(Ok(())) = process.drain.run_until_cancelled(settings.changed()).await {
        let now: Settings = settings.borrow_and_update().settings()?;
        shared.reload(&now);
    }
    Ok(())
}

/// What the workers share, and who asks the servers. Nothing is sent yet.
fn prepare(
    settings: &Settings,
    dialer: Dialer,
    users: Option<Arc<Rotating<Users>>>,
    mirror: Option<Mirror>,
) -> Result<(Arc<Shared>, Prober), Fault> {
    let fixed: Vec<_> = settings.primary.iter().chain(&settings.replica).cloned().collect();
    let nodes: Vec<Arc<Node>> = (0..).zip(&fixed).map(|(number, address)| Node::new(number, address.clone())).collect();
    let (primary, replicas) = match (&settings.primary, nodes.split_first()) {
        (Some(_), Some((primary, replicas))) => (Ok(primary.clone()), replicas.to_vec()),
        _ => (Err("the servers are being asked for their roles".to_owned()), nodes.clone()),
    };
    let shared = Shared::new(settings, dialer, users, mirror, Topology { epoch: 0, primary, replicas });
    shared.credentials().map_err(Fault::config)?;
    let sources = Sources::new(
        &shared,
        fixed,
        settings.upstream.clone(),
        settings.sentinel.clone(),
        settings.sentinel_primary.clone(),
        settings.probe_timeout,
        AddressMap::new(&settings.map_address),
    );
    let prober = Prober::new(&shared, sources, nodes, settings);
    Ok((shared, prober))
}

/// The ambassador's own users, if it has some; they follow their file.
fn users(process: &Process, settings: &Settings) -> Result<Option<Arc<Rotating<Users>>>, Fault> {
    let Some(file) = settings.users_file.clone() else { return Ok(None) };
    let users = Rotating::new("users", vec![file.clone()], move || Users::read(&file))
        .map_err(|error| Fault::config(error).hint("see --users-file"))?;
    users.follow(process);
    Ok(Some(users))
}

/// What the workers share over a Cluster. Nothing is sent yet.
fn prepare_cluster(
    settings: &Settings,
    dialer: Dialer,
    users: Option<Arc<Rotating<Users>>>,
    mirror: Option<Mirror>,
) -> Result<Arc<Shared>, Fault> {
    let nobody = Topology { epoch: 0, primary: Err("the servers belong to shards".to_owned()), replicas: Vec::new() };
    let shared = Shared::new(settings, dialer, users, mirror, nobody);
    shared.credentials().map_err(Fault::config)?;
    Ok(shared)
}

/// The same for the shards of a Cluster, each of which is probed as a set of its own.
fn start_cluster(
    process: &Process,
    settings: &Settings,
    doors: Doors,
    dialer: Dialer,
    users: Option<Arc<Rotating<Users>>>,
) -> Result<(), Fault> {
    let (mirror, receiving) = Mirror::new(&settings.mirror).unzip();
    let shared = prepare_cluster(settings, dialer, users, mirror)?;
    if let Some(receiving) = receiving {
        process.tasks.spawn("mirror", receiving.follow(shared.clone(), process.drain.clone()));
    }
    process.metrics.register(Arc::new(metrics::Page(shared.clone())));
    status::describe(process, &shared);
    insight::serve(process, &shared);
    if let Some(cluster) = &shared.cluster {
        let discovery = Discovery::new(cluster, &shared, settings, &process.drain);
        process.tasks.spawn("cluster", discovery.follow(process.health.condition("cluster")));
    }
    process.tasks.spawn("settings", follow_settings(process.clone(), shared.clone()));
    listener::start(process, doors, &shared)
}
