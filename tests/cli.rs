//! What the modes share, through the real binary: the command line, settings and their mistakes, probes and the status
//! page, reload, the end, links.
#![cfg(all(feature = "sync-git", feature = "ambassador-redis", feature = "adapt-metrics"))]

mod support;

#[path = "cli/modes.rs"]
mod modes;

#[path = "cli/drain.rs"]
mod drain;
#[path = "cli/end.rs"]
mod end;
#[path = "cli/http.rs"]
mod http;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/links.rs"]
mod links;
#[path = "cli/reload.rs"]
mod reload;
#[path = "cli/schema.rs"]
mod schema;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/usage.rs"]
mod usage;
