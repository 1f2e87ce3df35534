//! A Redis Cluster behind one port.

mod changes;
mod connection;
mod explain;
mod requests;
mod servers;
