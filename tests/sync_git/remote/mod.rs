//! The network layer and the pack reader, against git's own servers: git daemon, git http-backend, plain paths.
pub(crate) mod backend;
mod fetch;
mod http;
mod pack;
mod repository;
pub(crate) mod ssh;
pub(crate) mod tls;
