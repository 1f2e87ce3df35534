//! The network layer and the pack reader, against git's own servers: git daemon, git http-backend, plain paths.
mod backend;
mod fetch;
mod http;
mod pack;
mod repository;
mod ssh;
mod tls;
