//! A Redis Cluster behind one port.

mod changes;
mod connection;
mod requests;
mod servers;
