//! The process's one HTTP listener: probes, metrics, the status page, the log level, and what a mode adds.
//!
//! It listens on every interface, since the kubelet probes a Pod by its address; so what it shows must be safe to show,
//! and routes that change something take POST or PUT and answer loopback peers only. Bodies, connections and header
//! times are bounded.

pub mod client;
mod route;
mod server;
mod status;

pub use route::{Access, Reply, Request, Routes};
pub use server::{Server, serve};
pub use status::{Section, page};
